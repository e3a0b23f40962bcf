# SPDX-License-Identifier: Apache-2.0
"""Answers multiple-choice items with llama.cpp by lm-evaluation-harness' protocol.

Items are JSON lines {"question", "choices", "answer"}. Prints the accuracy by ln P per character (acc_norm) and by
ln P alone (acc). With --output, a JSON list with ln P of every choice: what `tiller evaluate choice` is held against.
"""
import argparse
import json
import pathlib

import numpy as np

from reference import Reference


def parts(question: str, choice: str) -> tuple[str, str]:
    """The context and its continuation: white space at the context's end belongs to the continuation."""
    stem = question.rstrip()
    between = question[len(stem):]
    return stem, choice if not between and choice[0].isspace() else (between or " ") + choice


def log_likelihood(model: Reference, question: str, choice: str) -> float:
    context, continuation = parts(question, choice)
    tokens = model.tokenize(context + continuation)
    start = min(max(len(model.tokenize(context)), 1), len(tokens) - 1)
    logits = model.all_logits(tokens[:-1])[start - 1:].astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return float(sum(row[token] for row, token in zip(logits, tokens[start:])))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a GGUF model")
    parser.add_argument("items", type=pathlib.Path, help="JSON lines")
    parser.add_argument("--limit", type=int, metavar="N", help="take the first N items (default: all)")
    parser.add_argument("--context", type=int, default=1024, metavar="N", help="longest item in tokens (default: 1024)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=pathlib.Path, metavar="OUT.json")
    options = parser.parse_args()
    model = Reference(options.model, options.context, options.threads)
    rows = [json.loads(line) for line in options.items.read_text(encoding="utf-8").split("\n") if line.strip()]
    scores, raw, by_character = [], 0, 0
    for row in rows[: options.limit]:
        found = [log_likelihood(model, row["question"], choice) for choice in row["choices"]]
        scores.append(found)
        raw += int(np.argmax(found)) == row["answer"]
        lengths = [len(choice) for choice in row["choices"]]
        by_character += int(np.argmax(np.array(found) / lengths)) == row["answer"]
    print(f"{len(scores)} items  accuracy {by_character / len(scores):.4f}  raw {raw / len(scores):.4f}")
    if options.output:
        options.output.write_text(json.dumps(scores) + "\n", encoding="utf-8")

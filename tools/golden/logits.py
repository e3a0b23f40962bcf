# SPDX-License-Identifier: Apache-2.0
"""Writes llama.cpp's logits for given tokens, or its greedy continuations of given prompts.

OUT.bin holds little-endian Float32 [positions × vocabulary] without a header; OUT.json says the shape
and the tokens. Each chunk of --context tokens is read by itself, from position 0 on.
With --greedy, OUT.json alone is written: for every prompt its token ids and the continuation's.
"""
import argparse
import json
import pathlib

from reference import Reference


def parse_control_vector(text: str) -> tuple[str, float]:
    """FILE.gguf or FILE.gguf:scale."""
    path, separator, scale = text.rpartition(":")
    try:
        return (path, float(scale)) if separator else (text, 1.0)
    except ValueError:
        return text, 1.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a GGUF model")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--tokens", metavar="FILE.json", help="a list of token ids")
    what.add_argument("--text", metavar="FILE", help="text to tokenize (without the model's start token)")
    what.add_argument("--greedy", metavar="FILE.json", help="a list of prompts (strings, or lists of token ids)")
    parser.add_argument("--context", type=int, default=256, metavar="N", help="tokens of a chunk (default: 256)")
    parser.add_argument("--chunks", type=int, default=1, metavar="K", help="chunks to read (default: 1)")
    parser.add_argument("--max-tokens", type=int, default=32, metavar="N", help="with --greedy (default: 32)")
    parser.add_argument("--control-vector", metavar="FILE.gguf[:SCALE]", help="steer with a GGUF control vector")
    parser.add_argument("--layers", type=int, nargs=2, metavar=("FIRST", "LAST"), default=(1, None),
                        help="layers that the control vector changes, both inclusive (default: all from 1 on)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", required=True, metavar="OUT.bin", type=pathlib.Path)
    return parser.parse_args()


def write_json(path: pathlib.Path, value: dict) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False) + "\n", encoding="utf-8")


def write_greedy(model: Reference, options: argparse.Namespace) -> None:
    rows = []
    for prompt in json.loads(pathlib.Path(options.greedy).read_text(encoding="utf-8")):
        tokens = model.tokenize(prompt) if isinstance(prompt, str) else prompt
        rows.append({"prompt": prompt, "tokens": tokens,
                     "continuation": model.greedy(tokens, options.max_tokens)})
    write_json(options.output.with_suffix(".json"), {"model": pathlib.Path(options.model).name, "prompts": rows})


def write_logits(model: Reference, options: argparse.Namespace) -> None:
    if options.tokens:
        tokens = json.loads(pathlib.Path(options.tokens).read_text(encoding="utf-8"))
    else:
        tokens = model.tokenize(pathlib.Path(options.text).read_text(encoding="utf-8"), special=False)
    tokens = tokens[: options.context * options.chunks]
    with options.output.open("wb") as file:
        for first in range(0, len(tokens), options.context):
            model.forget()
            for rows in model.logits(tokens[first : first + options.context]):
                file.write(rows.astype("<f4").tobytes())
            print(f"{min(first + options.context, len(tokens))} of {len(tokens)} tokens", flush=True)
    write_json(options.output.with_suffix(".json"), {
        "model": pathlib.Path(options.model).name, "shape": [len(tokens), model.vocabulary_size],
        "context": options.context, "tokens": tokens})


if __name__ == "__main__":
    options = arguments()
    model = Reference(options.model, options.context, options.threads)
    if options.control_vector:
        path, scale = parse_control_vector(options.control_vector)
        model.steer(path, scale, *options.layers)
    if options.greedy:
        write_greedy(model, options)
    else:
        write_logits(model, options)

# SPDX-License-Identifier: Apache-2.0
"""What transformers computes with the real models of tools/get-model: perplexity and greedy text, for Tests/Fixtures/real.

Weights are those of the GGUF file, dequantized to Float32. Writes OUT.json: the perplexity of four chunks of 512 tokens by
llama-perplexity's protocol, and greedy continuations of a short prompt and of the text's first 14,000 characters, some 3,000
tokens, with how clearly each of their tokens wins: the gap to the second logit says how much rounding a continuation bears.
The text is made of the pairs of tools/pairs and written beside it, as text.txt. Five minutes a model on 2 cores.
"""
import argparse
import json
import pathlib

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

CHUNK, CHUNKS, CHARACTERS, CONTINUED = 512, 4, 14_000, 32
PROMPT = "The ferry to the island leaves at seven, and"


def pairs_text(folder: pathlib.Path) -> str:
    """Every pair's two texts after its prompt, until there is enough."""
    lines = []
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            pair = json.loads(line)
            lines += [f"{pair['prompt']}\n{pair['positive']}", f"{pair['prompt']}\n{pair['negative']}"]
    return "\n\n".join(lines)[:20_000]


class Model:
    def __init__(self, path: pathlib.Path, adds_start: bool):
        self.tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
        self.network = AutoModelForCausalLM.from_pretrained(
            path.parent, gguf_file=path.name, dtype=torch.float32, attn_implementation="eager").eval()
        self.start = [self.tokenizer.bos_token_id] if adds_start else []

    def tokens(self, text: str) -> list[int]:
        """Without the token that a text starts with."""
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def perplexity(self, tokens: list[int]) -> float:
        """exp of the mean −ln P of the second half of each chunk, which begins as a text does."""
        losses = []
        for chunk in range(CHUNKS):
            part = tokens[chunk * CHUNK : (chunk + 1) * CHUNK]
            part[:1] = self.start or part[:1]
            scored = range(CHUNK // 2, CHUNK - 1)
            with torch.no_grad():
                rows = self.network(torch.tensor([part])).logits[0, scored].double()
            chances = torch.log_softmax(rows, -1)
            losses += [-chances[row, part[position + 1]].item() for row, position in enumerate(scored)]
        return float(np.exp(np.mean(losses)))

    def greedy(self, tokens: list[int]) -> dict:
        """The most likely tokens one after the other, and by how much the logit of each is the largest."""
        result = {"tokens": [], "gaps": []}
        cache, new = None, self.start + tokens
        result["prompt_tokens"] = len(new)
        with torch.no_grad():
            while len(result["tokens"]) < CONTINUED:
                out = self.network(torch.tensor([new]), past_key_values=cache, use_cache=True, logits_to_keep=1)
                cache, (best, second) = out.past_key_values, out.logits[0, -1].topk(2).values.tolist()
                new = [int(out.logits[0, -1].argmax())]
                result["tokens"] += new
                result["gaps"].append(round(best - second, 3))
                if new[0] == self.tokenizer.eos_token_id:
                    break
        return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path, help="a GGUF file of tools/get-model")
    parser.add_argument("--start", action="store_true", help="a text starts with the begin-of-text token (Gemma)")
    parser.add_argument("--pairs", type=pathlib.Path, default=pathlib.Path("tools/pairs"), metavar="DIR")
    parser.add_argument("--output", type=pathlib.Path, required=True, metavar="OUT.json")
    options = parser.parse_args()
    text = pairs_text(options.pairs)
    options.output.with_name("text.txt").write_text(text, encoding="utf-8")
    model = Model(options.model, options.start)
    options.output.write_text(json.dumps({
        "model": options.model.name, "chunks": CHUNKS, "perplexity": model.perplexity(model.start + model.tokens(text)), "prompt": PROMPT,
        "greedy": model.greedy(model.tokens(PROMPT)), "characters": CHARACTERS,
        "greedyAfterText": model.greedy(model.tokens(text[:CHARACTERS]))}, indent=1) + "\n", encoding="utf-8")

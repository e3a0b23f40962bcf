# SPDX-License-Identifier: Apache-2.0
"""Writes a tiny random model of every family as Float32 GGUF, with golden logits.

The logits are those of forward.py (Float64), which llama.cpp must confirm; greedy and text tokens are llama.cpp's.

The models say nothing, but every part of them changes the logits: gains are not 1, biases not 0, attention is
neither flat nor peaked, positions matter. sensitivity.py measures that. Weights are rounded to 8 significant
bits, so the files compress well. Results: see Tests/Fixtures/models/README.md.
"""
import argparse
import json
import pathlib
import zlib

import gguf
import numpy as np

import tiny_vocabulary
from dequantize import write_file
from forward import Forward, directions
from reference import Reference
from tiny_families import FAMILIES, Family

SEQUENCE_LENGTH = 48
POSITIONS = [0, 1, 7, 8, 15, 31, 40, 47]
SENTENCE = "There are three winds; the ferry brings größer bread at 7:45."
PROMPT_LENGTH, CONTINUATION_LENGTH = 8, 16
# Greedy tokens are golden only where no rounding can change them.
SMALLEST_MARGIN = 0.05
# Of a logit, between forward.py and llama.cpp: rounding of Float32, and of Float16 in llama.cpp's GELU.
LARGEST_DIFFERENCE = 2e-3


def rounded(values: np.ndarray) -> np.ndarray:
    """To 8 significant bits (those of BFloat16), to nearest."""
    bits = values.astype(np.float32).view(np.uint32)
    return ((bits + 0x8000) & 0xFFFF0000).astype(np.uint32).view(np.float32)


def tensors(family: Family, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Name to values, matrices as [rows × columns]."""

    def matrix(rows: int, columns: int, gain: float = 1) -> np.ndarray:
        return rounded(random.normal(0, gain / columns**0.5, (rows, columns)))

    def gains(count: int) -> np.ndarray:
        return rounded(np.clip(random.normal(1, 0.35, count), 0.3, 1.9))

    hidden, inner = family.hidden, family.intermediate
    query, key = family.heads * family.head_size, family.kv_heads * family.head_size
    # Small embeddings under a large last norm: a tied head would otherwise repeat the token it has just read.
    result = {"token_embd.weight": matrix(tiny_vocabulary.SIZE, hidden), "output_norm.weight": 2 * gains(hidden)}
    if not family.tied:
        result["output.weight"] = matrix(tiny_vocabulary.SIZE, hidden)
    if family.rope_factors is not None:
        result["rope_freqs.weight"] = family.rope_factors.astype(np.float32)
    for layer in range(family.layers):
        block = {
            "attn_norm.weight": gains(hidden), "attn_q.weight": matrix(query, hidden, 1.5),
            "attn_k.weight": matrix(key, hidden, 1.5), "attn_v.weight": matrix(key, hidden),
            "attn_output.weight": matrix(hidden, query, 1.5), "ffn_norm.weight": gains(hidden),
            "ffn_gate.weight": matrix(inner, hidden), "ffn_up.weight": matrix(inner, hidden),
            "ffn_down.weight": matrix(hidden, inner, 1.5)}
        if family.biases:
            block |= {f"attn_{name}.bias": rounded(random.normal(0, 0.5, size))
                      for name, size in (("q", query), ("k", key), ("v", key))}
        if family.head_norms:
            block |= {f"attn_{name}_norm.weight": gains(family.head_size) for name in ("q", "k")}
        if family.post_norms:
            block |= {f"post_{name}_norm.weight": gains(hidden) for name in ("attention", "ffw")}
        result |= {f"blk.{layer}.{name}": values for name, values in block.items()}
    return result


def write_model(family: Family, path: pathlib.Path) -> None:
    writer = gguf.GGUFWriter(path, family.architecture)
    writer.add_name(f"tiny random {family.name}")
    writer.add_license("Apache-2.0")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    family.write_metadata(writer)
    for name, values in tensors(family, np.random.default_rng(zlib.crc32(family.name.encode()))).items():
        writer.add_tensor(name, values)
    write_file(writer)


def write_control_vector(family: Family, path: pathlib.Path) -> None:
    """One random direction for each layer but the first, about half as long as the residual stream."""
    random = np.random.default_rng(zlib.crc32(b"steering " + family.name.encode()))
    writer = gguf.GGUFWriter(path, "controlvector")
    writer.add_string("controlvector.model_hint", family.architecture)
    writer.add_uint32("controlvector.layer_count", family.layers - 1)
    for layer in range(1, family.layers):
        writer.add_tensor(f"direction.{layer}", rounded(random.normal(0, 0.5, family.hidden)))
    write_file(writer)


def safe_greedy(model: Reference, tokens: list[int]) -> tuple[list[int], list[int], float]:
    """The first prompt in `tokens` whose continuation is full and clear; both, and the smallest margin."""
    for first in range(len(tokens) - PROMPT_LENGTH):
        prompt = tokens[first : first + PROMPT_LENGTH]
        continuation = model.greedy(prompt, CONTINUATION_LENGTH)
        best = np.sort(model.all_logits(prompt + continuation)[PROMPT_LENGTH - 1 : -1])
        margin = float((best[:, -1] - best[:, -2]).min())
        if len(continuation) == CONTINUATION_LENGTH and margin >= SMALLEST_MARGIN:
            return prompt, continuation, margin
    raise SystemExit("no prompt has a clear greedy continuation; change the sequence")


def confirmed(model: Reference, path: pathlib.Path, tokens: list[int], control: dict | None = None) -> np.ndarray:
    """The exact logits at POSITIONS, after llama.cpp has confirmed them at all positions."""
    theirs = model.all_logits(tokens)
    difference = np.abs(Forward(str(path), rounds_gelu=True).logits(tokens, control) - theirs).max()
    if difference > LARGEST_DIFFERENCE:
        raise SystemExit(f"{path}: forward.py and llama.cpp differ by {difference:.2e}")
    return Forward(str(path)).logits(tokens, control)[POSITIONS].astype("<f4")


def write_golden(family: Family, folder: pathlib.Path) -> None:
    model = Reference(str(folder / f"{family.name}.gguf"), context=256)
    random = np.random.default_rng(20_26)
    tokens = [int(token) for token in random.integers(0, model.vocabulary_size, SEQUENCE_LENGTH)]
    prompt, continuation, margin = safe_greedy(model, tokens)
    path = folder / f"{family.name}.gguf"
    rows = confirmed(model, path, tokens)
    rows.tofile(path.with_suffix(".logits.bin"))
    golden = {"model": path.name, "vocabularySize": model.vocabulary_size, "tokens": tokens,
              "positions": POSITIONS, "greedyPrompt": prompt, "greedyContinuation": continuation,
              "text": SENTENCE, "textTokens": model.tokenize(SENTENCE)}
    path.with_suffix(".json").write_text(json.dumps(golden, ensure_ascii=False) + "\n", encoding="utf-8")
    if family.is_steered:
        vector = path.with_suffix(".steering.gguf")
        write_control_vector(family, vector)
        model.steer(str(vector))
        confirmed(model, path, tokens, directions(str(vector))).tofile(path.with_suffix(".steered.bin"))
    print(f"{family.name:14} standard deviation of logits {rows.std():.2f}, greedy margin {margin:.3f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, help="where the files go (Tests/Fixtures/models)")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for family in FAMILIES:
        write_model(family, folder / f"{family.name}.gguf")
        write_golden(family, folder)

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the golden files of Tests/Fixtures/quantization: random blocks of every ggml type that we read
(TYPE.blocks) and what the PyPI package gguf makes of them (TYPE.expected, little-endian Float32).

Needs numpy and gguf (written with gguf 0.19.0)."""

import argparse
import pathlib

import gguf
import numpy as np

# Byte offsets of the binary16 fields in one block: random bytes there could be infinities or NaNs.
HALF_FIELDS = {
    "F16": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "F32": [], "BF16": [],
}


def random_blocks(name: str, rng: np.random.Generator) -> np.ndarray:
    size, byte_count = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
    if name in ("F32", "BF16"):
        values = rng.standard_normal(96).astype("<f4")
        raw = values if name == "F32" else (values.view("<u4") >> 16).astype("<u2")
        return raw.view(np.uint8).reshape(96, byte_count)
    count = {1: 96, 32: 7, 256: 3}[size]
    blocks = rng.integers(0, 256, (count, byte_count), dtype=np.uint8)
    for offset in HALF_FIELDS[name]:
        halves = rng.integers(0, 0x7C00, count).astype("<u2") | (rng.integers(0, 2, count).astype("<u2") << 15)
        halves[-1] &= 0x83FF  # a subnormal number
        blocks[:, offset : offset + 2] = halves.view(np.uint8).reshape(count, 2)
    return blocks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    root = pathlib.Path(__file__).resolve().parents[2]
    parser.add_argument("--output", type=pathlib.Path, default=root / "Tests/Fixtures/quantization")
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(sorted(HALF_FIELDS)):
        blocks = random_blocks(name, np.random.default_rng(seed))
        values = gguf.dequantize(blocks.reshape(-1), gguf.GGMLQuantizationType[name]).astype("<f4")
        (output / f"{name}.blocks").write_bytes(blocks.tobytes())
        (output / f"{name}.expected").write_bytes(values.tobytes())


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the golden files of Tests/Fixtures/quantization: random blocks of every ggml type that we read
(TYPE.blocks) and what the PyPI package gguf makes of them (TYPE.expected, little-endian Float32). Q1_0 and Q2_0 it does not
decode: for these ggml itself is compiled, from the folder ggml of llama.cpp's sources.

Needs numpy and gguf (written with gguf 0.19.0), and cc for --ggml."""

import argparse
import ctypes
import pathlib
import subprocess
import tempfile

import gguf
import numpy as np

# Byte offsets of the binary16 fields in one block: random bytes there could be infinities or NaNs.
HALF_FIELDS = {
    "F16": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "F32": [], "BF16": [],
    "IQ1_S": [0], "IQ1_M": [], "IQ2_XXS": [0], "IQ2_XS": [0], "IQ2_S": [0], "IQ3_XXS": [0], "IQ3_S": [0], "IQ4_NL": [0], "IQ4_XS": [0],
    "TQ1_0": [52], "TQ2_0": [64], "MXFP4": [], "NVFP4": [],
}
# Only ggml decodes these: elements and bytes of a block.
BY_GGML = {"Q1_0": (128, 18), "Q2_0": (64, 18)}


def random_blocks(name: str, rng: np.random.Generator) -> np.ndarray:
    size, byte_count = BY_GGML.get(name) or gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
    if name in ("F32", "BF16"):
        values = rng.standard_normal(96).astype("<f4")
        raw = values if name == "F32" else (values.view("<u4") >> 16).astype("<u2")
        return raw.view(np.uint8).reshape(96, byte_count)
    count = {1: 96, 32: 7, 64: 5, 128: 4, 256: 3}[size]
    blocks = rng.integers(0, 256, (count, byte_count), dtype=np.uint8)
    if name == "IQ1_M":
        blocks[:, 55] &= 0xBF  # the highest bit of the scale's exponent, which is spread over four words
    for offset in HALF_FIELDS.get(name, [0]):
        halves = rng.integers(0, 0x7C00, count).astype("<u2") | (rng.integers(0, 2, count).astype("<u2") << 15)
        halves[-1] &= 0x83FF  # a subnormal number
        blocks[:, offset : offset + 2] = halves.view(np.uint8).reshape(count, 2)
    return blocks


def by_ggml(name: str, blocks: np.ndarray, folder: pathlib.Path) -> np.ndarray:
    """What ggml's own function for a row makes of the blocks."""
    values = np.zeros(len(blocks) * BY_GGML[name][0], dtype="<f4")
    with tempfile.TemporaryDirectory() as scratch:
        library = f"{scratch}/ggml.so"
        # Functions of other files to which it refers are not called.
        others = [f"-Wl,--defsym,ggml_{name}=0" for name in ("abort", "row_size", "type_name", "type_size")]
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-I", folder / "include", "-I", folder / "src", "-o", library,
                        folder / "src/ggml-quants.c", *others, "-lm"], check=True)
        function = ctypes.CDLL(library)[f"dequantize_row_{name.lower()}"]
        function(blocks.ctypes.data_as(ctypes.c_void_p), values.ctypes.data_as(ctypes.c_void_p), ctypes.c_int64(len(values)))
    return values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    root = pathlib.Path(__file__).resolve().parents[2]
    parser.add_argument("--output", type=pathlib.Path, default=root / "Tests/Fixtures/quantization")
    parser.add_argument("--ggml", type=pathlib.Path, metavar="DIR", help="ggml's folder in llama.cpp's sources")
    options = parser.parse_args()
    output = options.output
    output.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate([*HALF_FIELDS, *(BY_GGML if options.ggml else [])]):
        blocks = random_blocks(name, np.random.default_rng(seed))
        values = (by_ggml(name, blocks, options.ggml) if name in BY_GGML else
                  gguf.dequantize(blocks.reshape(-1), gguf.GGMLQuantizationType[name]).astype("<f4"))
        (output / f"{name}.blocks").write_bytes(blocks.tobytes())
        (output / f"{name}.expected").write_bytes(values.tobytes())


if __name__ == "__main__":
    main()

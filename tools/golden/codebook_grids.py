#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes Sources/Quantization/GGML/CodebookGrids.swift: the grids of ggml's IQ types, from the tables of the PyPI package gguf."""

import argparse
import pathlib

from gguf import quants

GRIDS = {"iq1": quants.IQ1_S, "iq2XXS": quants.IQ2_XXS, "iq2XS": quants.IQ2_XS, "iq2S": quants.IQ2_S,
         "iq3XXS": quants.IQ3_XXS, "iq3S": quants.IQ3_S}
HEAD = """// SPDX-License-Identifier: Apache-2.0
// The grids of ggml's IQ types: points of the E8 and D4 lattices that occur often (QuIP#, arXiv 2402.04396).
// Written by tools/golden/codebook_grids.py.

/// The tables that the codes of IQ types index; a point has 4 or 8 coordinates.
enum CodebookGrids {
"""
WIDTH = 104


def swift(name: str, kind) -> str:
    count, size = kind.grid_shape
    bits = 2 if len(kind.grid_map) <= 4 else 4
    text = kind.grid_hex.decode()
    assert len(text) * 4 == count * size * bits
    lines = [f"        {text[i:i + WIDTH]}\\" for i in range(0, len(text), WIDTH)]
    lines[-1] = lines[-1].removesuffix("\\")
    values = ", ".join(str(value) for value in kind.grid_map)
    return (f"    /// [{count} × {size}]\n    static let {name} = CodebookGrid(\n        values: [{values}], bitsPerValue: {bits},\n"
            '        hexadecimal: """\n' + "\n".join(lines) + '\n        """)\n')


def main() -> None:
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=pathlib.Path, default=root / "Sources/Quantization/GGML/CodebookGrids.swift")
    parts = [swift(name, kind) for name, kind in GRIDS.items()]
    parser.parse_args().output.write_text(HEAD + "\n".join(parts) + "}\n", encoding="utf-8")


if __name__ == "__main__":
    main()

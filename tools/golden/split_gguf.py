#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a GGUF file again as several, as gguf-py and llama.cpp's gguf-split do: NAME-00001-of-00003.gguf and so on.

Needs numpy and gguf. The fixture: split_gguf.py Tests/Fixtures/models/qwen2.gguf Tests/Fixtures/models/split/qwen2 3"""

import argparse
import pathlib

import gguf
import numpy as np
from dequantize import copy_metadata


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="any GGUF file")
    parser.add_argument("output", type=pathlib.Path, help="path and name of the parts without their ending")
    parser.add_argument("parts", type=int, help="how many")
    options = parser.parse_args()
    reader = gguf.GGUFReader(options.source)
    each = -(-len(reader.tensors) // options.parts)
    writer = gguf.GGUFWriter(None, reader.get_field("general.architecture").contents(), split_max_tensors=each)
    copy_metadata(reader, writer)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, np.ascontiguousarray(tensor.data), raw_dtype=tensor.tensor_type)
    writer.write_header_to_file(options.output.with_name(options.output.name + ".gguf"))
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()

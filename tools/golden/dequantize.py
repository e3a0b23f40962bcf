# SPDX-License-Identifier: Apache-2.0
"""Rewrites any GGUF file with all of its tensors as Float32: the same metadata, the same function.

A quantized model and its Float32 copy let a test tell the error of a format from the error of the
arithmetic: the copy runs through llama.cpp without any rounding of weights or activations.
"""
import argparse

import gguf
import numpy as np

WRITTEN_BY_GGUF = ("GGUF.", "general.architecture", "general.file_type", "general.quantization_version")


def copy_metadata(reader: gguf.GGUFReader, writer: gguf.GGUFWriter) -> None:
    """Copies every key but those that describe the container and the tensor types."""
    for key, field in reader.fields.items():
        if key.startswith(WRITTEN_BY_GGUF):
            continue
        element = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(key, field.contents(), field.types[0], element)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)


def write_file(writer: gguf.GGUFWriter) -> None:
    """Writes everything that was added to `writer`."""
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def dequantize(source: str, output: str) -> None:
    """Writes `output` tensor by tensor, so that memory holds one Float32 tensor at a time."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(output, reader.get_field("general.architecture").contents())
    copy_metadata(reader, writer)
    for tensor in reader.tensors:
        # GGUF stores the fastest dimension first; NumPy's shapes are the other way round.
        shape = [int(size) for size in reversed(tensor.shape)]
        writer.add_tensor_info(tensor.name, shape, np.dtype(np.float32), 4 * int(tensor.n_elements))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for tensor in reader.tensors:
        values = gguf.dequantize(tensor.data, tensor.tensor_type)
        writer.write_tensor_data(np.ascontiguousarray(values, dtype=np.float32))
    writer.close()
    print(f"{output}: {len(reader.tensors)} tensors as Float32")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="any GGUF file")
    parser.add_argument("output", help="the GGUF file to write")
    arguments = parser.parse_args()
    dequantize(arguments.source, arguments.output)

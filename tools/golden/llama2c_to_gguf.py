# SPDX-License-Identifier: Apache-2.0
"""Converts a model of llama2.c (MODEL.bin and its tokenizer .bin) to GGUF with Float32 tensors.

These are real models of a few hundred thousand parameters: small enough to test with in seconds. llama2.c rotates
neighbouring pairs, as GGUF's llama architecture does, so no rows change places.
"""
import argparse
import struct

import gguf
import numpy as np

from dequantize import write_file

FIRST_BYTE_TOKEN = 3  # after <unk>, <s> and </s>


def read_tokenizer(path: str, count: int) -> tuple[list[str], list[float]]:
    """Pieces and scores. The file holds the longest length, then for each piece score, length and UTF-8 bytes."""
    with open(path, "rb") as file:
        file.read(4)
        pieces, scores = [], []
        for _ in range(count):
            score, length = struct.unpack("<fi", file.read(8))
            # llama2.c has turned SentencePiece's mark into a space.
            pieces.append(file.read(length).decode("utf-8").replace(" ", "▁"))
            scores.append(score)
    pieces[:FIRST_BYTE_TOKEN] = ["<unk>", "<s>", "</s>"]
    return pieces, scores


def read_tensors(data: bytes, sizes: tuple[int, ...]) -> dict[str, np.ndarray]:
    """The weights in the order of the file: kind after kind, all layers of a kind together."""
    hidden, inner, layers, heads, kv_heads, vocabulary, context = sizes
    values, offset = np.frombuffer(data, dtype="<f4", offset=28), 0

    def take(*shape: int) -> np.ndarray:
        nonlocal offset
        offset += int(np.prod(shape))
        return values[offset - int(np.prod(shape)) : offset].reshape(shape)

    key = hidden // heads * kv_heads
    result = {"token_embd.weight": take(abs(vocabulary), hidden)}
    for name, shape in [("attn_norm", (hidden,)), ("attn_q", (hidden, hidden)), ("attn_k", (key, hidden)),
                        ("attn_v", (key, hidden)), ("attn_output", (hidden, hidden)), ("ffn_norm", (hidden,)),
                        ("ffn_gate", (inner, hidden)), ("ffn_down", (hidden, inner)), ("ffn_up", (inner, hidden))]:
        block = take(layers, *shape)
        result |= {f"blk.{layer}.{name}.weight": block[layer] for layer in range(layers)}
    result["output_norm.weight"] = take(hidden)
    take(2, context, hidden // heads // 2)  # sines and cosines, which everybody computes anew
    if vocabulary < 0:  # llama2.c's sign for an output head of its own
        result["output.weight"] = take(-vocabulary, hidden)
    if offset != len(values):
        raise SystemExit(f"the header promises {offset} weights, the file holds {len(values)}")
    return result


def convert(model: str, tokenizer: str, output: str) -> None:
    with open(model, "rb") as file:
        data = file.read()
    sizes = struct.unpack("<7i", data[:28])
    hidden, inner, layers, heads, kv_heads, vocabulary, context = sizes
    writer = gguf.GGUFWriter(output, "llama")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(context)
    writer.add_embedding_length(hidden)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(hidden // heads)
    writer.add_rope_freq_base(10_000)
    writer.add_vocab_size(abs(vocabulary))
    pieces, scores = read_tokenizer(tokenizer, abs(vocabulary))
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(pieces)
    writer.add_token_scores(scores)
    byte_end = FIRST_BYTE_TOKEN + 256
    writer.add_token_types([2, 3, 3] + [6] * 256 + [1] * (len(pieces) - byte_end))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    for name, values in read_tensors(data, sizes).items():
        writer.add_tensor(name, np.ascontiguousarray(values))
    write_file(writer)
    print(f"{output}: {layers} layers of {hidden}, {len(pieces)} tokens")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="llama2.c's model (version 0, Float32)")
    parser.add_argument("tokenizer", help="its tokenizer, tok512.bin")
    parser.add_argument("output", help="the GGUF file to write")
    arguments = parser.parse_args()
    convert(arguments.model, arguments.tokenizer, arguments.output)

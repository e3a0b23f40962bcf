# SPDX-License-Identifier: Apache-2.0
"""The families of tiny_models.py: what each has that the others have not."""
import dataclasses
import math
from collections.abc import Callable

import gguf
import numpy as np

import tiny_vocabulary


@dataclasses.dataclass
class Family:
    """One tiny model. Sizes are those of the forward pass; `configure` adds the family's own metadata."""

    name: str
    architecture: str
    write_vocabulary: Callable[[gguf.GGUFWriter], None]
    hidden: int = 32
    intermediate: int = 64
    layers: int = 2
    heads: int = 2
    kv_heads: int = 1
    head_size: int = 16
    tied: bool = True
    biases: bool = False
    head_norms: bool = False
    post_norms: bool = False
    context_length: int = 128
    epsilon: float = 1e-5
    rope_theta: float = 10_000
    rope_factors: np.ndarray | None = None
    configure: Callable[[gguf.GGUFWriter], None] = lambda writer: None
    is_steered: bool = False

    def write_metadata(self, writer: gguf.GGUFWriter) -> None:
        writer.add_context_length(self.context_length)
        writer.add_embedding_length(self.hidden)
        writer.add_block_count(self.layers)
        writer.add_feed_forward_length(self.intermediate)
        writer.add_head_count(self.heads)
        writer.add_head_count_kv(self.kv_heads)
        writer.add_layer_norm_rms_eps(self.epsilon)
        writer.add_rope_freq_base(self.rope_theta)
        if self.head_size * self.heads != self.hidden or self.head_norms:
            writer.add_key_length(self.head_size)
            writer.add_value_length(self.head_size)
        if self.architecture == "llama":
            writer.add_rope_dimension_count(self.head_size)
            writer.add_vocab_size(tiny_vocabulary.SIZE)
        self.configure(writer)
        self.write_vocabulary(writer)


def bpe(pre: str) -> Callable[[gguf.GGUFWriter], None]:
    return lambda writer: tiny_vocabulary.write_bpe(writer, pre)


def scaling(kind: gguf.RopeScalingType, factor: float, original: int | None = None):
    def configure(writer: gguf.GGUFWriter) -> None:
        writer.add_rope_scaling_type(kind)
        writer.add_rope_scaling_factor(factor)
        if original is not None:
            writer.add_rope_scaling_orig_ctx_len(original)
    return configure


def llama3_factors(head_size: int, theta: float, factor=8.0, low=1.0, high=4.0, original=64) -> np.ndarray:
    """Llama 3.1's factors: 1 for wavelengths below original/high, `factor` above original/low, smooth between."""
    frequencies = theta ** -(np.arange(0, head_size, 2) / head_size)
    turns = original * frequencies / (2 * math.pi)
    smooth = np.clip((turns - low) / (high - low), 0, 1)
    return 1 / ((1 - smooth) / factor + smooth)


def configure_gemma(writer: gguf.GGUFWriter) -> None:
    """A window far shorter than the test; linear scaling, which holds for the global layers alone."""
    writer.add_sliding_window(8)
    scaling(gguf.RopeScalingType.LINEAR, 8)(writer)


FAMILIES = [
    # Grouped queries, an output head of its own; the widest of all.
    Family("llama", "llama", bpe("smollm"), hidden=64, heads=4, kv_heads=2, intermediate=96, tied=False,
           rope_theta=100_000, is_steered=True),
    Family("llama-linear", "llama", bpe("smollm"), rope_theta=50_000,
           configure=scaling(gguf.RopeScalingType.LINEAR, 4)),
    # One factor for each pair of dimensions, in a tensor.
    Family("llama3", "llama", bpe("llama-bpe"), hidden=64, head_size=32, rope_theta=500_000,
           rope_factors=llama3_factors(32, 500_000)),
    # With these numbers the ramp between both kinds of pairs goes from 3 to 10 of 16.
    Family("llama-yarn", "llama", bpe("smollm"), hidden=64, head_size=32, context_length=8192,
           rope_theta=20_000, configure=scaling(gguf.RopeScalingType.YARN, 4, original=2048)),
    # A SentencePiece vocabulary; heads wider than hidden / heads, as in Mistral Nemo; rows of
    # 72 columns, which groups of 32 do not divide.
    Family("mistral", "llama", tiny_vocabulary.write_spm, head_size=32, intermediate=72, tied=False,
           rope_theta=1_000_000),
    Family("qwen2", "qwen2", bpe("qwen2"), biases=True, epsilon=1e-6, rope_theta=1_000_000),
    Family("qwen3", "qwen3", bpe("qwen2"), head_size=32, head_norms=True, epsilon=1e-6, rope_theta=1_000_000),
    # Five layers of local attention, one global, one local again.
    Family("gemma3", "gemma3", tiny_vocabulary.write_gemma, layers=7, head_norms=True, post_norms=True,
           epsilon=1e-6, rope_theta=1_000_000, configure=configure_gemma, is_steered=True),
]

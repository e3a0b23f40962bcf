# SPDX-License-Identifier: Apache-2.0
"""The forward pass of every family in Float64 with NumPy: a second reference, slow, plain and exact.

It reads a GGUF file with Float32 tensors and computes all positions at once. llama.cpp agrees with it to 2e-5 on
tiny models, but for gemma3: llama.cpp looks GELU up in a table of Float16 numbers, which changes logits by 2e-2.
Usage as a program: forward.py FOLDER compares both on the models of a folder.
"""
import argparse
import json
import math
import pathlib

import gguf
import numpy as np


class Forward:
    def __init__(self, path: str, rounds_gelu: bool = False):
        """`rounds_gelu`: round GELU's argument and result to Float16, as llama.cpp does."""
        self.rounds_gelu = rounds_gelu
        reader = gguf.GGUFReader(path)
        self.architecture = reader.get_field("general.architecture").contents()
        prefix = self.architecture + "."
        self.settings = {key.removeprefix(prefix): field.contents() for key, field in reader.fields.items()
                         if key.startswith(prefix)}
        self.tensors = {tensor.name: tensor.data.astype(np.float64) for tensor in reader.tensors}

    def setting(self, name: str, default=None):
        return self.settings.get(name, default)

    def norm(self, x: np.ndarray, name: str) -> np.ndarray:
        """RMSNorm over the last axis, or x where the model has no such norm."""
        gain = self.tensors.get(name + ".weight")
        if gain is None:
            return x
        epsilon = self.setting("attention.layer_norm_rms_epsilon")
        return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + epsilon) * gain

    def linear(self, x: np.ndarray, name: str) -> np.ndarray:
        return x @ self.tensors[name + ".weight"].T + self.tensors.get(name + ".bias", 0)

    def is_local(self, layer: int) -> bool:
        if self.architecture != "gemma3" or self.setting("attention.sliding_window", 0) == 0:
            return False
        pattern = self.setting("attention.sliding_window_pattern", 6)
        return layer % pattern < pattern - 1

    def factor(self) -> float:
        """By how much frequencies are divided, but for YaRN's fast ones."""
        factor = self.setting("rope.scaling.factor", self.setting("rope.scale_linear", 0))
        return factor if factor != 0 and self.setting("rope.scaling.type") != "none" else 1

    def angles(self, length: int, size: int, layer: int) -> tuple[np.ndarray, float]:
        """Angle [positions × size/2] of every pair, and the factor of both sine and cosine."""
        is_local = self.is_local(layer)
        theta = self.setting("rope.freq_base_swa" if is_local else "rope.freq_base", 10_000)
        pair = np.arange(size // 2)
        frequency = theta ** (-2 * pair / size) / self.tensors.get("rope_freqs.weight", 1)
        factor = 1 if is_local else self.factor()
        magnitude = self.setting("rope.scaling.attn_factor", 1.0)
        if self.setting("rope.scaling.type") == "yarn" and not is_local:
            original = self.setting("rope.scaling.original_context_length", self.setting("context_length"))
            low, high = (size * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(theta)) for turns in (32, 1))
            low, high = max(0, math.floor(low)), min(size - 1, math.ceil(high))
            kept = 1 - np.clip((pair - low) / max(0.001, high - low), 0, 1)
            frequency = frequency / factor * (1 - kept) + frequency * kept
            magnitude *= 1 + 0.1 * math.log(max(factor, 1))
        else:
            frequency = frequency / factor
        return np.arange(length)[:, None] * frequency, magnitude

    def rotate(self, x: np.ndarray, layer: int) -> np.ndarray:
        """RoPE of x [positions × heads × size]: neighbours are a pair (llama), or both halves are (the others)."""
        angle, magnitude = self.angles(len(x), x.shape[-1], layer)
        cosine, sine = magnitude * np.cos(angle)[:, None], magnitude * np.sin(angle)[:, None]
        result = np.empty_like(x)
        half = x.shape[-1] // 2
        first, second = ((np.s_[..., 0::2], np.s_[..., 1::2]) if self.architecture == "llama"
                         else (np.s_[..., :half], np.s_[..., half:]))
        result[first] = x[first] * cosine - x[second] * sine
        result[second] = x[first] * sine + x[second] * cosine
        return result

    def attention(self, x: np.ndarray, layer: int) -> np.ndarray:
        block, length = f"blk.{layer}.", len(x)
        even = self.setting("embedding_length") // self.setting("attention.head_count")
        size = self.setting("attention.key_length", even)
        query, key, value = (self.linear(x, f"{block}attn_{name}").reshape(length, -1, size) for name in "qkv")
        query = self.rotate(self.norm(query, block + "attn_q_norm"), layer)
        key = self.rotate(self.norm(key, block + "attn_k_norm"), layer)
        group = query.shape[1] // key.shape[1]
        key, value = np.repeat(key, group, axis=1), np.repeat(value, group, axis=1)
        scores = np.einsum("ihd,jhd->hij", query, key) / math.sqrt(size)
        distance = np.arange(length)[:, None] - np.arange(length)
        window = self.setting("attention.sliding_window") if self.is_local(layer) else length
        visible = (distance >= 0) & (distance < window)
        scores = np.where(visible, scores, -np.inf)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        return self.linear(np.einsum("hij,jhd->ihd", weights, value).reshape(length, -1), block + "attn_output")

    def activation(self, x: np.ndarray) -> np.ndarray:
        if self.architecture == "gemma3":
            x = x.astype(np.float16).astype(np.float64) if self.rounds_gelu else x
            gelu = 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
            return gelu.astype(np.float16).astype(np.float64) if self.rounds_gelu else gelu
        return x / (1 + np.exp(-x))

    def logits(self, tokens: list[int], directions: dict[int, np.ndarray] | None = None) -> np.ndarray:
        """Float64 [positions × vocabulary]; directions[N] is added to the output of layer N."""
        x = self.tensors["token_embd.weight"][tokens]
        if self.architecture == "gemma3":
            x = x * math.sqrt(x.shape[1])
        for layer in range(self.setting("block_count")):
            block = f"blk.{layer}."
            mixed = self.attention(self.norm(x, block + "attn_norm"), layer)
            x = x + self.norm(mixed, block + "post_attention_norm")
            inner = self.norm(x, block + "ffn_norm")
            gated = self.activation(self.linear(inner, block + "ffn_gate")) * self.linear(inner, block + "ffn_up")
            x = x + self.norm(self.linear(gated, block + "ffn_down"), block + "post_ffw_norm")
            if directions and layer in directions:
                x = x + directions[layer]
        head = "output" if "output.weight" in self.tensors else "token_embd"
        logits = self.linear(self.norm(x, "output_norm"), head)
        cap = self.setting("final_logit_softcapping", 0) if self.architecture == "gemma3" else 0
        return cap * np.tanh(logits / cap) if cap else logits


def directions(path: str) -> dict[int, np.ndarray]:
    """The control vector of a GGUF file: layer to direction."""
    return {int(tensor.name.removeprefix("direction.")): tensor.data.astype(np.float64)
            for tensor in gguf.GGUFReader(path).tensors}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    for path in sorted(parser.parse_args().folder.glob("*.json")):
        from reference import Reference
        tokens = json.loads(path.read_text(encoding="utf-8"))["tokens"]
        model = path.with_suffix(".gguf")
        theirs = Reference(str(model), 256).all_logits(tokens)
        exact, rounded = (np.abs(Forward(str(model), flag).logits(tokens) - theirs).max() for flag in (False, True))
        print(f"{path.stem:14} largest difference of a logit {exact:.2e}, with llama.cpp's GELU {rounded:.2e}")

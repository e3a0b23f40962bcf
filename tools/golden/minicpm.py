# SPDX-License-Identifier: Apache-2.0
"""A MiniCPM, whose class transformers does not have: the arithmetic of the published modeling code, in Float64.

A Llama with three scalars: embeddings times `scale_emb`, what layers add times `scale_depth` / √layers, and what the head reads
divided by `hidden_size` / `dim_model_base`. LongRoPE chooses its factors by the length of the context.
"""
import math

import torch

# 16 elements of a head are 8 pairs.
PAIRS = 8
CONFIG = {
    "architectures": ["MiniCPMForCausalLM"], "model_type": "minicpm", "vocab_size": 290, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "hidden_act": "silu",
    "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 20_000.0, "bos_token_id": 287, "eos_token_id": 289,
    # None of them 1, none that another one could stand for.
    "scale_emb": 6.0, "scale_depth": 1.1, "dim_model_base": 24,
    "rope_scaling": {
        "rope_type": "longrope", "original_max_position_embeddings": 64,
        "short_factor": [1.0 + 0.1 * pair for pair in range(PAIRS)],
        "long_factor": [1.5 + 0.7 * pair for pair in range(PAIRS)]},
    "torch_dtype": "bfloat16"}


class MiniCPM:
    """Weights by their names in a folder; the head is the embedding."""

    def __init__(self, weights: dict[str, torch.Tensor]):
        self.weights = {name: values.double() for name, values in weights.items()}

    @staticmethod
    def shapes() -> dict[str, tuple[int, ...]]:
        hidden, inner = CONFIG["hidden_size"], CONFIG["intermediate_size"]
        shared = hidden // CONFIG["num_attention_heads"] * CONFIG["num_key_value_heads"]
        shapes = {"model.embed_tokens.weight": (CONFIG["vocab_size"], hidden), "model.norm.weight": (hidden,)}
        for layer in range(CONFIG["num_hidden_layers"]):
            shapes |= {f"model.layers.{layer}.{name}.weight": shape for name, shape in {
                "input_layernorm": (hidden,), "post_attention_layernorm": (hidden,), "self_attn.q_proj": (hidden, hidden),
                "self_attn.k_proj": (shared, hidden), "self_attn.v_proj": (shared, hidden), "self_attn.o_proj": (hidden, hidden),
                "mlp.gate_proj": (inner, hidden), "mlp.up_proj": (inner, hidden), "mlp.down_proj": (hidden, inner)}.items()}
        return shapes

    def norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + CONFIG["rms_norm_eps"]) * self.weights[f"{name}.weight"]

    def multiply(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return x @ self.weights[f"{name}.weight"].T

    def rotate(self, x: torch.Tensor) -> torch.Tensor:
        """[tokens × heads × head size], in halves."""
        count, size = x.shape[0], x.shape[2]
        scaling = CONFIG["rope_scaling"]
        original, longest = scaling["original_max_position_embeddings"], CONFIG["max_position_embeddings"]
        magnitude = math.sqrt(1 + math.log(longest / original) / math.log(original))
        factors = torch.tensor(scaling["long_factor" if count > original else "short_factor"], dtype=torch.double)
        frequencies = CONFIG["rope_theta"] ** (-torch.arange(0, size, 2, dtype=torch.double) / size) / factors
        angles = torch.outer(torch.arange(count, dtype=torch.double), frequencies).repeat(1, 2)[:, None]
        halves = torch.cat((-x[..., size // 2:], x[..., :size // 2]), dim=-1)
        return magnitude * (x * angles.cos() + halves * angles.sin())

    def attention(self, x: torch.Tensor, name: str) -> torch.Tensor:
        count, heads = x.shape[0], CONFIG["num_attention_heads"]
        query, key, value = (
            self.multiply(x, f"{name}.{part}_proj").view(count, -1, CONFIG["hidden_size"] // heads) for part in "qkv")
        query, key = self.rotate(query), self.rotate(key)
        key, value = (part.repeat_interleave(heads // part.shape[1], dim=1) for part in (key, value))
        scores = torch.einsum("thc,shc->hts", query, key) / query.shape[2] ** 0.5
        scores = scores.masked_fill(torch.ones(count, count).triu(1).bool(), -math.inf)
        output = torch.einsum("hts,shc->thc", scores.softmax(-1), value)
        return self.multiply(output.reshape(count, -1), f"{name}.o_proj")

    def logits(self, tokens: list[int]) -> torch.Tensor:
        """[tokens × vocabulary]."""
        embedding = self.weights["model.embed_tokens.weight"]
        hidden = embedding[tokens] * CONFIG["scale_emb"]
        factor = CONFIG["scale_depth"] / math.sqrt(CONFIG["num_hidden_layers"])
        for layer in range(CONFIG["num_hidden_layers"]):
            name = f"model.layers.{layer}"
            hidden = hidden + factor * self.attention(self.norm(hidden, f"{name}.input_layernorm"), f"{name}.self_attn")
            x = self.norm(hidden, f"{name}.post_attention_layernorm")
            gated = torch.nn.functional.silu(self.multiply(x, f"{name}.mlp.gate_proj")) * self.multiply(x, f"{name}.mlp.up_proj")
            hidden = hidden + factor * self.multiply(gated, f"{name}.mlp.down_proj")
        hidden = self.norm(hidden, "model.norm") / (CONFIG["hidden_size"] / CONFIG["dim_model_base"])
        return hidden @ embedding.T

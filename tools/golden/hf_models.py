# SPDX-License-Identifier: Apache-2.0
"""Writes the tiny models of Tests/Fixtures/models as model folders, with logits and tokens by transformers.

Each folder is what `save_pretrained` makes of the same weights: rows of query and key back in Hugging Face's order, 1
taken off Gemma's norms, BFloat16 where that is exact. Needs the packages transformers, torch and gguf; see
Tests/Fixtures/folders/README.md for the results and the command.
"""
import argparse
import dataclasses
import json
import pathlib
import shutil
import zlib

import gguf
import numpy as np
import torch
import transformers

from hf_tokenizers import write_tokenizer


@dataclasses.dataclass
class Folder:
    """One folder: which tiny model it comes from, and what is different."""

    name: str
    model: str
    architecture: str
    dtype: torch.dtype = torch.bfloat16
    shard_bytes: int | None = None
    options: dict = dataclasses.field(default_factory=dict)
    has_vision: bool = False


LLAMA3 = {"rope_type": "llama3", "rope_theta": 500_000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 64}
YARN = {"rope_type": "yarn", "rope_theta": 20_000.0, "factor": 4.0, "original_max_position_embeddings": 2048}
LINEAR = {"rope_type": "linear", "rope_theta": 50_000.0, "factor": 4.0}
FOLDERS = [
    Folder("llama", "llama", "Llama", shard_bytes=64_000),
    # Biases of all four attention matrices, numbers of 16 bits that Float16 rounds.
    Folder("llama-bias", "llama-linear", "Llama", torch.float16,
           options={"rope_parameters": LINEAR, "attention_bias": True}),
    Folder("llama3", "llama3", "Llama", options={"rope_parameters": LLAMA3}),
    Folder("llama-yarn", "llama-yarn", "Llama", options={"rope_parameters": YARN}),
    Folder("mistral", "mistral", "Mistral", options={"sliding_window": None}),
    Folder("mistral-window", "mistral", "Mistral", torch.float16, options={"sliding_window": 8}),
    Folder("qwen2", "qwen2", "Qwen2", torch.float32),
    Folder("qwen3", "qwen3", "Qwen3"),
    Folder("gemma3", "gemma3", "Gemma3"),
    # The same inside of a model that sees images, in shards.
    Folder("gemma3-vision", "gemma3", "Gemma3", shard_bytes=100_000, has_vision=True),
]


class Source:
    """A tiny model's GGUF file."""

    def __init__(self, path: pathlib.Path):
        self.reader = gguf.GGUFReader(path)
        self.architecture = self.field("general.architecture")
        self.tensors = {tensor.name: tensor.data.copy() for tensor in self.reader.tensors}

    def field(self, key: str, default=None):
        field = self.reader.get_field(key)
        return default if field is None else field.contents()

    def setting(self, key: str, default=None):
        return self.field(f"{self.architecture}.{key}", default)

    def head_size(self) -> int:
        heads = self.setting("attention.head_count")
        return self.setting("attention.key_length", self.setting("embedding_length") // heads)

    def halves(self, values: np.ndarray) -> np.ndarray:
        """Rows with pairs side by side, as llama.cpp stores them, to rows with both halves of a head."""
        if self.architecture != "llama":
            return values
        pairs = values.reshape(-1, self.head_size() // 2, 2, *values.shape[1:])
        return pairs.swapaxes(1, 2).reshape(values.shape)


def configuration(folder: Folder, source: Source) -> transformers.PretrainedConfig:
    settings = {
        "vocab_size": len(source.tensors["token_embd.weight"]), "hidden_size": source.setting("embedding_length"),
        "intermediate_size": source.setting("feed_forward_length"), "num_hidden_layers": source.setting("block_count"),
        "num_attention_heads": source.setting("attention.head_count"), "head_dim": source.head_size(),
        "num_key_value_heads": source.setting("attention.head_count_kv"),
        "max_position_embeddings": source.setting("context_length"),
        "rms_norm_eps": source.setting("attention.layer_norm_rms_epsilon"),
        "tie_word_embeddings": "output.weight" not in source.tensors, "attn_implementation": "eager",
        "rope_parameters": {"rope_type": "default", "rope_theta": source.setting("rope.freq_base")},
        "bos_token_id": source.field("tokenizer.ggml.bos_token_id"),
        "eos_token_id": source.field("tokenizer.ggml.eos_token_id"), "pad_token_id": None}
    settings["rms_norm_eps"] = float(np.format_float_positional(np.float32(settings["rms_norm_eps"]), unique=True))
    if folder.architecture == "Gemma3":
        factor = source.setting("rope.scaling.factor")
        settings |= {
            "sliding_window": source.setting("attention.sliding_window"), "query_pre_attn_scalar": source.head_size(),
            "rope_parameters": {
                "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
                "full_attention": {"rope_type": "linear", "factor": factor, "rope_theta": 1_000_000.0}}}
    settings |= folder.options
    if folder.architecture == "Gemma3":
        text = transformers.Gemma3TextConfig(**settings)
        if not folder.has_vision:
            return text
        vision = transformers.SiglipVisionConfig(hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                                                 num_attention_heads=2, image_size=28, patch_size=14)
        return transformers.Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4,
                                         image_token_index=5, boi_token_index=5, eoi_token_index=5)
    return getattr(transformers, folder.architecture + "Config")(**settings)


def weights(folder: Folder, source: Source) -> dict[str, torch.Tensor]:
    """The tensors under the names of a causal language model."""
    is_gemma = folder.architecture == "Gemma3"
    names = {
        "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "attn_q_norm": "self_attn.q_norm",
        "attn_k_norm": "self_attn.k_norm", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj", "post_attention_norm": "post_attention_layernorm",
        "post_ffw_norm": "post_feedforward_layernorm",
        "ffn_norm": "pre_feedforward_layernorm" if is_gemma else "post_attention_layernorm"}
    result = {}
    for name, values in source.tensors.items():
        if name == "rope_freqs.weight":
            continue
        if name.split(".")[-2] in ("attn_q", "attn_k"):
            values = source.halves(values)
        if is_gemma and "norm" in name:
            values = values - np.float32(1)
        if name.startswith("blk."):
            _, layer, part, kind = name.split(".")
            name = f"model.layers.{layer}.{names[part]}.{kind}"
        else:
            name = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight",
                    "output.weight": "lm_head.weight"}[name]
        result[name] = torch.from_numpy(np.ascontiguousarray(values))
    if folder.options.get("attention_bias"):
        random = np.random.default_rng(zlib.crc32(folder.name.encode()))
        for name in [name for name in result if "_proj" in name and "self_attn" in name]:
            bias = random.normal(0, 0.3, len(result[name])).astype(np.float32)
            result[name.replace(".weight", ".bias")] = torch.from_numpy(bias)
    return result


def build(folder: Folder, source: Source) -> transformers.PreTrainedModel:
    """The model with its weights in the type in which they are saved."""
    torch.manual_seed(zlib.crc32(folder.name.encode()))
    kind = "Gemma3ForConditionalGeneration" if folder.has_vision else folder.architecture + "ForCausalLM"
    model = getattr(transformers, kind)(configuration(folder, source))
    state = weights(folder, source)
    if folder.has_vision:
        state = {name.replace("model.", "model.language_model.", 1): values for name, values in state.items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    expected = ("vision_tower", "multi_modal_projector", "lm_head", "inv_freq", "embed_scale")
    if unexpected or any(not any(word in name for word in expected) for name in missing):
        raise SystemExit(f"{folder.name}: missing {missing}, unexpected {unexpected}")
    model.tie_weights()
    for name, parameter in model.named_parameters():
        # One less than a gain of 8 significant bits can need more of them.
        keeps = folder.architecture == "Gemma3" and "norm" in name
        parameter.data = parameter.data.to(torch.float32 if keeps else folder.dtype)
    return model.eval()


def write(folder: Folder, models: pathlib.Path, output: pathlib.Path) -> None:
    source = Source(models / f"{folder.model}.gguf")
    golden = json.loads((models / f"{folder.model}.json").read_text(encoding="utf-8"))
    path = output / folder.name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    model = build(folder, source)
    model.generation_config.eos_token_id = [source.field("tokenizer.ggml.eos_token_id"), 7]
    model.generation_config.temperature, model.generation_config.do_sample = 0.7, True
    model.save_pretrained(path, **({"max_shard_size": folder.shard_bytes} if folder.shard_bytes else {}))
    tokenizer = write_tokenizer(source, path)
    texts = {text: tokenizer(text)["input_ids"]
             for text in (golden["text"], "  two  spaces\n\nand 12345 digits, don't!", "größer – 三 <|im_end|> x")}
    with torch.no_grad():
        logits = model.float()(torch.tensor([golden["tokens"]])).logits[0].numpy()
    rows = logits[golden["positions"]].astype("<f4")
    rows.tofile(path / "golden.logits.bin")
    (path / "golden.json").write_text(json.dumps(
        {"tokens": golden["tokens"], "positions": golden["positions"],
         "texts": [{"text": text, "ids": ids} for text, ids in texts.items()]}, ensure_ascii=False) + "\n",
        encoding="utf-8")
    theirs = np.fromfile(models / f"{folder.model}.logits.bin", "<f4").reshape(rows.shape)
    size = sum(file.stat().st_size for file in path.iterdir())
    print(f"{folder.name:15} {size:7} bytes, {np.abs(rows - theirs).max():.1e} from the logits of {folder.model}, "
          f"same tokens: {texts[golden['text']] == golden['textTokens']}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=pathlib.Path, help="the GGUF models (Tests/Fixtures/models)")
    parser.add_argument("output", type=pathlib.Path, help="where the folders go (Tests/Fixtures/folders)")
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    for folder in FOLDERS:
        write(folder, options.models, options.output)

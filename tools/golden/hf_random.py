# SPDX-License-Identifier: Apache-2.0
"""Writes tiny random models that begin as model folders, with logits by transformers, and the same as GGUF.

For families whose GGUF llama.cpp's own converter makes best: FOLDER/model.gguf is what convert_hf_to_gguf.py writes, with every
number as Float32. Each model is such that all that its family has changes the logits. Logits are computed in Float64. With
--llama, llama.cpp must confirm them. Needs the packages transformers, torch and gguf, and llama.cpp's sources (the source
distribution of llama-cpp-python has them): see Tests/Fixtures/folders/README.md for the results and the command.
"""
import argparse
import json
import pathlib
import shutil
import sys
import tempfile
import zlib

import numpy as np
import safetensors.torch
import torch
import transformers

import minicpm

POSITIONS = [0, 1, 7, 8, 15, 31, 40, 47]
COMMON = {
    "vocab_size": 290, "hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, "num_key_value_heads": 2,
    "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "attn_implementation": "eager", "bos_token_id": 287,
    "eos_token_id": 289, "pad_token_id": None}
# None of them 1, none that another one could stand for.
GRANITE = {"embedding_multiplier": 6.0, "residual_multiplier": 0.4, "logits_scaling": 2.5, "attention_multiplier": 0.35}
PAIRS = 6
LONG_ROPE = ["minicpm", "phi3"]
HYBRID = ["sliding_attention", "full_attention", "sliding_attention"]
FAMILIES = {
    # The fourth layer of five turns nothing.
    "smollm3": ("SmolLM3", {"num_hidden_layers": 5, "rope_parameters": {"rope_type": "default", "rope_theta": 50_000.0}}),
    "granite": ("Granite", GRANITE | {
        "num_hidden_layers": 2, "tie_word_embeddings": True, "rope_parameters": {"rope_type": "default", "rope_theta": 20_000.0}}),
    "granite4": ("GraniteMoeHybrid", GRANITE | {
        "num_hidden_layers": 2, "layer_types": ["attention"] * 2, "num_local_experts": 0, "num_experts_per_tok": 0,
        "shared_intermediate_size": 96, "position_embedding_type": "rope", "mamba_n_heads": 4, "mamba_d_head": 32,
        "rope_parameters": {"rope_type": "default", "rope_theta": 20_000.0}}),
    # 12 of 16 elements of a head are turned; up to 64 tokens by other factors than beyond.
    "phi3": ("Phi3", {
        "num_hidden_layers": 2, "original_max_position_embeddings": 64, "rope_parameters": {
            "rope_type": "longrope", "rope_theta": 10_000.0, "partial_rotary_factor": 0.75,
            "original_max_position_embeddings": 64, "short_factor": [1.0 + 0.1 * pair for pair in range(PAIRS)],
            "long_factor": [1.5 + 0.7 * pair for pair in range(PAIRS)]}}),
    "olmo2": ("Olmo2", {"num_hidden_layers": 2, "rope_parameters": {"rope_type": "default", "rope_theta": 20_000.0}}),
    # Windows in two of three layers; RoPE is scaled in the other one only.
    "olmo3": ("Olmo3", {
        "num_hidden_layers": 3, "layer_types": HYBRID, "sliding_window": 8, "rope_parameters": {
            "full_attention": {
                "rope_type": "yarn", "rope_theta": 20_000.0, "factor": 8.0, "original_max_position_embeddings": 16,
                "beta_fast": 32.0, "beta_slow": 1.0, "attention_factor": 1.2079441541679836},
            "sliding_attention": {"rope_type": "default", "rope_theta": 20_000.0}}}),
    # The layer without a window turns nothing.
    "exaone4": ("Exaone4", {
        "num_hidden_layers": 3, "layer_types": HYBRID, "sliding_window": 8, "rope_parameters": {
            "rope_type": "llama3", "rope_theta": 20_000.0, "factor": 16.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 64}}),
    # Neighbours are pairs, in the folder too.
    "ernie4_5": ("Ernie4_5", {"num_hidden_layers": 2, "head_dim": 20, "rope_parameters": {"rope_type": "default", "rope_theta": 30_000.0}}),
    # The converter asserts this base and this length.
    "hunyuan": ("HunYuanDenseV1", {
        "num_hidden_layers": 2, "head_dim": 24, "max_position_embeddings": 32_768, "eod_token_id": 289, "rope_parameters": {
            "rope_type": "dynamic", "rope_theta": 10_000.0, "factor": 1.0, "alpha": 50.0}}),
    # YaRN begins to interpolate at pair 1 and ends at pair 5 of 12; queries are longer from position 16, and again from 32.
    "ministral3": ("Ministral3", {
        "num_hidden_layers": 2, "head_dim": 24, "rope_parameters": {
            "rope_type": "yarn", "rope_theta": 100.0, "factor": 4.0, "original_max_position_embeddings": 16, "beta_fast": 1.5,
            "beta_slow": 0.5, "mscale": 1.0, "mscale_all_dim": 0.7, "llama_4_scaling_beta": 0.3}}),
    # Both caps bend what they cap. The converter writes no base.
    "gemma2": ("Gemma2", {
        "num_hidden_layers": 3, "head_dim": 24, "query_pre_attn_scalar": 24, "sliding_window": 8, "attn_logit_softcapping": 3.0,
        "final_logit_softcapping": 7.0, "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0}}),
    # No class of transformers.
    "minicpm": (None, {}),
    # Attention in the third layer of four.
    "lfm2": ("Lfm2", {
        "num_hidden_layers": 4, "layer_types": ["conv", "conv", "full_attention", "conv"], "conv_L_cache": 3, "norm_eps": 1e-5,
        "block_auto_adjust_ff_dim": False, "tie_word_embeddings": True,
        "rope_parameters": {"rope_type": "default", "rope_theta": 20_000.0}}),
    # Attention in the second layer of three; two value heads for each key head.
    "qwen35": ("Qwen3_5", {
        "num_hidden_layers": 3, "layer_types": ["linear_attention", "full_attention", "linear_attention"], "head_dim": 16,
        "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 16, "linear_value_head_dim": 16,
        "linear_conv_kernel_dim": 4, "rope_parameters": {
            "rope_type": "default", "rope_theta": 20_000.0, "partial_rotary_factor": 0.5, "mrope_section": [2, 1, 1]}}),
    # Mixtures of experts: with weights that add up to 1 and without, of other sizes in each family.
    "qwen3moe": ("Qwen3Moe", {
        "num_hidden_layers": 2, "head_dim": 16, "num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 32,
        "norm_topk_prob": True, "rope_parameters": {"rope_type": "default", "rope_theta": 20_000.0}}),
    "olmoe": ("Olmoe", {
        "num_hidden_layers": 2, "intermediate_size": 64, "num_key_value_heads": 4, "num_experts": 5, "num_experts_per_tok": 3,
        "norm_topk_prob": False, "rope_parameters": {"rope_type": "default", "rope_theta": 20_000.0}}),
    "granitemoe": ("GraniteMoe", GRANITE | {
        "num_hidden_layers": 2, "tie_word_embeddings": True, "num_local_experts": 4, "num_experts_per_tok": 2,
        "intermediate_size": 64, "rope_parameters": {"rope_type": "default", "rope_theta": 20_000.0}}),
}


def weights(shapes: dict[str, tuple[int, ...]], name: str) -> dict[str, torch.Tensor]:
    """Gains around 1, matrices that keep the size of what they read, all with 8 significant bits."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    tensors = {}
    for key, shape in sorted(shapes.items()):
        if len(shape) == 1:
            values = np.clip(random.normal(1, 0.35, shape), 0.3, 1.9) * (2 if key == "model.norm.weight" else 1)
            # Gemma stores gains minus 1.
            values -= 1 if name == "gemma2" else 0
        else:
            values = random.normal(0, 1.5 / shape[-1] ** 0.5, shape)
        tensors[key] = torch.from_numpy(values).to(torch.bfloat16)
    return tensors


def fill(model: transformers.PreTrainedModel, name: str) -> None:
    parameters = dict(model.named_parameters())
    for key, values in weights({key: tuple(parameter.shape) for key, parameter in parameters.items()}, name).items():
        parameters[key].data = values.to(torch.float32)


def golden(model: transformers.PreTrainedModel | minicpm.MiniCPM, tokens: list[int], positions: list[int]) -> np.ndarray:
    if isinstance(model, minicpm.MiniCPM):
        return model.logits(tokens)[positions].numpy().astype("<f4")
    with torch.no_grad():
        return model.double()(torch.tensor([tokens])).logits[0, positions].numpy().astype("<f4")


def convert(name: str, folder: pathlib.Path, sources: pathlib.Path) -> None:
    """llama.cpp's converter; it knows pre-tokenizers by hashes of published vocabularies, and this one is not published."""
    sys.path[:0] = [str(sources), str(sources / "gguf-py")]
    import convert_hf_to_gguf
    from conversion.base import TextModel
    TextModel.get_vocab_base_pre = lambda self, tokenizer: "smollm"
    # Some published vocabularies are SentencePiece's.
    TextModel._set_vocab_sentencepiece = TextModel._set_vocab_gpt2
    if name == "minicpm":
        # Without a class for its settings, transformers finds no tokenizer either.
        transformers.AutoTokenizer.from_pretrained = lambda folder, **_: transformers.PreTrainedTokenizerFast(
            tokenizer_file=str(folder / "tokenizer.json"))
    sys.argv = ["convert_hf_to_gguf.py", str(folder), "--outfile", str(folder / "model.gguf"), "--outtype", "f32"]
    if folder.name == "qwen35":
        # Without layers that predict several tokens at once, which the model has not.
        sys.argv.append("--no-mtp")
    convert_hf_to_gguf.main()


def confirm(name: str, folder: pathlib.Path, tokens: list[int], positions: list[int], rows: np.ndarray) -> None:
    """Lets llama.cpp compute the same logits. Its contexts have at least 256 tokens and decide between LongRoPE's factors, and for
    models named Phi3 it looks for tokens of the published vocabulary: it gets a copy with another name and another limit."""
    from reference import Reference
    data = (folder / "model.gguf").read_bytes().replace(b"\x04\0\0\0\0\0\0\0Phi3", b"\x04\0\0\0\0\0\0\0Ph-3")
    # Without the original length, that of the context stands for it.
    key = b"context_length" if name == "minicpm" else b"rope.scaling.original_context_length"
    key += (4).to_bytes(4, "little")
    if name in LONG_ROPE and len(tokens) <= 64:
        place = data.index(key) + len(key)
        data = data[:place] + (4096).to_bytes(4, "little") + data[place + 4:]
    with tempfile.NamedTemporaryFile(suffix=".gguf") as file:
        file.write(data)
        file.flush()
        theirs = Reference(file.name, 64 if len(tokens) <= 64 else 256).all_logits(tokens)[positions]
    print(f"{name:10} {len(tokens)} tokens, llama.cpp differs by {np.abs(theirs - rows).max():.1e}")


def save(name: str, folder: pathlib.Path) -> None:
    """The model's weights and settings."""
    kind, settings = FAMILIES[name]
    if kind is None:
        safetensors.torch.save_file(weights(minicpm.MiniCPM.shapes(), name), folder / "model.safetensors", {"format": "pt"})
        (folder / "config.json").write_text(json.dumps(minicpm.CONFIG, indent=2) + "\n", encoding="utf-8")
        return
    config = getattr(transformers, kind + ("TextConfig" if name == "qwen35" else "Config"))
    model = getattr(transformers, kind + "ForCausalLM")(config(**(COMMON | settings))).eval()
    fill(model, name)
    model.tie_weights()
    model.to(torch.bfloat16).save_pretrained(folder)


def load(name: str, folder: pathlib.Path) -> transformers.PreTrainedModel | minicpm.MiniCPM:
    kind = FAMILIES[name][0]
    if kind is None:
        return minicpm.MiniCPM(safetensors.torch.load_file(folder / "model.safetensors"))
    # Grouped products of experts exist in Float32 and less.
    experts = {"experts_implementation": "eager"} if "num_experts_per_tok" in FAMILIES[name][1] else {}
    return getattr(transformers, kind + "ForCausalLM").from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", **experts).eval()


def write(name: str, options: argparse.Namespace) -> None:
    folder = options.output / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    save(name, folder)
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(options.output / "llama" / file, folder / file)
    if name == "granite4":
        # As published models have it, and as the converter reads it.
        file = folder / "config.json"
        file.write_text(file.read_text(encoding="utf-8").replace("full_attention", "attention"), encoding="utf-8")
    if name == "phi3":
        # As the published model has it; the converter asks for it.
        file = folder / "tokenizer_config.json"
        file.write_text(file.read_text(encoding="utf-8").replace("TokenizersBackend", "GPT2Tokenizer"), encoding="utf-8")
    source = json.loads((options.output / "llama" / "golden.json").read_text(encoding="utf-8"))
    model = load(name, folder)
    convert(name, folder, options.sources)
    sets = {"golden": (source["tokens"], POSITIONS)}
    if name in LONG_ROPE:
        sets["long"] = (source["tokens"] * 2, POSITIONS + [64, 95])
    for file, (tokens, positions) in sets.items():
        rows = golden(model, tokens, positions)
        rows.tofile(folder / f"{file}.logits.bin")
        (folder / f"{file}.json").write_text(json.dumps(
            {"tokens": tokens, "positions": positions, "texts": source["texts"]}, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"{name:10} {file}: standard deviation of logits {rows.std():.2f}")
        if options.llama:
            confirm(name, folder, tokens, positions, rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=pathlib.Path, help="where the folders go, with that of llama (Tests/Fixtures/folders)")
    parser.add_argument("sources", type=pathlib.Path, help="llama.cpp's sources, which hold convert_hf_to_gguf.py")
    parser.add_argument("--llama", action="store_true", help="let llama.cpp confirm the logits")
    parser.add_argument("--only", help="one family")
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    for name in [options.only] if options.only else FAMILIES:
        write(name, options)

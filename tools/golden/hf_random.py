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
import torch
import transformers

POSITIONS = [0, 1, 7, 8, 15, 31, 40, 47]
COMMON = {
    "vocab_size": 290, "hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, "num_key_value_heads": 2,
    "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "attn_implementation": "eager", "bos_token_id": 287,
    "eos_token_id": 289, "pad_token_id": None}
# None of them 1, none that another one could stand for.
GRANITE = {"embedding_multiplier": 6.0, "residual_multiplier": 0.4, "logits_scaling": 2.5, "attention_multiplier": 0.35}
PAIRS = 6
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
}


def fill(model: transformers.PreTrainedModel, name: str) -> None:
    """Gains around 1, matrices that keep the size of what they read, all with 8 significant bits."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    for key, parameter in sorted(model.named_parameters()):
        shape = tuple(parameter.shape)
        if len(shape) == 1:
            values = np.clip(random.normal(1, 0.35, shape), 0.3, 1.9) * (2 if key == "model.norm.weight" else 1)
        else:
            values = random.normal(0, 1.5 / shape[1] ** 0.5, shape)
        parameter.data = torch.from_numpy(values).to(torch.bfloat16).to(torch.float32)


def golden(model: transformers.PreTrainedModel, tokens: list[int], positions: list[int]) -> np.ndarray:
    with torch.no_grad():
        return model.double()(torch.tensor([tokens])).logits[0, positions].numpy().astype("<f4")


def convert(folder: pathlib.Path, sources: pathlib.Path) -> None:
    """llama.cpp's converter; it knows pre-tokenizers by hashes of published vocabularies, and this one is not published."""
    sys.path[:0] = [str(sources), str(sources / "gguf-py")]
    import convert_hf_to_gguf
    from conversion.base import TextModel
    TextModel.get_vocab_base_pre = lambda self, tokenizer: "smollm"
    sys.argv = ["convert_hf_to_gguf.py", str(folder), "--outfile", str(folder / "model.gguf"), "--outtype", "f32"]
    convert_hf_to_gguf.main()


def confirm(name: str, folder: pathlib.Path, tokens: list[int], positions: list[int], rows: np.ndarray) -> None:
    """Lets llama.cpp compute the same logits. Its contexts have at least 256 tokens and decide between LongRoPE's factors, and for
    models named Phi3 it looks for tokens of the published vocabulary: it gets a copy with another name and another limit."""
    from reference import Reference
    data = (folder / "model.gguf").read_bytes().replace(b"\x04\0\0\0\0\0\0\0Phi3", b"\x04\0\0\0\0\0\0\0Ph-3")
    key = b"rope.scaling.original_context_length" + (4).to_bytes(4, "little")
    if name == "phi3" and len(tokens) <= 64:
        place = data.index(key) + len(key)
        data = data[:place] + (4096).to_bytes(4, "little") + data[place + 4:]
    with tempfile.NamedTemporaryFile(suffix=".gguf") as file:
        file.write(data)
        file.flush()
        theirs = Reference(file.name, 64 if len(tokens) <= 64 else 256).all_logits(tokens)[positions]
    print(f"{name:10} {len(tokens)} tokens, llama.cpp differs by {np.abs(theirs - rows).max():.1e}")


def write(name: str, options: argparse.Namespace) -> None:
    kind, settings = FAMILIES[name]
    folder = options.output / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model = getattr(transformers, kind + "ForCausalLM")(getattr(transformers, kind + "Config")(**(COMMON | settings))).eval()
    fill(model, name)
    model.tie_weights()
    model.to(torch.bfloat16).save_pretrained(folder)
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
    model = getattr(transformers, kind + "ForCausalLM").from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    convert(folder, options.sources)
    sets = {"golden": (source["tokens"], POSITIONS)}
    if name == "phi3":
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

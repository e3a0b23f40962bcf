# SPDX-License-Identifier: Apache-2.0
"""Writes LoRA adapters for models of Tests/Fixtures/folders, with the logits of the merged models: Tests/Fixtures/adapters.

PEFT makes and merges them (merge_and_unload), in Float64; NAME.gguf is what llama.cpp's convert_lora_to_gguf.py makes of a folder
that needs nothing but one rank and one alpha. Needs the packages peft, transformers, torch and gguf, and llama.cpp's sources (the
source distribution of llama-cpp-python has them).
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys

import peft
import torch
import transformers
from safetensors.torch import load_file, save_file

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
FEED_FORWARD = ["gate_proj", "up_proj", "down_proj"]
ADAPTERS = {
    "llama-plain": ("llama", {"r": 3, "lora_alpha": 5, "target_modules": ATTENTION + FEED_FORWARD + ["lm_head"]}),
    # Ranks, alphas and a type of their own.
    "llama-patterns": ("llama", {
        "r": 2, "lora_alpha": 3, "use_rslora": True, "target_modules": ATTENTION + ["down_proj", "lm_head"],
        "rank_pattern": {"down_proj": 4, "layers.1.self_attn.q_proj": 1},
        "alpha_pattern": {"model.layers.0.self_attn.o_proj": 7, "self_attn.v_proj": 1}}),
    # Several matrices in one.
    "phi3-plain": ("phi3", {"r": 2, "lora_alpha": 4, "target_modules": ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]}),
}


def write(name: str, options: argparse.Namespace) -> None:
    base, settings = ADAPTERS[name]
    source, folder = options.folders / base, options.output / name
    shutil.rmtree(folder, ignore_errors=True)
    golden = json.loads((source / "golden.json").read_text(encoding="utf-8"))
    model = transformers.AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, attn_implementation="eager")
    tokens = torch.tensor([golden["tokens"]])
    with torch.no_grad():
        before = model(tokens).logits[0, golden["positions"]]
    generator = torch.Generator().manual_seed(len(name))
    adapted = peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", **settings))
    for key, parameter in sorted(adapted.named_parameters()):
        if "lora_" in key:
            values = torch.randn(parameter.shape, generator=generator) * (0.25 if "lora_A" in key else 0.15)
            # Eight significant bits, so that the folder's type does not matter.
            parameter.data = values.to(torch.bfloat16).to(torch.float32)
    # The copy of the base's head that PEFT adds by itself is in one adapter only.
    adapted.save_pretrained(folder, save_embedding_layers=name == "llama-patterns")
    if "patterns" in name:
        weights = folder / "adapter_model.safetensors"
        save_file({key: value.to(torch.bfloat16) for key, value in load_file(weights).items()}, weights)
    (folder / "README.md").unlink(missing_ok=True)
    config = folder / "adapter_config.json"
    text = json.loads(config.read_text(encoding="utf-8")) | {"base_model_name_or_path": base}
    text["target_modules"] = sorted(text["target_modules"])
    config.write_text(json.dumps(text, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    with torch.no_grad():
        merged = adapted.double().merge_and_unload()
        rows = merged(tokens).logits[0, golden["positions"]]
    rows.numpy().astype("<f4").tofile(options.output / f"{name}.logits.bin")
    print(f"{name:16} the adapter changes logits by up to {(rows - before).abs().max():.2f}")
    if "plain" in name:
        subprocess.run([sys.executable, options.sources / "convert_lora_to_gguf.py", "--base", source, "--outfile",
                        options.output / f"{name}.gguf", folder], check=True, capture_output=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=pathlib.Path, help="the model folders (Tests/Fixtures/folders)")
    parser.add_argument("output", type=pathlib.Path, help="where the adapters go (Tests/Fixtures/adapters)")
    parser.add_argument("sources", type=pathlib.Path, help="llama.cpp's sources, which hold convert_lora_to_gguf.py")
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    options.output.mkdir(parents=True, exist_ok=True)
    for name in ADAPTERS:
        write(name, options)

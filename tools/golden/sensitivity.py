# SPDX-License-Identifier: Apache-2.0
"""How much each part of the tiny models matters: the largest change of a logit when that part is left out.

A golden test cannot find a mistake in a part that does not change the logits. For each model of the folder
this replaces every kind of tensor (gains by 1, the rest by 0) and every optional number by its default, and
fails where llama.cpp's logits change by less than 0.05.
"""
import argparse
import json
import pathlib
import tempfile

import gguf
import numpy as np

from dequantize import copy_metadata, write_file
from reference import Reference

SMALLEST_EFFECT = 0.05
# Metadata to leave out; what the model then does instead.
OPTIONAL = {".rope.scaling.factor": "positions are not scaled", ".rope.freq_base": "theta 10000",
            ".attention.sliding_window": "attention is global"}


def rewrite(source: gguf.GGUFReader, path: str, without_key: str = "", without_tensor: str = "") -> None:
    architecture = source.get_field("general.architecture").contents()
    writer = gguf.GGUFWriter(path, architecture)
    skipped = source.fields.pop(without_key, None)
    copy_metadata(source, writer)
    if skipped is not None:
        source.fields[without_key] = skipped
    for tensor in source.tensors:
        values = np.array(tensor.data)
        if without_tensor and tensor.name.endswith(without_tensor):
            is_gain = "norm" in tensor.name or tensor.name.startswith("rope_freqs")
            values = np.ones_like(values) if is_gain else np.zeros_like(values)
        writer.add_tensor(tensor.name, values)
    write_file(writer)


def effects(path: pathlib.Path) -> dict[str, float]:
    """What was left out, and the largest change of a logit."""
    source = gguf.GGUFReader(path)
    tokens = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["tokens"]
    expected = Reference(str(path), 256).all_logits(tokens)
    architecture = source.get_field("general.architecture").contents()
    cases = {tensor.name.split(".", 2)[-1] if tensor.name.startswith("blk.") else tensor.name: ""
             for tensor in source.tensors}
    cases |= {architecture + key: meaning for key, meaning in OPTIONAL.items() if architecture + key in source.fields}
    scaling_type = source.get_field(architecture + ".rope.scaling.type")
    if scaling_type and scaling_type.contents() != "linear":
        cases[architecture + ".rope.scaling.type"] = "linear"
    result = {}
    with tempfile.TemporaryDirectory() as folder:
        for case, meaning in cases.items():
            changed = f"{folder}/changed.gguf"
            is_key = case.startswith(architecture)
            rewrite(source, changed, without_key=case if is_key else "", without_tensor="" if is_key else case)
            values = Reference(changed, 256).all_logits(tokens)
            result[f"{case} ({meaning})" if meaning else case] = float(np.abs(values - expected).max())
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, help="the folder that tiny_models.py wrote")
    weak = []
    for path in sorted(parser.parse_args().folder.glob("*.gguf")):
        if path.with_suffix(".json").exists():
            found = effects(path)
            print(path.name, *(f"    {effect:8.3f}  {case}" for case, effect in found.items()), sep="\n")
            weak += [f"{path.name}: {case}" for case, effect in found.items() if effect < SMALLEST_EFFECT]
    if weak:
        raise SystemExit("too weak to test:\n" + "\n".join(weak))

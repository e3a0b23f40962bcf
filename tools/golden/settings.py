# SPDX-License-Identifier: Apache-2.0
"""Writes what transformers makes of every member of config.json that Tests/Fixtures/settings/folders.json lists.

Each case of that table is a folder of Tests/Fixtures/folders with some members of config.json set or dropped. Cases that are
not refused get one row of logits, computed by transformers in Float32 at the last token; for refused ones this script says
whether transformers computes something else with them. It also refuses a table that lacks a member that a configuration of
these families declares. Needs the packages transformers and torch: see tools/golden/setup.
"""
import argparse
import dataclasses
import json
import pathlib
import shutil
import tempfile

import numpy as np
import torch
import transformers

FAMILIES = ("Llama", "Mistral", "Qwen2", "Qwen3", "Gemma3Text", "Gemma3")
# Parts that have settings of their own.
SECTIONS = {"text_config", "vision_config"}


def logits(folder: pathlib.Path, case: dict) -> np.ndarray:
    """One row, after the folder's golden tokens."""
    with tempfile.TemporaryDirectory() as name:
        path = pathlib.Path(name) / "model"
        shutil.copytree(folder / case["folder"], path)
        file = path / "config.json"
        config = json.loads(file.read_text(encoding="utf-8"))
        inner = config.get("text_config", config)
        config.update(case.get("set", {}))
        inner.update(case.get("text", {}))
        for key in case.get("drop", []):
            config.pop(key, None)
        file.write_text(json.dumps(config), encoding="utf-8")
        kind = transformers.AutoModelForImageTextToText if "text_config" in config else transformers.AutoModelForCausalLM
        model, report = kind.from_pretrained(path, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
        lost = {key: sorted(report[key])[:3] for key in ("missing_keys", "mismatched_keys", "unexpected_keys") if report.get(key)}
        if lost:
            raise ValueError(f"transformers cannot load all of it: {lost}")
        tokens = json.loads((path / "golden.json").read_text(encoding="utf-8"))["tokens"]
        with torch.no_grad():
            return model.eval()(torch.tensor([tokens])).logits[0, -1].numpy().astype("<f4")


def declared() -> set[str]:
    """What the families' configurations declare."""
    names = set()
    for family in FAMILIES:
        fields = dataclasses.fields(getattr(transformers, family + "Config"))
        names |= {field.name for field in fields}
    return names - SECTIONS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=pathlib.Path, help="the model folders (Tests/Fixtures/folders)")
    parser.add_argument("output", type=pathlib.Path, help="where the table is and the logits go (Tests/Fixtures/settings)")
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    table = json.loads((options.output / "folders.json").read_text(encoding="utf-8"))
    if missing := declared() - {row["key"] for row in table}:
        raise SystemExit(f"the table lacks {sorted(missing)}")
    plain: dict[str, np.ndarray] = {}
    rows = []
    for row in table:
        for case in row["cases"]:
            base = plain.setdefault(case["folder"], None)
            if base is None:
                base = plain[case["folder"]] = logits(options.folders, {"folder": case["folder"]})
            try:
                found = logits(options.folders, case)
                difference = f"{np.abs(found - base).max():.1e} from the plain model"
            except Exception as error:  # whatever transformers says to settings that it refuses
                found, difference = None, f"transformers: {str(error).strip().splitlines()[0][:90]}"
            if "refused" not in case:
                if found is None:
                    raise SystemExit(f"{row['key']}, {case}: {difference}")
                rows.append(found)
            verdict = "refused" if "refused" in case else row["verdict"]
            print(f"{row['key']:34} {verdict:16} {case['folder']:15} {difference}")
    np.concatenate(rows).tofile(options.output / "folders.logits.bin")
    print(f"{len(rows)} rows of logits")


if __name__ == "__main__":
    main()

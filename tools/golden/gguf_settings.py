# SPDX-License-Identifier: Apache-2.0
"""Writes what llama.cpp makes of every key of a GGUF that Tests/Fixtures/settings/gguf.json lists.

Each case of that table is a model of Tests/Fixtures/models with some keys set, or dropped where their value is null. Cases
that are not refused get one row of logits at the last of the model's golden tokens, computed in Float64 by forward.py, which reads
the keys as llama.cpp does. With --llama it is compared with llama.cpp (which rounds GELU: 2e-2 for gemma3).
"""
import argparse
import json
import pathlib
import struct
import tempfile

import numpy as np

from forward import Forward


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def pair(key: str, value) -> bytes:
    """A metadata pair: Bool, UInt32, Float32 or a string, as the JSON value is written."""
    if isinstance(value, bool):
        return text(key) + struct.pack("<IB", 7, value)
    if isinstance(value, int):
        return text(key) + struct.pack("<II", 4, value)
    if isinstance(value, float):
        return text(key) + struct.pack("<If", 6, value)
    return text(key) + struct.pack("<I", 8) + text(value)


def changed(model: bytes, settings: dict) -> bytes:
    """The file with other metadata; tensors keep their distance to the alignment of 32 bytes."""
    added = b""
    for key, value in settings.items():
        # A key that is there gets a name that nobody asks for.
        model = model.replace(text(key), text(key[:-1] + "~"), 1)
        if value is not None:
            added += pair(key, value)
    filler = len(pair("filler", ""))
    added += pair("filler", "x" * (-(len(added) + filler) % 32))
    count = struct.unpack_from("<Q", model, 16)[0] + 1 + sum(value is not None for value in settings.values())
    return model[:16] + struct.pack("<Q", count) + added + model[24:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=pathlib.Path, help="the GGUF models (Tests/Fixtures/models)")
    parser.add_argument("output", type=pathlib.Path, help="where the table is and the logits go (Tests/Fixtures/settings)")
    parser.add_argument("--llama", action="store_true", help="compare with llama.cpp, which takes the package llama-cpp-python")
    options = parser.parse_args()
    if options.llama:
        from reference import Reference
    plain: dict[str, np.ndarray] = {}
    rows = []
    for row in json.loads((options.output / "gguf.json").read_text(encoding="utf-8")):
        for case in row["cases"]:
            if "refused" in case:
                continue
            name = case["model"]
            golden = json.loads((options.models / f"{name}.json").read_text(encoding="utf-8"))["tokens"]
            with tempfile.NamedTemporaryFile(suffix=".gguf") as file:
                file.write(changed((options.models / f"{name}.gguf").read_bytes(), case.get("set", {})))
                file.flush()
                logits = Forward(file.name).logits(golden)[-1].astype("<f4")
                theirs = Reference(file.name, 64).all_logits(golden)[-1] if options.llama else logits
            base = plain.setdefault(name, np.fromfile(options.models / f"{name}.logits.bin", "<f4"))[-len(logits):]
            rows.append(logits)
            print(f"{row['key']:34} {row['verdict']:16} {name:13} {np.abs(logits - base).max():.1e} from the plain model"
                  + (f", {np.abs(logits - theirs).max():.1e} from llama.cpp" if options.llama else ""))
    np.concatenate(rows).tofile(options.output / "gguf.logits.bin")
    print(f"{len(rows)} rows of logits")


if __name__ == "__main__":
    main()

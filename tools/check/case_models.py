# SPDX-License-Identifier: Apache-2.0
"""Models that cases need, made from the folders of Tests/Fixtures by changing tensors or tokens."""
import json
import pathlib
import struct

from case_tools import Case


def read_tensors(path: pathlib.Path) -> tuple[dict, bytearray]:
    """Header and data of a safetensors file (formats/safetensors.md)."""
    content = path.read_bytes()
    size = struct.unpack_from("<Q", content)[0]
    return json.loads(content[8:8 + size]), bytearray(content[8 + size:])


def write_tensors(path: pathlib.Path, header: dict, data: bytes) -> None:
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def renamed_tensors(path: pathlib.Path, names: dict) -> None:
    header, data = read_tensors(path)
    write_tensors(path, {names.get(name, name): value for name, value in header.items()}, data)


def zero_logits(case: Case) -> pathlib.Path:
    """A model whose last norm has gains of 0: every logit is 0."""
    folder = case.model_folder("llama3")
    for file in folder.glob("*.safetensors"):
        header, data = read_tensors(file)
        if "model.norm.weight" in header:
            begin, end = header["model.norm.weight"]["data_offsets"]
            data[begin:end] = bytes(end - begin)
            write_tensors(file, header, data)
    return case.convert(folder, output="zero.tiller")


def more_tokens_than_rows(case: Case) -> pathlib.Path:
    """A tokenizer with a token beyond the embedding's last row."""
    folder = case.model_folder("llama3")
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    last = max(tokenizer["added_tokens"], key=lambda token: token["id"])
    ids = [*tokenizer["model"]["vocab"].values(), last["id"]]
    tokenizer["added_tokens"].append(last | {"id": max(ids) + 1, "content": "<|one_more|>"})
    path.write_text(json.dumps(tokenizer), encoding="utf-8")
    return folder

# SPDX-License-Identifier: Apache-2.0
"""Rows and files of captured activations (formats/activations.md), for harvest-activations. Needs numpy."""
import contextlib
import dataclasses
import hashlib
import json
import os

import numpy as np

SCALARS, LEAST_BYTES, MOST_SHARDS = 2048, 32, 4096


class HarvestError(Exception):
    """What is wrong, in one line."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One text to read: §3."""

    prompt: str | None
    text: str
    label: int
    number: int

    @property
    def text_hash(self) -> bytes:
        start = b"\0" if self.prompt is None else b"\1" + self.prompt.encode() + b"\0"
        return hashlib.sha256(start + self.text.encode()).digest()


@dataclasses.dataclass
class ReadingList:
    """Each pair's positive and negative side, then the texts."""

    pair_count: int
    text_count: int
    rows: list[Row]

    @property
    def data_hash(self) -> str:
        return hashlib.sha256(b"".join(row.text_hash for row in self.rows)).hexdigest()


def json_rows(path: str) -> list[tuple[int, dict]]:
    rows = []
    with open(path, encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if line.strip(" \t\r\n"):
                try:
                    rows.append((number, json.loads(line)))
                except ValueError as error:
                    raise HarvestError(f"{path}, line {number}: {error}") from error
    return rows


def read_pairs(path: str) -> list[tuple[str | None, str, str]]:
    pairs = []
    for number, row in json_rows(path):
        sides = [row.get("positive", 0), row.get("negative", 0)] if isinstance(row, dict) else [0]
        if None in sides:
            continue
        prompt = row.get("prompt") if isinstance(row, dict) else 0
        if not all(isinstance(side, str) for side in sides) or not isinstance(prompt, str | None):
            raise HarvestError(f"{path}, line {number}: expected the texts positive and negative, and prompt or none")
        positive, negative = (side[:SCALARS] for side in sides)
        if positive != negative:
            pairs.append((prompt, positive, negative))
    if not pairs:
        raise HarvestError(f"{path} holds no pair whose sides differ")
    return pairs


def read_texts(path: str) -> list[str]:
    if path.endswith(".jsonl"):
        texts = []
        for number, row in json_rows(path):
            text = row.get("text") if isinstance(row, dict) else None
            if not isinstance(text, str) or not text:
                raise HarvestError(f"{path}, line {number}: expected an object with a string at text")
            texts.append(text)
    else:
        with open(path, encoding="utf-8", newline="") as file:
            lines = [line.strip(" \t\r") for line in file.read().split("\n")]
        texts, lines_of_text = [], []
        for line in [*lines, ""]:
            if line:
                lines_of_text.append(line)
                continue
            text = " ".join(lines_of_text)
            lines_of_text = []
            if len(text.encode()) >= LEAST_BYTES:
                texts.append(text)
    if not texts:
        raise HarvestError(f"{path} holds no text")
    return [text[:SCALARS] for text in texts]


def reading_list(pairs_path: str | None, texts_path: str | None) -> ReadingList:
    pairs = read_pairs(pairs_path) if pairs_path else []
    texts = read_texts(texts_path) if texts_path else []
    rows = []
    for number, (prompt, positive, negative) in enumerate(pairs):
        rows += [Row(prompt, positive, 1, number), Row(prompt, negative, -1, number)]
    rows += [Row(None, text, 0, number) for number, text in enumerate(texts)]
    return ReadingList(len(pairs), len(texts), rows)


def parse_shard(text: str | None) -> tuple[int, int]:
    index, _, count = (text or "1/1").partition("/")
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count) <= MOST_SHARDS):
        raise HarvestError(f"--shard is {text}, expected i/n as in 2/8, 1 <= i <= n <= {MOST_SHARDS}")
    return int(index), int(count)


class ActivationWriter:
    """Writes states row by row; the file appears under its name when it is complete."""

    def __init__(self, path: str, metadata: dict[str, str], layers: list[int], rows: list[Row], width: int):
        count = len(rows)
        self.path, self.partial, self.layers, self.offsets = path, f"{path}.partial", layers, {}
        own = {
            "row.number": np.array([row.number for row in rows], "<i4"),
            "row.tokens": np.zeros(count, "<i4"),
            "row.text": np.frombuffer(b"".join(row.text_hash for row in rows), np.uint8).reshape(count, 32),
            "row.label": np.array([row.label for row in rows], np.int8),
        }
        self.own, self.row_bytes = own, 4 * width
        shapes = {f"layer.{layer}": ("F32", [count, width], 4 * count * width) for layer in layers}
        types = {"<i4": "I32", "|u1": "U8", "|i1": "I8"}
        shapes |= {name: (types[array.dtype.str], list(array.shape), array.nbytes) for name, array in own.items()}
        header, end = {"__metadata__": metadata}, 0
        for name, (kind, shape, size) in shapes.items():
            header[name] = {"dtype": kind, "shape": shape, "data_offsets": [end, end + size]}
            self.offsets[name], end = end, end + size
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        self.start = 8 + len(text)
        self.file = open(self.partial, "wb")  # pylint: disable=consider-using-with
        self.file.write(len(text).to_bytes(8, "little") + text)

    def write(self, row: int, states: np.ndarray, token_count: int) -> None:
        """states [layers x width] is the mean of token_count states."""
        self.own["row.tokens"][row] = token_count
        for layer, state in zip(self.layers, states.astype("<f4"), strict=True):
            self._put(f"layer.{layer}", state.tobytes(), row * self.row_bytes)

    def finish(self) -> None:
        for name, array in self.own.items():
            self._put(name, array.tobytes())
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        os.replace(self.partial, self.path)

    def drop(self) -> None:
        with contextlib.suppress(OSError):
            self.file.close()
        with contextlib.suppress(OSError):
            os.unlink(self.partial)

    def _put(self, name: str, data: bytes, offset: int = 0) -> None:
        self.file.seek(self.start + self.offsets[name] + offset)
        self.file.write(data)

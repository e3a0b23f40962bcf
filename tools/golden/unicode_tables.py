#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the Unicode tables of Sources/Tokenization/Normalization: decompositions, combining classes, marks and punctuation.

The library `tokenizers` normalizes by Unicode 9 and knows the punctuation of Unicode 8, so the tables hold just the
characters that it knows; what they become is asked of Python's unicodedata, and every answer is compared with the
library's. Usage: unicode_tables.py DIR (needs `tokenizers`).
"""
import argparse
import pathlib
import string
import unicodedata

from tokenizers import normalizers, pre_tokenizers

POINTS = [chr(value) for value in range(0x110000) if not 0xD800 <= value < 0xE000]
IOTA = "\u0345"  # of the highest combining class but 0: every other mark moves in front of it
# Digits of a number by the count of symbols; the first 28 symbols end a number, the others go on.
BASE, FIRST = 28, ord("#")


def digits(value: int) -> str:
    text = chr(FIRST + value % BASE)
    while value >= BASE:
        value //= BASE
        text = chr(FIRST + BASE + value % BASE) + text
    return text


def zigzag(value: int) -> int:
    return 2 * value if value >= 0 else -2 * value - 1


def single_level(character: str) -> tuple[bool, list[int]]:
    fields = unicodedata.decomposition(character).split()
    is_compatible = fields[0].startswith("<")
    return is_compatible, [int(field, 16) for field in fields[is_compatible:]]


def decompositions(is_compatible: bool) -> str:
    """Per character: distance, 2 · (count − 1) + whether it is never composed, then the parts as differences."""
    normalize, full = normalizers.NFKD() if is_compatible else normalizers.NFD(), normalizers.NFD()
    text, last, first = "", 0, 0
    for character in POINTS:
        if 0xAC00 <= ord(character) < 0xD7A4 or not unicodedata.decomposition(character):
            continue
        kind, parts = single_level(character)
        if kind != is_compatible or normalize.normalize_str(character) == character:
            continue
        composed = normalizers.NFC().normalize_str(character)
        text += digits(ord(character) - last)
        text += digits(2 * (len(parts) - 1) + (composed != character or is_compatible))
        for part in parts:
            text += digits(zigzag(part - first))
            first = part
        last, first = ord(character), parts[0]
    return text


def combining_classes() -> str:
    """Per run: distance of its start from the end of the last, count − 1, class."""
    normalize = normalizers.NFD()
    classes = {}
    for character in POINTS:
        moves = normalize.normalize_str("a" + IOTA + character) == "a" + character + IOTA
        if unicodedata.combining(character) and (moves or character == IOTA):
            classes[ord(character)] = unicodedata.combining(character)
    text, end = "", 0
    for value, count in runs(classes):
        text += digits(value - end) + digits(count - 1) + digits(classes[value])
        end = value + count
    return text


def runs(classes: dict[int, int]):
    start = count = 0
    for value in sorted(classes):
        if count and value == start + count and classes[value] == classes[start]:
            count += 1
        else:
            if count:
                yield start, count
            start, count = value, 1
    yield start, count


def ranges(values: list[int]) -> str:
    """Per run: distance of its start from the end of the last, count − 1."""
    text, end = "", 0
    for value, count in runs(dict.fromkeys(values, 1)):
        text += digits(value - end) + digits(count - 1)
        end = value + count
    return text


def marks() -> list[int]:
    strip = normalizers.StripAccents()
    return [ord(character) for character in POINTS if strip.normalize_str("a" + character) == "a"]


def punctuation() -> list[int]:
    split = pre_tokenizers.Punctuation()
    return [ord(character) for character in POINTS
            if character not in string.whitespace and len(split.pre_tokenize_str(f"a{character}a")) == 3]


def write(path: pathlib.Path, title: str, tables: dict[str, tuple[str, str]]) -> None:
    lines = ["// SPDX-License-Identifier: Apache-2.0", f"// {title}",
             "// Written by tools/golden/unicode_tables.py; `NumberStream` reads the numbers.", "", "extension UnicodeTables {"]
    for name, (comment, text) in tables.items():
        lines += [f"    /// {comment}", f'    static let {name} = """']
        lines += ["        " + text[start:start + 100] for start in range(0, len(text), 100)]
        lines += ['        """', ""]
    path.write_text("\n".join(lines[:-1]) + "\n}\n", encoding="ascii")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="DIR", type=pathlib.Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "UnicodeTables+Canonical.swift", "Canonical decompositions and combining classes of Unicode 9.", {
        "canonicalText": ("Distance, 2 (count - 1) + 1 if never composed, parts.", decompositions(False)),
        "classText": ("Runs of one combining class: distance, count - 1, class.", combining_classes()),
    })
    write(folder / "UnicodeTables+Compatibility.swift", "Compatibility decompositions, marks and punctuation.", {
        "compatibilityText": ("Distance, 2 (count - 1) + 1, parts.", decompositions(True)),
        "markText": ("Runs of marks (M, Unicode 9): distance, count - 1.", ranges(marks())),
        "punctuationText": ("Runs of punctuation (P of Unicode 8, and ASCII symbols): distance, count - 1.",
                            ranges(punctuation())),
    })


if __name__ == "__main__":
    main()

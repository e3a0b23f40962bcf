# SPDX-License-Identifier: Apache-2.0
"""Writes Sources/Terminal/WidthTable.swift and Tests/Fixtures/widths/lines.json: cells of characters, and lines of every
script as they stand in a terminal of 20 columns, by wcwidth.

Needs wcwidth (tools/golden/setup DIR).
"""
import argparse
import json
import pathlib
import random
import unicodedata

import wcwidth
from wcwidth import _constants as properties
from wcwidth.table_grapheme import ISC_CONSONANT
from wcwidth.table_vs16 import VS16_NARROW_TO_WIDE

ROOT = pathlib.Path(__file__).parents[2]
COLUMNS = 20
PROMPT = "> "

# Words of people, beside those made from the names of letters below.
WORDS = [
    ("Thai", "ำกำน้ำทำงานภาษาไทยสวัสดีครับ"), ("Lao", "ນ້ຳລາວພາສາລາວສະບາຍດີຂອບໃຈ"), ("Half-width kana", "ｶﾞｷﾞｸﾞｹﾞｺﾞﾊﾟﾋﾟﾌﾟﾍﾟﾎﾟｱｲｳ"),
    ("Devanagari", "का हिन्दी क्षत्रिय संस्कृतम् राष्ट्र"), ("Bengali", "বাংলা ভাষা কি ক্ষুদ্র স্বাগতম"), ("Tamil", "நிலா தமிழ் வணக்கம் க்ஷ்மி"),
    ("Telugu", "తెలుగు భాష స్త్రీ నమస్కారం"), ("Kannada", "ಕೊ ಕನ್ನಡ ಲಕ್ಷ್ಮೀ ನಮಸ್ಕಾರ"), ("Malayalam", "മലയാളം ഭാഷ സ്ത്രീ നമസ്കാരം"),
    ("Gujarati", "ગુજરાતી ભાષા સ્ત્રી નમસ્તે"), ("Gurmukhi", "ਪੰਜਾਬੀ ਭਾਸ਼ਾ ਸਤਿ ਸ੍ਰੀ ਅਕਾਲ"), ("Oriya", "ଓଡ଼ିଆ ଭାଷା ସ୍ତ୍ରୀ ନମସ୍କାର"),
    ("Sinhala", "සිංහල භාෂාව ශ්‍රී ලංකාව"), ("Khmer", "ភាសាខ្មែរ ស្ត្រី សួស្តី"), ("Myanmar", "မြန်မာဘာသာ မင်္ဂလာပါ"), ("Tibetan", "བོད་སྐད་ བཀྲ་ཤིས་བདེ་ལེགས"),
    ("Chinese", "日本語漢字かな交じり文です。ＡＢＣ"), ("Japanese", "が゛か\u3099ぱ゜は\u309aカ\u3099ハ\u309aがぎぐ"), ("Hangul", "한국어 각 ᄀ\u1161\u11a8 한글"),
    ("Jamo", "\u1112\u1161\u11ab\u1100\u1173\u11af\u1112\u1161\u11ab\u1100\u1173\u11af"), ("Arabic", "العَرَبِيَّةُ لُغَةٌ جَمِيلَةٌ"), ("Hebrew", "בְּרֵאשִׁית בָּרָא אֱלֹהִים"),
    ("Vietnamese", "Tiếng Việt: Tie\u0302\u0301ng Vie\u0323\u0302t"), ("Latin", "na\u0131\u0308ve caf\u00e9 cafe\u0301 Å\u030aström"), ("Cyrillic", "ру\u0301сский язы\u0301к ѐ й\u0306"),
    ("Emoji", "😀😃😄😁😆😅🤣😂🙂🙃x"), ("Families", "👩‍👩‍👧👨‍👩‍👧‍👦👩‍💻🧑🏽‍🚀👩🏻‍🤝‍👨🏿🏳️‍🌈🏴‍☠️"), ("Selectors", "❤️❤☎️☎✈️✈☀️☀⌚︎⌚©️©ℹ️"),
    ("Keycaps", "1️⃣2️⃣#️⃣*️⃣1⃣12"), ("Flags", "🇩🇪🇫🇷🇯🇵🇺🇳🇩🇪🇫🏴󠁧󠁢󠁥󠁮󠁧󠁿x"), ("Skin tones", "👍🏻👍🏼👍🏽👍🏾👍🏿☝🏽☝️🏽✋🏿a🏽x"), ("Joiners", "a\u200db\u200cc\u200bd\u2060e\u00adf"),
    ("Mixed", "a日é한😀ก\u0e33क्षि👩‍💻b"), ("Marks alone", "\u0301\u093e\u0e33\uff9e\u200d\ufe0f"), ("Long marks", "e" + "\u0301" * 30 + "x"),
]


def members(table: tuple) -> set[int]:
    """The characters of a table of ranges."""
    return {code for first, last in table for code in range(first, last + 1)}


SPACING = members(properties._CATEGORY_MC_TABLE)
CONSONANTS = members(ISC_CONSONANT)
WIDENED = members(VS16_NARROW_TO_WIDE["9.0.0"])


def flags(code: int) -> int:
    """Cells, and above them one bit for each property that a text's width depends on."""
    return (max(wcwidth.wcwidth(chr(code)), 0) | (code in SPACING) << 2 | (code in properties._ISC_VIRAMA_SET) << 3
            | (code in CONSONANTS) << 4 | (code in properties._EMOJI_ZWJ_SET) << 5 | (code in WIDENED) << 6)


def table() -> str:
    """The Swift source: where each run of characters with the same properties begins."""
    runs, last = [], None
    for code in range(0x110000):
        value = last if 0xD800 <= code < 0xE000 else flags(code)
        if value != last:
            runs.append(code << 8 | value)
            last = value
    rows = ["    " + " ".join(f"0x{run:x}," for run in runs[i:i + 9]) for i in range(0, len(runs), 9)]
    return "\n".join([
        "// SPDX-License-Identifier: Apache-2.0", f"// Written by tools/golden/widths.py from wcwidth {wcwidth.__version__}, "
        f"Unicode {properties._LATEST_VERSION}; not to be changed by hand.", "",
        "/// Where runs of scalars with the same properties begin, in order: first scalar · 256 + `ScalarWidth.rawValue`.",
        "let widthRuns: [UInt32] = [", *rows, "]", ""])


def samples() -> list[tuple[str, str]]:
    """For each script that the names of characters tell apart, letters with its marks."""
    letters, marks = {}, {}
    for code in range(0x300, 0x20000):
        name = unicodedata.name(chr(code), "")
        for word in (" LETTER ", " SYLLABLE ", " VOWEL SIGN ", " SIGN ", " MARK ", " TONE ", " VOWEL ", " DIGIT ", " CONSONANT "):
            if word in name:
                group = marks if unicodedata.category(chr(code)).startswith("M") else letters
                group.setdefault(name.split(word)[0], []).append(chr(code))
                break
    generator = random.Random(7)
    found = []
    for script, own in sorted(letters.items()):
        if len(own) < 8:
            continue
        text = ""
        for letter in generator.sample(own, min(len(own), 24)):
            text += letter + (generator.choice(marks[script]) if script in marks and generator.random() < 0.7 else "")
        found.append((script.title(), text))
    return found


def mixtures(count: int) -> list[str]:
    """Random sequences of what changes the width of its neighbours."""
    generator = random.Random(11)
    pool = ("aक\u094dषत\u093e\u093f\u0301\u200d\u200c\ufe0f\ufe0e👩👧💻🏽🏿🇩🇪🇫❤☝1#\u20e3ก\u0e33か\uff9eｶ日"
            "க\u0bcdஷ\u0bbe്മᄀ\u1161각\u0600\U0001f3f4\U000e0067\u00ad")
    return ["".join(generator.choice(pool) for _ in range(generator.randint(2, 9))) for _ in range(count)]


def layout(text: str) -> tuple[list[str], list[int]]:
    """Rows of the prompt and the text, broken between graphemes where the next one does not fit, and the cursor's place after it."""
    rows = [PROMPT]
    for grapheme in wcwidth.iter_graphemes(text):
        if wcwidth.wcswidth(rows[-1] + grapheme) > COLUMNS:
            rows.append("")
        rows[-1] += grapheme
    if wcwidth.wcswidth(rows[-1]) == COLUMNS:
        rows.append("")
    return rows, [len(rows) - 1, wcwidth.wcswidth(rows[-1])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, default=ROOT, help="the checkout to write to")
    root = parser.parse_args().root
    (root / "Sources/Terminal/WidthTable.swift").write_text(table())
    lines = []
    for script, text in WORDS + samples():
        text += "x"
        lines.append({"script": script, "text": text, "rows": [row for row in layout(text)[0] if row],
                      "cells": [wcwidth.wcswidth(text[:end]) for end in range(1, len(text) + 1)],
                      "cursors": [layout(text[:end])[1] for end in range(1, len(text) + 1)]})
    sequences = [{"text": text, "cells": wcwidth.wcswidth(text)} for text in mixtures(600)]
    output = root / "Tests/Fixtures/widths/lines.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps({"lines": lines, "sequences": sequences}, separators=(",", ":")) + "\n")
    print(f"wrote {len(lines)} lines and {len(sequences)} sequences with wcwidth {wcwidth.__version__}")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the library `tokenizers` makes of the steps of a tokenizer.json: ids and text, for the tests of Tokenization.

  tokenizer_rules.py fixture Tests/Fixtures/tokenizer/rules.jsonl
      every step by itself and some together, a few texts each: the file that the tests read
  tokenizer_rules.py random DIR [--seed N] [--configurations N] [--texts N]
      configurations of random steps; compare them by
      TILLER_TOKENIZER_CASES=DIR swift test -c release --filter idsAreThoseOfRandomRules

Each line of a file is one tokenizer: the fixture folder whose vocabulary it has (the first `keep` ids of it), the
members of tokenizer.json that are set, and cases of a text, its ids and what they are decoded to. Needs `tokenizers`
and the folders of Tests/Fixtures/folders.
"""
import argparse
import json
import pathlib
import random
import unicodedata

from tokenizers import Tokenizer

FOLDERS = pathlib.Path(__file__).resolve().parents[2] / "Tests/Fixtures/folders"
KEEP = {"llama": 270, "mistral": 275}
SPECIAL = {"llama": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], "mistral": ["<unk>", "<s>", "</s>"]}
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
WORDS = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
TEKKEN = (rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*|\p{{N}}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
EXPRESSIONS = [GPT2, TEKKEN, "[一-龥ࠀ-一가-\ud7ff]+", WORDS % "{1,3}", WORDS % "", r"\p{N}", r"\p{N}+", r"\p{N}{1,3}", "[0-9][0-9][0-9]", r"[\r\n]",
               r"\s?\p{L}+", r"\s?\p{P}+", r"[\p{P}\$\+<=>\^~\|]+", r"\s", r"\s+", r"\w+|[^\w\s]+"]
BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
NORMALIZERS = [{"type": kind} for kind in ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents"]] + [
    {"type": "Strip", "strip_left": left, "strip_right": right} for left in (True, False) for right in (True, False)
] + [{"type": "Prepend", "prepend": text} for text in ("▁", "x ")] + [
    {"type": "Replace", "pattern": {"String": text}, "content": other}
    for text, other in [(" ", "▁"), ("aa", "a"), ("e", ""), ("a", "xyz"), ("\n", " "), ("  ", " ")]]
CONTENTS = ["<note>", "note", " note", "a b", "ab", "abc", "bc", "<<", "<<<", "[X]", "fi", "NOTE", "Ñu", "e\u0301", "▁x",
            "  ", "<|x|>", "the", "\n\n", "naïve", "ing", "x", "Ω"]
WORDS_OF_TEXTS = ["the ", "ferry ", "note", "NOTE ", "abc", "ab", "bc", " a b", "<note>", "<<<", "<<", "[X]", "fi", "ﬁ",
                  "É", "e\u0301", "é", "naïve", "  ", " ", "\n", "\n\n", "\t", "\u3000", "\u00a0", "▁", "▁x", "_", "'s",
                  "'LL", "123", "4567", "٣", "Ⅷ", "½", "ing", "x", "aaa", "<|x|>", "!?", "...", "$+", "—", "。", "渡船",
                  "ひらがな", "한국", "\u1112\u1161\u11ab", "क\u093c", "q\u0323\u0307", "a\u0307\u0323", "Å", "Ω", "İ", "ẞ",
                  "ΑΣ", "👩\u200d👧", "🚢", "①", "Ａｂ", "ｶﾞ", "\ufb2c", "\u0344", "\u0345", "ǅ", "ª", "\x00", "\x1c"]


def with_sequence(steps: list[dict], name: str) -> dict | None:
    return {"type": "Sequence", name: steps} if len(steps) > 1 else steps[0] if steps else None


def cut_vocabulary(base: str) -> dict:
    file = json.loads((FOLDERS / base / "tokenizer.json").read_text(encoding="utf-8"))
    model = file["model"]
    model["vocab"] = {text: id for text, id in model["vocab"].items() if id < KEEP[base]}
    model["merges"] = [pair for pair in model["merges"] if {*pair, "".join(pair)} <= model["vocab"].keys()]
    return file


def added(base: str, tokens: list[dict]) -> list[dict]:
    """The library numbers texts that the vocabulary lacks one after the other."""
    vocab = cut_vocabulary(base)["model"]["vocab"]
    rows, usual = [], {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    first = 0 if base == "mistral" else KEEP[base]
    for index, text in enumerate(SPECIAL[base]):
        rows.append({"id": first + index, "content": text} | usual | {"special": True})
    next_id = KEEP[base] + (0 if base == "mistral" else len(rows))
    for token in tokens:
        rows.append({"id": vocab.get(token["content"], next_id)} | usual | {"special": False} | token)
        next_id += token["content"] not in vocab
    return rows


def random_text(generator: random.Random) -> str:
    parts = []
    for _ in range(generator.randint(0, 12)):
        if generator.random() < 0.1:
            character = chr(generator.choice([generator.randrange(0x300, 0x3100), generator.randrange(0xA640, 0xD7FF),
                                              generator.randrange(0xF900, 0xFFFE), generator.randrange(0x1D400, 0x1F9FF)]))
            parts.append(character if unicodedata.category(character) not in ("Cn", "Cs") else "?")
        elif generator.random() < 0.08:
            parts.append(generator.choice([token for list in SPECIAL.values() for token in list]))
        else:
            parts.append(generator.choice(WORDS_OF_TEXTS))
    return "".join(parts)


def all_characters() -> list[str]:
    """Every character that Python's Unicode knows, in texts of 256 with a letter in between; some of the large blocks."""
    known = [chr(value) for value in range(0x110000) if unicodedata.category(chr(value)) not in ("Cn", "Cs")]
    large = [range(0x3400, 0xA000), range(0xAC00, 0xD7A4), range(0xE000, 0xF900), range(0x17000, 0x18D09),
             range(0x20000, 0x110000)]
    chosen = [character for character in known if ord(character) % 97 == 0 or not any(ord(character) in x for x in large)]
    return ["a".join(chosen[start:start + 256]) for start in range(0, len(chosen), 256)]


def rules_of_characters():
    """The steps that ask what a character is."""
    steps = [{"type": "Digits", "individual_digits": True}, {"type": "Punctuation", "behavior": "Isolated"},
             {"type": "Whitespace"}, {"type": "WhitespaceSplit"}]
    steps += [{"type": "Split", "pattern": {"Regex": text}, "behavior": "Isolated", "invert": False}
              for text in (r"\s?\p{L}+", r"\s?\p{P}+", r"\p{N}", TEKKEN)]
    common = {"normalizer": None, "pre_tokenizer": None, "post_processor": None, "added_tokens": added("mistral", []),
              "decoder": random_decoder(random.Random(2), "mistral")}
    for step in steps:
        yield "mistral", common | {"pre_tokenizer": step}, {}
    for normalizer in NORMALIZERS[:7]:
        yield "mistral", common | {"normalizer": normalizer}, {}


def random_pre_tokenizer(generator: random.Random) -> dict:
    kind = generator.choice(["Metaspace", "Metaspace", "Split", "Split", "String", "Digits", "Punctuation", "Whitespace",
                             "WhitespaceSplit", "CharDelimiterSplit"])
    behavior, invert = generator.choice(BEHAVIORS), generator.random() < 0.3
    if kind == "Metaspace":
        return {"type": kind, "replacement": "▁" if generator.random() < 0.9 else "_",
                "prepend_scheme": generator.choice(["first", "always", "never"]), "split": generator.random() < 0.5}
    if kind == "Split":
        return {"type": "Split", "pattern": {"Regex": generator.choice(EXPRESSIONS)}, "behavior": behavior, "invert": invert}
    if kind == "String":
        text = generator.choice([" ", "▁", "a", "ab", "aa", "e"])
        return {"type": "Split", "pattern": {"String": text}, "behavior": behavior, "invert": invert}
    return {"type": kind} | ({"Digits": {"individual_digits": invert}, "Punctuation": {"behavior": behavior},
                              "CharDelimiterSplit": {"delimiter": generator.choice("ax ")}}.get(kind, {}))


def random_decoder(generator: random.Random, base: str) -> dict:
    if base == "llama":
        return {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    if generator.random() < 0.25:
        return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": generator.choice(["first", "always", "never"]),
                "split": True}
    steps = [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]
    if generator.random() < 0.6:
        steps.append({"type": "Strip", "content": " ", "start": generator.choice([1, 1, 2]), "stop": 0})
    return {"type": "Sequence", "decoders": steps}


def random_rules(generator: random.Random) -> tuple[str, dict, dict]:
    base = generator.choice(sorted(KEEP))
    normalizers = [generator.choice(NORMALIZERS) for _ in range(generator.choice([0, 0, 1, 1, 2, 3]))]
    steps = [random_pre_tokenizer(generator) for _ in range(generator.choice([0, 1, 1, 2]))]
    if any(step["type"] not in ("Strip", "StripAccents") for step in normalizers):
        for step in steps[1:]:  # refused: a first character that becomes several begins several pieces
            step |= {"prepend_scheme": "always"} if step.get("prepend_scheme") == "first" else {}
    if base == "llama":
        steps.append({"type": "ByteLevel", "add_prefix_space": generator.random() < 0.3, "trim_offsets": True,
                      "use_regex": generator.random() < 0.6})
    tokens = []
    for content in generator.sample(CONTENTS, generator.choice([0, 3, 8])):
        tokens.append({"content": content} | {flag: generator.random() < 0.3 for flag in
                                              ("single_word", "lstrip", "rstrip", "normalized", "special")})
    model = {"ignore_merges": generator.random() < 0.2}
    if base == "mistral":
        model |= {"byte_fallback": generator.random() < 0.7, "fuse_unk": generator.random() < 0.5}
        model |= {"unk_token": "<unk>" if generator.random() < 0.8 else None}
    return base, {"normalizer": with_sequence(normalizers, "normalizers"),
                  "pre_tokenizer": with_sequence(steps, "pretokenizers"), "post_processor": None,
                  "decoder": random_decoder(generator, base), "added_tokens": added(base, tokens)}, model


def row(base: str, members: dict, model: dict, inputs: list[str]) -> dict:
    file = cut_vocabulary(base) | members
    file["model"] |= model
    # A text that the library normalizes to nothing would match everywhere; it is refused.
    tokenizer = Tokenizer.from_str(json.dumps(file))
    if tokenizer.normalizer and any(token["normalized"] and not tokenizer.normalizer.normalize_str(token["content"])
                                    for token in members["added_tokens"]):
        return {}
    decodes = base == "mistral" and all(
        tokenizer.id_to_token(token["id"]) == token["content"] for token in members["added_tokens"])
    cases = []
    for text in inputs:
        try:
            ids = tokenizer.encode(text, add_special_tokens=False).ids
        except BaseException as error:  # the library panics where a step leaves nothing of a text, and says so itself
            if type(error).__name__ != "PanicException":
                raise
            continue
        # Added tokens are not in the alphabet of bytes, which the library overlooks where it can; and it prints some
        # of them as they are normalized.
        decoded = {"decoded": tokenizer.decode(ids, skip_special_tokens=False)} if decodes else {}
        cases.append({"text": text, "ids": ids} | decoded)
    return {"base": base, "keep": KEEP[base], "set": members, "model": model, "cases": cases}


def fixture_rules():
    """Every step once, with the rest as in real files."""
    byte = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    generator = random.Random(1)
    plain = {"normalizer": None, "pre_tokenizer": None, "post_processor": None}
    flags = [{flag: True} for flag in ("single_word", "lstrip", "rstrip", "normalized", "special")]
    flags += [{"lstrip": True, "rstrip": True, "single_word": True}, {"normalized": True, "lstrip": True}]
    for base in sorted(KEEP):
        common = plain | {"decoder": random_decoder(generator, base), "added_tokens": added(base, [])}
        if base == "llama":
            common |= {"pre_tokenizer": byte}
        for normalizer in NORMALIZERS:
            yield base, common | {"normalizer": normalizer}, {}
        for some in flags:
            tokens = [{"content": content} | some for content in CONTENTS[:12]]
            yield base, common | {"added_tokens": added(base, tokens), "normalizer": {"type": "Lowercase"}}, {}
        steps = [{"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split}
                 for scheme in ("first", "always", "never") for split in (True, False)]
        steps += [{"type": "Split", "pattern": {"Regex": text}, "behavior": BEHAVIORS[index % 5], "invert": index % 3 == 0}
                  for index, text in enumerate(EXPRESSIONS)]
        steps += [{"type": "Split", "pattern": {"String": " "}, "behavior": text, "invert": False} for text in BEHAVIORS]
        steps += [{"type": "Punctuation", "behavior": text} for text in BEHAVIORS]
        steps += [{"type": "Digits", "individual_digits": value} for value in (True, False)]
        steps += [{"type": "Whitespace"}, {"type": "WhitespaceSplit"}, {"type": "CharDelimiterSplit", "delimiter": "a"}]
        for step in steps:
            yield base, common | {"pre_tokenizer": with_sequence([step] + [byte] * (base == "llama"), "pretokenizers")}, {}
    for prefix in (True, False):
        yield "llama", common | {"decoder": random_decoder(generator, "llama"), "added_tokens": added("llama", []),
                                 "pre_tokenizer": byte | {"add_prefix_space": prefix, "use_regex": not prefix}}, {}
    for model in [{"byte_fallback": False}, {"byte_fallback": False, "fuse_unk": False}, {"ignore_merges": True},
                  {"byte_fallback": False, "unk_token": None}]:
        yield "mistral", common | {"normalizer": NORMALIZERS[13]}, model


def write(path: pathlib.Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=True) + "\n" for row in rows if row), encoding="ascii")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["fixture", "random"])
    parser.add_argument("output", type=pathlib.Path, metavar="FILE or DIR")
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--configurations", type=int, default=100)
    parser.add_argument("--texts", type=int, default=2000)
    options = parser.parse_args()
    generator = random.Random(options.seed)
    if options.what == "fixture":
        rows = []
        for base, members, model in fixture_rules():
            rows.append(row(base, members, model, [random_text(generator) for _ in range(4)]))
        write(options.output, rows)
        return
    options.output.mkdir(parents=True, exist_ok=True)
    texts = all_characters()
    for number, (base, members, model) in enumerate(rules_of_characters()):
        write(options.output / f"characters-{number:02}.jsonl", [row(base, members, model, texts)])
    for number in range(options.configurations):
        base, members, model = random_rules(generator)
        texts = [random_text(generator) for _ in range(options.texts)]
        write(options.output / f"{number:04}.jsonl", [row(base, members, model, texts)])


if __name__ == "__main__":
    main()

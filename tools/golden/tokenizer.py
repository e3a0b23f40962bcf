# SPDX-License-Identifier: Apache-2.0
"""Golden token ids.

  tokenizer.py fixtures DIR
      Trains two small tokenizers on text of our own and writes DIR/byte-level.json (ids by the package
      `tokenizers`, for every pre-tokenizer) and DIR/sentencepiece.json (ids by the package `sentencepiece`).
  tokenizer.py reference DIR --model M.gguf --text T.txt [--no-parse-special]
      Writes DIR/NAME.case: the model, the text, and llama.cpp's ids for it; for byte-level models also
      checks them against `tokenizers` with the vocabulary and the merges of the model. Where M is a model
      folder, the ids are those of its tokenizer.json.

DIR/NAME.case files are compared by `TILLER_TOKENIZER_CASES=DIR swift test -c release --filter TokenizationTests`.
"""
import argparse
import ctypes
import io
import json
import pathlib

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

import tokenizer_texts as texts

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
WORDS = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|" + SPACES
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
TEKKEN = (rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*|\p{{N}}"
          rf"| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|" + SPACES)
# The expressions of each pre-tokenizer, outermost first.
PATTERNS = {
    "gpt-2": [GPT2],
    "llama-bpe": [WORDS % "{1,3}"],
    "qwen2": [WORDS % ""],
    "smollm": [r"\p{N}", GPT2],
    "tekken": [TEKKEN],
    "deepseek-coder": [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-\ud7ff]+", r"\p{N}"],
    "default": [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"],
}


def splitter(pre: str) -> pre_tokenizers.PreTokenizer:
    splits = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in PATTERNS[pre]]
    return pre_tokenizers.Sequence(splits + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def write_json(path: pathlib.Path, value: dict, rows: str) -> None:
    """One line for each member of the list `rows`, so that differences can be read."""
    body = ",\n".join(json.dumps(row, ensure_ascii=True) for row in value.pop(rows))
    head = json.dumps(value, ensure_ascii=True)[:-1]
    path.write_text(f'{head},\n"{rows}": [\n{body}\n]}}\n', encoding="ascii")


def byte_level_fixture() -> dict:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=520, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
                                  show_progress=False)
    tokenizer.train_from_iterator([texts.TRAINING], trainer)
    model = json.loads(tokenizer.to_str())["model"]
    pieces = sorted(model["vocab"], key=model["vocab"].get)
    tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in SPECIAL])
    inputs = [(text, {"text": text}) for text in texts.TEXTS]
    inputs += [(bytes.fromhex(h).decode("utf-8", "replace"), {"hex": h}) for h in texts.INVALID]
    cases = []
    for pre in PATTERNS:
        tokenizer.pre_tokenizer = splitter(pre)
        for parse in [True, False]:
            tokenizer.encode_special_tokens = not parse
            for text, row in inputs:
                if parse or "<|" in text:
                    ids = tokenizer.encode(text, add_special_tokens=False).ids
                    cases.append({"pre": pre, "parse": parse} | row | {"ids": ids})
    return {"texts": pieces + SPECIAL, "types": [1] * len(pieces) + [3] * len(SPECIAL),
            "merges": [" ".join(pair) for pair in model["merges"]], "cases": cases}


def sentencepiece_fixture() -> dict:
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2 as protobuf

    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts.TRAINING.split("\n")), model_writer=trained, model_type="bpe", vocab_size=640,
        byte_fallback=True, character_coverage=0.98, normalization_rule_name="identity", add_dummy_prefix=False,
        remove_extra_whitespaces=False, user_defined_symbols=["<note>", "</note>", "\n", "\n\n"], minloglevel=2)
    model = protobuf.ModelProto.FromString(trained.getvalue())
    cases = []
    for prefix in [False, True]:
        model.normalizer_spec.add_dummy_prefix = prefix
        processor = sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())
        # The prefix after tokens found in the text is a matter of taste; here only texts without any.
        for text in texts.SENTENCEPIECE + ([] if prefix else texts.USER_DEFINED):
            if not prefix or "\n" not in text:
                cases.append({"prefix": prefix, "text": text, "ids": processor.encode(text)})
    # sentencepiece counts types as NORMAL 1, UNKNOWN 2, CONTROL 3, USER_DEFINED 4, UNUSED 5, BYTE 6, as GGUF does.
    return {"texts": [piece.piece for piece in model.pieces], "types": [piece.type for piece in model.pieces],
            "scores": [piece.score for piece in model.pieces], "cases": cases}


def llama_ids(path: str, text: bytes, parse: bool) -> list[int]:
    import llama_cpp.llama_cpp as native

    silent = native.llama_log_callback(lambda level, message, data: None)  # must live as long as it is set
    native.llama_log_set(silent, ctypes.c_void_p(0))
    native.llama_backend_init()
    settings = native.llama_model_default_params()
    settings.vocab_only = True
    model = native.llama_model_load_from_file(path.encode(), settings)
    if not model:
        raise SystemExit(f"{path}: llama.cpp cannot read this vocabulary")
    ids = (native.llama_token * (len(text) + 16))()
    vocabulary = native.llama_model_get_vocab(model)
    count = native.llama_tokenize(vocabulary, text, len(text), ids, len(ids), False, parse)
    return list(ids[:count])


def tokenizers_ids(path: str, text: str) -> list[int] | None:
    """The ids by `tokenizers` from the lists in a GGUF file; None where the model is of another kind."""
    import gguf

    fields = gguf.GGUFReader(path).fields
    if fields["tokenizer.ggml.model"].contents() != "gpt2":
        return None
    tokens = fields["tokenizer.ggml.tokens"].contents()
    types = fields["tokenizer.ggml.token_type"].contents()
    merges = [tuple(line.split(" ", 1)) for line in fields["tokenizer.ggml.merges"].contents()]
    pre = fields["tokenizer.ggml.pre"].contents()
    tokenizer = Tokenizer(models.BPE(vocab={token: index for index, token in enumerate(tokens)}, merges=merges,
                                     ignore_merges=pre in ("llama-bpe", "tekken")))
    tokenizer.pre_tokenizer = splitter({"mpt": "gpt-2"}.get(pre, pre))
    tokenizer.decoder = decoders.ByteLevel()
    added = [AddedToken(token, normalized=False, special=kind == 3)
             for token, kind in zip(tokens, types) if kind in (3, 4)]
    tokenizer.add_tokens(added)
    return tokenizer.encode(text, add_special_tokens=False).ids


def write_reference(options: argparse.Namespace) -> None:
    text = pathlib.Path(options.text).read_bytes()
    is_folder = pathlib.Path(options.model).is_dir()
    if is_folder:
        tokenizer = Tokenizer.from_file(str(pathlib.Path(options.model) / "tokenizer.json"))
        ids = tokenizer.encode(text.decode(), add_special_tokens=False).ids
    else:
        ids = llama_ids(options.model, text, not options.no_parse_special)
    name = f"{pathlib.Path(options.model).stem}-{pathlib.Path(options.text).stem}"
    if not options.no_parse_special and not is_folder:
        other = tokenizers_ids(options.model, text.decode())
        if other is not None:
            first = next((i for i, pair in enumerate(zip(ids, other)) if pair[0] != pair[1]), None)
            same = ids == other
            print(f"{name}: llama.cpp and tokenizers " + ("agree" if same else f"differ from token {first} on"))
    lines = [str(pathlib.Path(options.model).resolve()), str(pathlib.Path(options.text).resolve()),
             "plain" if options.no_parse_special else "special", " ".join(map(str, ids))]
    output = options.folder / f"{name}{'-plain' if options.no_parse_special else ''}.case"
    output.write_text("\n".join(lines) + "\n")
    print(f"{output}: {len(ids)} ids of {len(text)} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["fixtures", "reference"])
    parser.add_argument("folder", metavar="DIR", type=pathlib.Path)
    parser.add_argument("--model", metavar="M.gguf")
    parser.add_argument("--text", metavar="T.txt")
    parser.add_argument("--no-parse-special", action="store_true", help="special tokens are plain text")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.what == "fixtures":
        write_json(options.folder / "byte-level.json", byte_level_fixture(), "cases")
        write_json(options.folder / "sentencepiece.json", sentencepiece_fixture(), "cases")
    elif options.model and options.text:
        write_reference(options)
    else:
        parser.error("reference needs --model and --text")


if __name__ == "__main__":
    main()

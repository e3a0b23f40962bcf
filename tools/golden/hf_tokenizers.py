# SPDX-License-Identifier: Apache-2.0
"""The vocabulary of a tiny model's GGUF file as transformers saves it: used by hf_models.py."""
import pathlib

import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from tokenizer import WORDS

CONTROL, USER_DEFINED = 3, 4


def byte_level(source) -> Tokenizer:
    """Byte-level BPE with the pre-tokenizer that each family really has."""
    pre = source.field("tokenizer.ggml.pre")
    tokens = source.field("tokenizer.ggml.tokens")
    merges = [tuple(line.split(" ")) for line in source.field("tokenizer.ggml.merges")]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, ignore_merges=pre == "llama-bpe"))
    whole = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    if pre == "smollm":
        steps = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    else:
        pattern = WORDS % ("{1,3}" if pre == "llama-bpe" else "")
        steps = [pre_tokenizers.Split(Regex(pattern), "isolated"), whole]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    tokenizer.decoder = decoders.ByteLevel()
    if pre == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    return tokenizer


def sentencepiece(source) -> Tokenizer:
    """SentencePiece BPE as transformers converts it: every pair that makes a token, by the token's score."""
    tokens, scores = source.field("tokenizer.ggml.tokens"), source.field("tokenizer.ggml.scores")
    vocabulary = {token: index for index, token in enumerate(tokens)}
    merges = []
    for token, score in zip(tokens, scores):
        pairs = [(token[:cut], token[cut:]) for cut in range(1, len(token))]
        known = [pair for pair in pairs if pair[0] in vocabulary and pair[1] in vocabulary]
        merges += [(score, pair) for pair in sorted(known, key=lambda pair: [vocabulary[half] for half in pair])]
    merges.sort(key=lambda merge: -merge[0])
    tokenizer = Tokenizer(models.BPE(vocabulary, [pair for _, pair in merges], unk_token="<unk>", fuse_unk=True,
                                     byte_fallback=True))
    spaces = normalizers.Replace(" ", "▁")
    if source.field("tokenizer.ggml.add_space_prefix"):
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), spaces])
    else:
        tokenizer.normalizer = spaces
        tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return tokenizer


def write_tokenizer(source, folder: pathlib.Path) -> transformers.PreTrainedTokenizerFast:
    """Saves the vocabulary in `folder`, and returns it as transformers loads it from there."""
    is_byte_level = source.field("tokenizer.ggml.model") == "gpt2"
    tokenizer = byte_level(source) if is_byte_level else sentencepiece(source)
    tokens, types = source.field("tokenizer.ggml.tokens"), source.field("tokenizer.ggml.token_type")
    special = [token for token, kind in zip(tokens, types) if kind == CONTROL or token == "<unk>"]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special])
    tokenizer.add_tokens([AddedToken(token, normalized=False, special=False)
                          for token, kind in zip(tokens, types) if kind == USER_DEFINED])
    names = {name: tokens[source.field(f"tokenizer.ggml.{name}_token_id")] for name in ("bos", "eos")}
    if source.field("tokenizer.ggml.add_bos_token"):
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{names['bos']} $A", pair=f"{names['bos']} $A {names['bos']} $B",
            special_tokens=[(names["bos"], tokens.index(names["bos"]))])
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=names["bos"], eos_token=names["eos"],
        **({} if is_byte_level else {"unk_token": "<unk>"}))
    fast.chat_template = source.field("tokenizer.chat_template")
    fast.save_pretrained(folder)
    return transformers.AutoTokenizer.from_pretrained(folder)

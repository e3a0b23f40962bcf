# SPDX-License-Identifier: Apache-2.0
"""Vocabularies of 290 tokens for tiny models: every byte, a few special tokens, a few dozen merged pieces.

`bpe` is the byte-level kind (GPT-2, Llama 3, Qwen), `spm` and `gemma` are SentencePiece kinds. Their pieces
come from byte-pair encoding of the text below, which was written for this purpose.
"""
import gguf
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

SIZE = 290
TEXT = """The lighthouse keeper writes the weather into a blue notebook every evening. There are three winds in the
notebook: the one that brings rain, the one that takes the ferry away, and the one that nobody has named yet. When the
tide is out, children walk over the wet sand and look for amber. The keeper counts them on their way back, and there is
always one more than there was before. In the morning the ferry brings bread, letters and the newspaper of yesterday."""
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6

CHATML = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + "
          "'<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")
INSTRUCT = ("{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ '[INST] ' + "
            "message['content'] + ' [/INST]' }}{% else %}{{ message['content'] + eos_token }}{% endif %}{% endfor %}")
GEMMA = ("{{ bos_token }}{% for message in messages %}{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant'"
         " else message['role']) + '\\n' + message['content'] + '<end_of_turn>\\n' }}{% endfor %}"
         "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}")


def train(splitter, alphabet: list[str], size: int) -> tuple[list[str], list[str]]:
    """Pieces in the order of their ids, and the merges that make them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = splitter
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([TEXT], trainer)
    pieces = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    return [piece for piece, _ in pieces], tokenizer.model


def write_bpe(writer: gguf.GGUFWriter, pre: str) -> None:
    """Byte-level BPE: 256 bytes, 31 merges, 3 special tokens at the end (as Qwen's lie)."""
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces, _ = train(pre_tokenizers.ByteLevel(add_prefix_space=False), alphabet, SIZE - len(special))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(pieces + special)
    writer.add_token_types([NORMAL] * len(pieces) + [CONTROL] * len(special))
    writer.add_token_merges(merges_of(pieces, len(alphabet)))
    writer.add_bos_token_id(len(pieces))
    writer.add_eos_token_id(len(pieces) + 2)
    writer.add_add_bos_token(pre == "llama-bpe")
    writer.add_chat_template(CHATML)


def merges_of(pieces: list[str], alphabet_size: int) -> list[str]:
    """The pair that makes each piece: the split whose halves came first (both precede the piece)."""
    rank = {piece: index for index, piece in enumerate(pieces)}
    merges = []
    for piece in pieces[alphabet_size:]:
        splits = [(piece[:cut], piece[cut:]) for cut in range(1, len(piece))]
        known = [pair for pair in splits if all(rank.get(half, len(pieces)) < rank[piece] for half in pair)]
        merges.append(" ".join(min(known, key=lambda pair: max(rank[half] for half in pair))))
    return merges


def write_sentencepiece(writer: gguf.GGUFWriter, special: list[str], chat_template: str) -> None:
    """SentencePiece BPE: special tokens, 256 bytes, then characters and pieces, whose scores are -rank."""
    size = SIZE - 256 - len(special)
    # Few characters, so that text also falls back to bytes.
    splitter = pre_tokenizers.Metaspace(prepend_scheme="never")
    pieces, _ = train(splitter, ["▁"], 1000)
    characters = sorted((piece for piece in pieces if len(piece) == 1 and piece in "▁aehinorst"))
    merged = [piece for piece in pieces if len(piece) > 1 and set(piece) <= set(characters)]
    pieces = (merged[: size - len(characters)] + characters)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(special + [f"<0x{byte:02X}>" for byte in range(256)] + pieces)
    writer.add_token_scores([0.0] * (len(special) + 256) + [-float(rank) for rank in range(len(pieces))])
    writer.add_token_types([UNKNOWN if token == "<unk>" else CONTROL for token in special]
                           + [BYTE] * 256 + [NORMAL] * len(pieces))
    writer.add_bos_token_id(special.index("<s>" if "<s>" in special else "<bos>"))
    writer.add_eos_token_id(special.index("</s>" if "</s>" in special else "<eos>"))
    writer.add_unk_token_id(special.index("<unk>"))
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix("<s>" in special)
    writer.add_chat_template(chat_template)


def write_spm(writer: gguf.GGUFWriter) -> None:
    write_sentencepiece(writer, ["<unk>", "<s>", "</s>"], INSTRUCT)


def write_gemma(writer: gguf.GGUFWriter) -> None:
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
    write_sentencepiece(writer, special, GEMMA)

# SPDX-License-Identifier: Apache-2.0
"""llama.cpp as the reference: one model, one sequence, logits of every position.

Everything that llama.cpp could round is kept in Float32: the key-value cache (its default is Float16)
and attention (its flash attention accumulates in Float16). Weights are used as they are in the file.
"""
import ctypes
from collections.abc import Iterator

import gguf
import llama_cpp.llama_cpp as native
import numpy as np


@native.llama_log_callback
def _only_errors(level, text, _):
    if level == 4:  # GGML_LOG_LEVEL_ERROR
        print(text.decode(errors="replace"), end="", flush=True)


class Reference:
    """A model of llama.cpp with a context of `context` tokens."""

    def __init__(self, path: str, context: int, threads: int = 2, batch: int = 128):
        native.llama_log_set(_only_errors, ctypes.c_void_p(0))
        native.llama_backend_init()
        model_settings = native.llama_model_default_params()
        model_settings.n_gpu_layers = 0
        self.model = native.llama_model_load_from_file(path.encode(), model_settings)
        if not self.model:
            raise SystemExit(f"{path}: llama.cpp cannot load this model")
        settings = native.llama_context_default_params()
        settings.n_ctx = context
        settings.n_batch = settings.n_ubatch = self.batch = min(batch, context)
        settings.n_threads = settings.n_threads_batch = threads
        settings.type_k = settings.type_v = native.GGML_TYPE_F32
        settings.flash_attn_type = native.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self.context = native.llama_init_from_model(self.model, settings)
        if not self.context:
            raise SystemExit(f"{path}: llama.cpp cannot make a context of {context} tokens")
        self.vocab = native.llama_model_get_vocab(self.model)
        self.vocabulary_size = native.llama_vocab_n_tokens(self.vocab)
        self.hidden_size = native.llama_model_n_embd(self.model)
        self.layer_count = native.llama_model_n_layer(self.model)
        self._slots = native.llama_batch_init(self.batch, 0, 1)

    def tokenize(self, text: str, special: bool = True) -> list[int]:
        """Token ids of `text`; `special`: add the tokens that the model starts with, read those in the text."""
        data = text.encode()
        ids = (native.llama_token * (len(data) + 8))()
        count = native.llama_tokenize(self.vocab, data, len(data), ids, len(ids), special, special)
        if count < 0:
            raise SystemExit(f"the text needs {-count} tokens, more than its bytes")
        return list(ids[:count])

    def end_of_generation(self, token: int) -> bool:
        return native.llama_vocab_is_eog(self.vocab, token)

    def forget(self) -> None:
        """Empties the key-value cache."""
        native.llama_memory_clear(native.llama_get_memory(self.context), True)

    def logits(self, tokens: list[int], start: int = 0) -> Iterator[np.ndarray]:
        """Reads `tokens` from position `start` on; yields Float32 [positions × vocabulary] for each batch."""
        for first in range(0, len(tokens), self.batch):
            part = tokens[first : first + self.batch]
            slots = self._slots
            slots.n_tokens = len(part)
            for index, token in enumerate(part):
                slots.token[index] = token
                slots.pos[index] = start + first + index
                slots.n_seq_id[index] = 1
                slots.seq_id[index][0] = 0
                slots.logits[index] = 1
            status = native.llama_decode(self.context, slots)
            if status != 0:
                raise SystemExit(f"llama_decode failed with {status} at position {start + first}")
            values = native.llama_get_logits(self.context)
            yield np.ctypeslib.as_array(values, shape=(len(part), self.vocabulary_size)).copy()

    def all_logits(self, tokens: list[int]) -> np.ndarray:
        """Float32 [positions × vocabulary] of a sequence that starts at position 0."""
        self.forget()
        return np.concatenate(list(self.logits(tokens)))

    def greedy(self, tokens: list[int], count: int) -> list[int]:
        """At most `count` most likely tokens after `tokens`; ends with the token that ends generation."""
        self.forget()
        *_, last = self.logits(tokens)
        continuation = [int(last[-1].argmax())]
        while len(continuation) < count and not self.end_of_generation(continuation[-1]):
            position = len(tokens) + len(continuation) - 1
            (last,) = self.logits(continuation[-1:], start=position)
            continuation.append(int(last[-1].argmax()))
        return continuation

    def steer(self, path: str, scale: float = 1, first: int = 1, last: int | None = None) -> None:
        """Adds scale · direction.N to the output of layer N, for N in first...last, at every position."""
        data = np.zeros((self.layer_count - 1, self.hidden_size), dtype=np.float32)
        for tensor in gguf.GGUFReader(path).tensors:
            layer = int(tensor.name.removeprefix("direction."))
            if tensor.data.shape != (self.hidden_size,) or not 1 <= layer < self.layer_count:
                raise SystemExit(f"{path}: {tensor.name} {tensor.data.shape} does not fit the model")
            data[layer - 1] = scale * tensor.data
        last = self.layer_count - 1 if last is None else last
        pointer = data.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        if native.llama_set_adapter_cvec(self.context, pointer, data.size, self.hidden_size, first, last) != 0:
            raise SystemExit(f"{path}: llama.cpp refuses this control vector")

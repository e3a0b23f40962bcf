# SPDX-License-Identifier: Apache-2.0
"""Reads rows with a model of transformers, for harvest-activations. Needs torch, transformers and numpy."""
import argparse
import hashlib
import os
import pathlib
import sys

import numpy as np
import torch
import transformers

from harvest_rows import ActivationWriter, HarvestError, ReadingList, Row, parse_shard, reading_list

TOKENS, WEIGHTS = 1024, (".safetensors", ".bin", ".gguf", ".pt", ".pth")


def harvest(options: argparse.Namespace) -> str:
    """Writes one part; returns its path. Ends the program with one line where something is wrong."""
    try:
        return Harvest(options).run()
    except (HarvestError, OSError, UnicodeDecodeError) as error:
        raise SystemExit(f"harvest-activations: {error}") from error


def source_hash(files: list[pathlib.Path]) -> str:
    """Of one file its SHA-256, as `tiller convert` states it; of several that of their digests in the order of names."""
    digests = []
    for path in sorted(files, key=lambda path: path.name.encode()):
        with open(path, "rb") as file:
            digests.append(hashlib.file_digest(file, "sha256"))
    if len(digests) == 1:
        return digests[0].hexdigest()
    return hashlib.sha256(b"".join(digest.digest() for digest in digests)).hexdigest()


class Harvest:
    """A loaded model and what it reads."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.list: ReadingList = reading_list(options.pairs, options.texts)
        self.shard = parse_shard(options.shard)
        rule, _, marker = options.position.partition(":")
        self.rule, self.marker = rule, marker
        if options.position not in ("last", "mean") and (rule != "after" or not 1 <= len(marker.encode()) <= 256):
            raise HarvestError(f"--position is {options.position}, expected last, mean or after:MARKER")
        if options.threads:
            torch.set_num_threads(options.threads)
        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        self.load()

    def load(self) -> None:
        path, keys = self.options.model, {}
        if path.endswith(".gguf"):
            path, keys = os.path.dirname(path) or ".", {"gguf_file": os.path.basename(path)}
            files = [pathlib.Path(self.options.model)]
        else:
            folder = pathlib.Path(path)
            if not folder.is_dir():
                folder = pathlib.Path(transformers.utils.cached_file(path, "config.json")).parent
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(path, **keys)
        dtype, device = getattr(torch, self.options.dtype, None), self.options.device
        if not isinstance(dtype, torch.dtype):
            raise HarvestError(f"--dtype is {self.options.dtype}, expected one of torch's as in bfloat16")
        places = {"device_map": "auto"} if device == "auto" else {}
        self.model = transformers.AutoModelForCausalLM.from_pretrained(path, dtype=dtype, **places, **keys).eval()
        if device != "auto":
            self.model.to(device)
        if not keys:
            # After loading, when what had to be downloaded is there.
            files = [file for file in folder.iterdir() if file.suffix in WEIGHTS]
        self.hash = source_hash(files)
        config = self.model.config.get_text_config()
        self.width, count = config.hidden_size, config.num_hidden_layers
        lists = [module for module in self.model.modules() if isinstance(module, torch.nn.ModuleList)]
        self.blocks = next((blocks for blocks in lists if len(blocks) == count), None)
        if self.blocks is None:
            raise HarvestError(f"{self.options.model} has no list of {count} layers")
        self.layers = parse_layers(self.options.layers, count)

    def run(self) -> str:
        index, count = self.shard
        rows = [row for row in self.list.rows if row.number % count == index - 1]
        if not rows:
            raise HarvestError(f"shard {index}/{count} has no row; there are fewer pairs and texts than shards")
        metadata = {
            "format": "tiller.activations", "version": "1",
            "model": (os.path.basename(os.path.normpath(self.options.model)) or "model")[:64],
            "source_sha256": self.hash, "layer_count": str(len(self.blocks)), "width": str(self.width),
            "position": self.options.position, "data_sha256": self.list.data_hash,
            "pair_count": str(self.list.pair_count), "text_count": str(self.list.text_count),
            "shard": f"{index}/{count}",
        }
        writer = ActivationWriter(self.options.output, metadata, self.layers, rows, self.width)
        try:
            for done, row in enumerate(rows):
                ids, positions = self.tokens(row)
                if positions:
                    writer.write(done, self.states(ids, positions), len(positions))
                if done % 100 == 99 or done + 1 == len(rows):
                    print(f"part {index}/{count}: {done + 1} of {len(rows)} rows", file=sys.stderr, flush=True)
            writer.finish()
        except BaseException:
            writer.drop()
            raise
        return self.options.output

    def tokens(self, row: Row) -> tuple[list[int], range]:
        """A row's tokens and the positions whose mean is its state: formats/activations.md, section 4."""
        special = set(self.tokenizer.all_special_ids)
        if row.prompt is None:
            ids = self.tokenizer(row.text)["input_ids"]
            text_start, start = int(bool(ids) and ids[0] in special), 1
        else:
            ids = self.question(row.prompt)
            text_start = start = max(len(ids), 1)
            ids = ids + self.tokenizer(row.text, add_special_tokens=False)["input_ids"]
        while len(ids) > start and ids[-1] in special:
            ids.pop()
        ids = ids[:TOKENS]
        if start >= len(ids):
            return ids, range(0)
        if self.rule == "mean":
            return ids, range(start, len(ids))
        if self.rule == "last":
            return ids, range(len(ids) - 1, len(ids))
        for position in range(max(text_start, 0), len(ids)):
            read = self.tokenizer.decode(ids[text_start : position + 1], skip_special_tokens=True)
            found = read.find(self.marker)
            if found >= 0 and len(read) > found + len(self.marker):
                return ids, range(position, position + 1) if position >= start else range(0)
        return ids, range(0)

    def question(self, prompt: str) -> list[int]:
        """A user's message, up to where the answer begins."""
        if self.tokenizer.chat_template:
            messages = [{"role": "user", "content": prompt}]
            text = self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
            ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        else:
            ids = self.tokenizer(f"User: {prompt.strip()}\nAssistant:", add_special_tokens=False)["input_ids"]
        begin = self.tokenizer("x")["input_ids"][:1]
        adds_begin = begin == [self.tokenizer.bos_token_id]
        return begin + ids if adds_begin and ids[:1] != begin else ids

    def states(self, ids: list[int], positions: range) -> np.ndarray:
        """Mean states [layers x width] after the wanted layers."""
        found: dict[int, torch.Tensor] = {}

        def keep(layer: int):
            def hook(_module, _inputs, output) -> None:
                hidden = output[0] if isinstance(output, tuple) else output
                found[layer] = hidden[0, positions.start : positions.stop].double().mean(0).float().cpu()
            return hook

        hooks = [self.blocks[layer].register_forward_hook(keep(layer)) for layer in self.layers]
        try:
            with torch.inference_mode():
                # Not beyond what is read, and no logits but the last.
                tokens = torch.tensor([ids[: positions.stop]], device=self.model.device)
                self.model(tokens, use_cache=False, logits_to_keep=1)
        finally:
            for hook in hooks:
                hook.remove()
        states = torch.stack([found[layer] for layer in self.layers]).numpy()
        if not np.isfinite(states).all():
            raise HarvestError(f"states of {self.options.model} are not finite; try --dtype float32")
        return states


def parse_layers(text: str | None, count: int) -> list[int]:
    """Layers as in 10-18 or 3,7."""
    if text is None:
        return list(range(count))
    try:
        ends = [[int(end) for end in part.split("-")] for part in text.split(",")]
        layers = sorted({layer for part in ends for layer in range(part[0], part[-1] + 1)})
    except ValueError as error:
        raise HarvestError(f"--layers is {text}, expected as in 10-18 or 3,7") from error
    if not layers or layers[0] < 0 or layers[-1] >= count:
        raise HarvestError(f"--layers is {text}, expected layers of 0 to {count - 1}")
    return layers

# SPDX-License-Identifier: Apache-2.0
"""The files of `quality-compare`: quantized by both programs, each run in its own against the full-precision model."""
import argparse
import json
import pathlib
import re
import subprocess
import sys

CALIBRATION = pathlib.Path(__file__).resolve().parents[2] / "Sources/Conversion/Calibration/CalibrationText.swift"
CONTEXT = 512


def run(*command: object) -> str:
    """Standard output and errors of a program that must succeed."""
    print("+", *command, file=sys.stderr, flush=True)
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    text = done.stdout.decode(errors="replace")
    if done.returncode:
        sys.exit(f"tools/bench/quality-compare: {command[0]} failed\n{text[-2000:]}")
    return text


def built_in_text(path: pathlib.Path) -> pathlib.Path:
    """What Tiller calibrates with, as one text."""
    blocks = re.findall(r'"""\n(.*?)\n *"""', CALIBRATION.read_text(encoding="utf-8"), flags=re.DOTALL)
    texts = []
    for block in blocks:
        lines = block.split("\n")
        margin = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
        texts.append("\n".join(line[margin:] for line in lines).replace("\\\n", ""))
    path.write_text("\n\n".join(texts) + "\n", encoding="utf-8")
    return path


def number_behind(text: str, pattern: str) -> float:
    found = re.findall(pattern + r"\s*:\s*([0-9.]+)", text)
    if not found:
        sys.exit(f"tools/bench/quality-compare: llama-perplexity printed no '{pattern}'\n{text[-2000:]}")
    return float(found[-1])


class Comparison:
    """Both programs' files of one model."""

    def __init__(self, options: argparse.Namespace, model: pathlib.Path):
        self.options, self.model = options, model
        self.folder = options.work / model.stem
        self.folder.mkdir(parents=True, exist_ok=True)
        self.results = self.folder / "results.json"
        self.known = json.loads(self.results.read_text(encoding="utf-8")) if self.results.exists() else {}

    def keep(self, name: str, row: dict) -> dict:
        self.known[name] = row
        self.results.write_text(json.dumps(self.known, indent=1) + "\n", encoding="utf-8")
        return row

    def peer(self, program: str, *arguments: object) -> str:
        return run(self.options.peer / "bin" / program, *arguments)

    def importance(self) -> pathlib.Path:
        path = self.folder / "importance.gguf"
        if not path.exists():
            text = self.options.calibration or built_in_text(self.folder / "calibration.txt")
            self.peer("llama-imatrix", "-m", self.model, "-f", text, "-o", path, "-c", CONTEXT, "-t", self.options.threads)
        return path

    def base(self, text: pathlib.Path) -> pathlib.Path:
        """The full-precision model's distributions."""
        path = self.folder / f"{text.stem}.base"
        if not path.exists():
            self.peer("llama-perplexity", "-m", self.model, "-f", text, "-c", CONTEXT, "--chunks", self.options.chunks,
                      "-t", self.options.threads, "--kl-divergence-base", path)
        return path

    def peer_row(self, kind: str, is_guided: bool) -> dict:
        name = f"llama.cpp {kind}" + (" with importance matrix" if is_guided else "")
        if name in self.known:
            return self.known[name]
        path = self.folder / f"{kind}{'-im' if is_guided else ''}.gguf"
        if not path.exists():
            guide = ["--imatrix", self.importance()] if is_guided else []
            self.peer("llama-quantize", *guide, self.model, path, kind, self.options.threads)
        row = {"program": "llama.cpp", "name": name, "bytes": path.stat().st_size, "texts": []}
        for text in self.options.text:
            out = self.peer("llama-perplexity", "-m", path, "-f", text, "-c", CONTEXT, "--chunks", self.options.chunks,
                            "-t", self.options.threads, "--kl-divergence-base", self.base(text), "--kl-divergence")
            row["texts"].append({"mean_kl": number_behind(out, r"Mean\s+KLD"), "perplexity": number_behind(out, r"Mean PPL\(Q\)"),
                                 "same_top": number_behind(out, r"Same top p") / 100})
        return self.keep(name, row)

    def tiller_row(self, name: str, *conversion: object) -> dict | None:
        name = f"Tiller {name}"
        if name in self.known:
            return self.known[name]
        reference = self.folder / "reference.tiller"
        if not reference.exists():
            run(self.options.tiller, "convert", self.model, reference, "--weights", "f16")
        path = self.folder / (re.sub(r"[^a-z0-9]+", "-", name.lower()) + ".tiller")
        if self.options.calibration:
            conversion = (*conversion, "--calibration", self.options.calibration)
        run(self.options.tiller, "convert", self.model, path, *conversion, "--threads", self.options.threads, "--force")
        row = {"program": "Tiller", "name": name, "bytes": path.stat().st_size, "texts": []}
        for text in self.options.text:
            out = run(self.options.tiller, "evaluate", "divergence", path, "--reference", reference, "--text", text,
                      "--context", CONTEXT, "--chunks", self.options.chunks, "--threads", self.options.threads, "--json")
            found = json.loads(next(line for line in out.splitlines() if line.startswith("{")))
            row["texts"].append({key: found[key] for key in ("mean_kl", "perplexity", "same_top")})
        return self.keep(name, row)

    def rows(self) -> list[dict]:
        rows = [self.peer_row(kind, guided) for kind in self.options.types
                for guided in ([False] if kind == "Q8_0" else [False, True])]
        for effort in self.options.efforts:
            suffix = " --effort high" if effort == "high" else ""
            extra = ["--effort", "high"] if effort == "high" else []
            rows += [self.tiller_row(f"--size {size:g}{suffix}", "--size", f"{size:g}", *extra) for size in self.options.sizes]
            rows.append(self.tiller_row(f"int4{suffix}", *extra))
        rows.append(self.tiller_row("int8", "--weights", "int8"))
        return sorted(rows, key=lambda row: row["bytes"])

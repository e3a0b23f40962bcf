# SPDX-License-Identifier: Apache-2.0
"""Single measurements for bench-compare: one run of `tiller bench` or `llama-bench`, and one start of each program."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time


def run(command: list[str]) -> str:
    """Standard output; what went wrong is shown and ends the comparison."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"tools/bench/bench-compare: {' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


# Sixteen tokens with SmolLM2's tokenizer.
PROMPT = "The lighthouse keeper wrote every evening about the wind, the birds and the"


def start(command: list[str]) -> dict[str, float]:
    """Milliseconds from exec to exit, and the peak of resident memory in bytes."""
    begin = time.monotonic()
    with open(os.devnull, "r+b") as null:
        process = subprocess.Popen(command, stdin=null, stdout=null, stderr=null)
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - begin
    if status != 0:
        sys.exit(f"tools/bench/bench-compare: {' '.join(command)} failed")
    process.returncode = 0
    return {"start": seconds * 1000, "memory": usage.ru_maxrss * 1024}


def measure_ours(options: argparse.Namespace, model: str) -> dict[str, float]:
    engine = ["--threads", str(options.threads)]
    engine += ["--kernels", options.kernels] if options.kernels else []
    engine += ["--resident", str(options.resident)] if options.resident else []
    command = [options.tiller, "bench", model, "--json", "--repetitions", "3",
               "--prompt-tokens", str(options.prompt_tokens), "--generated-tokens", str(options.generated_tokens),
               "--depth", str(options.depth)]
    result = json.loads(run(command + engine))
    figures = {"prefill": result["prefill_tokens_per_second"], "decode": result["decode_tokens_per_second"],
               "share": result["decode_bandwidth_share"], "bandwidth": result["read_bytes_per_second"],
               "predicted": result["predicted_memory_bytes"], "peak": result["peak_memory_bytes"]}
    if not options.no_start:
        figures |= start([options.tiller, "generate", model, "--prompt", PROMPT, "--max-tokens", "1", "--temperature",
                          "0", "--context", "2048"] + engine)
    return figures


def measure_peer(options: argparse.Namespace, model: str) -> dict[str, float]:
    rows = json.loads(run([str(options.peer / "bin" / "llama-bench"), "-m", model, "-o", "json", "-r", "3",
                           "-t", str(options.threads), "-p", str(options.prompt_tokens),
                           "-n", str(options.generated_tokens), "-d", str(options.depth)]))
    speeds = {"prefill" if row["n_prompt"] else "decode": row["samples_ts"] for row in rows}
    figures = {name: statistics.median(samples) for name, samples in speeds.items()}
    if not options.no_start:
        figures |= start([str(options.peer / "bin" / "llama-completion"), "-m", model, "-p", PROMPT, "-n", "1", "-c",
                          "2048", "-t", str(options.threads), "--temp", "0", "-no-cnv", "--no-warmup"])
    return figures

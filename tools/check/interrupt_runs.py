# SPDX-License-Identifier: Apache-2.0
"""One interrupted run of tools/check/interrupts, and what it must leave."""
import hashlib
import os
import pathlib
import shutil
import signal
import subprocess
import time


def digests(folder: pathlib.Path) -> dict:
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*")) if path.is_file()}


def start(options, entry, folder: pathlib.Path):
    # What is read from standard input comes from a file, as by a pipe, and never ends in an answer of its own.
    with open(folder / entry.input, "rb") as text:
        words = [options.tiller if word == "TILLER" else word for word in entry.words]
        return subprocess.Popen([options.tiller, *words], cwd=folder, stdin=text, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True, env=os.environ | {"TILLER_KEYS": str(folder / "keys")})


def problem(options, before: dict, folder: pathlib.Path, outputs: list) -> str | None:
    """What is wrong with the files, if something is."""
    after = digests(folder)
    if extra := set(after) - set(before) - set(outputs):
        return f"left over: {', '.join(sorted(extra))}"
    if missing := set(before) - set(after):
        return f"gone: {', '.join(sorted(missing))}"
    for name in after:
        if name.endswith(".tiller") and before.get(name) != after[name]:
            found = subprocess.run([options.tiller, "verify", name], cwd=folder, capture_output=True, check=False)
            if found.returncode != 0:
                return f"{name} is damaged"
    changed = [name for name in before if before[name] != after[name] and not name.endswith(".tiller")]
    return f"changed: {', '.join(changed)}" if changed else None


def interrupt(options, dice, clean, scratch, entry, span):
    """One run: the seconds from the signal to the end (None where it had ended before), and what is wrong."""
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(clean, scratch)
    before, number, delay = digests(scratch), dice.choice(options.signals), dice.uniform(0, span)
    process = start(options, entry, scratch)
    time.sleep(delay)
    sent = time.monotonic()
    process.send_signal(number)
    errors = process.communicate()[1]
    seconds, code = time.monotonic() - sent, process.returncode
    if code == 0:
        return None, problem(options, before, scratch, entry.outputs)
    if number == signal.SIGKILL and code == -number:
        return seconds, problem(options, before, scratch, entry.outputs)
    # The loader has no handler yet.
    is_early = code == -number and delay < options.startup and errors == ""
    if code != 128 + number and not is_early:
        return seconds, f"exit code {code} after {delay:.3f} s and {number.name}: {errors.strip()[:200]}"
    # Progress has lines of its own where no terminal shows it.
    lines = [line for line in errors.splitlines() if "%" not in line]
    if not is_early and (lines != ["tiller: interrupted"] or not errors.endswith("tiller: interrupted\n")):
        return seconds, f"says '{errors.strip()[:200]}'"
    if seconds > options.tolerance:
        return seconds, f"took {seconds:.3f} s to end after {number.name} at {delay:.3f} s"
    return seconds, problem(options, before, scratch, entry.outputs)

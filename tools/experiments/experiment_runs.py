# SPDX-License-Identifier: Apache-2.0
"""Runs of `expert-steer`: each one a call of its program, its result a file that is whole or not there."""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import experiment_page
import experiment_tasks


def run(options: argparse.Namespace, task: str, target: tuple[str, str], expert: tuple[str, str]) -> None:
    """One task with one target and one expert, unless its result is there."""
    result = options.output / f"{task}.{target[0]}-by-{expert[0]}.{options.part}.json"
    settings = experiment_tasks.TASKS[task]
    if result.exists() or target[0] not in settings.get("targets", [target[0]]):
        return
    files = experiment_tasks.prepare(task, options.output / "data", options.data, options.domainsteer)
    if files is None:
        print(f"{task}: skipped, its data are not there", flush=True)
        return
    # Published: an auto-encoder on the layers with the lowest information. The experiment adds the other pairings.
    chance = (["--random", "20", "--controls", "5", "--pairings", "matched-depth", "--depths", "2", "--max-validation", "24",
               "--max-test", "60", "--max-pairs", settings.get("first_pairs", "192")]
              if options.first_part else ["--pairings", "matched-depth", "low", "high", "--depths", "1", "2", "--max-validation", "32",
                                          "--max-test", "120", "--max-pairs", "128", *settings.get("options", [])])
    profiles = options.output / "profiles" / result.stem
    profiles.mkdir(parents=True, exist_ok=True)
    command = [target[1], "--expert", expert[1], "--threads", options.threads,
               "--pairs", str(files["train"]), "--validation", str(files["validation"]), "--test", str(files["test"]),
               "--wrong", str(files["wrong"]), "--system", settings["system"], "--seed", "1", "--profiles", str(profiles), *chance]
    if "texts" in files:
        command += ["--texts", str(files["texts"])]
    others = [path for name, path in options.weights if name == target[0]]
    if others:
        command += ["--weights", *others]
    start = time.monotonic()
    found = output(options.experiment, *command)
    found |= {"task": task, "target_name": target[0], "expert_name": expert[0], "part": options.part, "command": command,
              "seconds": round(time.monotonic() - start)}
    save(result, found)
    print(f"{result.name}: {found['seconds']} s, {len(found['arms'])} arms", flush=True)


def do_no_harm(options: argparse.Namespace, result: pathlib.Path, models: dict[str, str]) -> None:
    """What the preferred arms do to multiple choice and perplexity, added to the result unless it is there."""
    found = json.loads(result.read_text(encoding="utf-8"))
    items = [options.data.parent / f"domains/general/{name}.test.jsonl" for name in experiment_tasks.HARMLESS]
    text = options.data.parent / experiment_tasks.HARMLESS_TEXT
    target = models.get(found["target_name"])
    if target is None or "harm" in found or not all(path.exists() for path in [*items, text]):
        return
    machine = ["--threads", options.threads, "--json"]
    harm = []
    with tempfile.TemporaryDirectory(dir=options.output) as folder:
        # Profiles are bound to the model that they lie in; the user's own file stays as it is.
        model = pathlib.Path(folder) / "model.tiller"
        shutil.copyfile(target, model)
        passages = ["evaluate", "perplexity", str(model), "--text", str(text), "--chunks", "10", *machine]
        plain = tiller(options, *passages)["perplexity"]
        for kind in ("own", "expert"):
            arm = experiment_page.best(found, kind)
            if arm is None:
                continue
            name = f"{kind}-{arm['name']}"
            profile = options.output / "profiles" / result.stem / f"{name}.tillerprofile"
            subprocess.run([str(options.tiller), "profile", "import", str(model), str(profile)], check=True, stdout=subprocess.DEVNULL)
            choice = tiller(options, "evaluate", "choice", str(model), "--items", *map(str, items), "--limit", "80", "--steer", name, *machine)
            harm.append({"kind": kind, "name": arm["name"], "choice": choice, "plain_perplexity": plain,
                         "perplexity": tiller(options, *passages, "--steer", name)["perplexity"]})
    save(result, found | {"harm": harm})


def tiller(options: argparse.Namespace, *command: str) -> dict:
    return output(options.tiller, *command)


def output(*command: str | pathlib.Path) -> dict:
    """What a program prints as JSON."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"expert-steer: {' '.join(map(str, command))} failed")
    return json.loads(done.stdout)


def build(root: pathlib.Path) -> pathlib.Path:
    """The experiment's own program, which is built for it alone."""
    command = ["swift", "build", "-c", "release", "--package-path", str(root), "--product", "ExpertExperiment"]
    subprocess.run(command, env=os.environ | {"TILLER_EXPERIMENT": "1", "TILLER_TESTS": "none"}, stdout=sys.stderr, check=True)
    return root / ".build/release/ExpertExperiment"


def save(path: pathlib.Path, value: dict) -> None:
    """Whole or not at all."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    partial.rename(path)

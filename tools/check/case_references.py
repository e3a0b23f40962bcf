# SPDX-License-Identifier: Apache-2.0
"""Cases whose right outcome is computed on the spot by transformers: settings of folders, multiple choice."""
import json
import pathlib
import random

from case_commands import logits
from case_tools import Case, Skipped, Wrong


def transformers_model(folder: pathlib.Path):
    """The folder's model by transformers in Float32, and torch."""
    try:
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM
    except ImportError:
        raise Skipped("needs the Python packages torch and transformers") from None
    config = AutoConfig.from_pretrained(folder)
    return AutoModelForCausalLM.from_pretrained(
        folder, config=config, dtype=torch.float32, attn_implementation="eager").eval(), torch


def check_settings(case: Case) -> str:
    """Each of the settings in config.json of each family: transformers' logits, or refused by name."""
    equal, refused, wrong = 0, 0, []
    tokens = [random.Random(1).randrange(256) for _ in range(60)]
    (case.scratch / "lists.json").write_text(json.dumps([tokens]))
    for family in ("llama", "mistral", "qwen2", "qwen3", "gemma3"):
        for settings in json.loads((case.folder / "settings.json").read_text(encoding="utf-8")):
            folder = case.model_folder(family)
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            (folder / "config.json").write_text(json.dumps(config | settings))
            result = case.tiller("convert", folder, "m.tiller", "--weights", "f32", "--calibration", "none", "--force")
            if result.status == 1 and len(result.lines) == 1:
                refused += 1
                continue
            try:
                model, torch = transformers_model(folder)
                with torch.no_grad():
                    golden = model(torch.tensor([tokens])).logits[0].flatten().tolist()
            except Skipped:
                raise
            except Exception:  # What transformers itself refuses has no right outcome
                continue
            found = logits(case, case.scratch / "m.tiller", case.scratch / "lists.json")
            scale = max(map(abs, golden))
            if len(found) == len(golden) and max(abs(a - b) for a, b in zip(found, golden)) < 2e-4 * scale:
                equal += 1
            else:
                wrong.append(f"{family} {settings}")
    if wrong:
        raise Wrong(f"{equal} equal, {refused} refused, {len(wrong)} wrong: {wrong[:3]}")
    return f"{equal} equal, {refused} refused"


def check_choice(case: Case) -> str:
    """lm-evaluation-harness' rule: white space at the question's end goes to the choice; acc_norm by characters."""
    folder = case.model_folder("llama3")
    network, torch = transformers_model(folder)
    from transformers import AutoTokenizer
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = case.convert(folder, "--weights", "f32")
    items, same = case.json_lines("items.jsonl"), 0
    for item in items:
        question = item["question"].rstrip()
        space = item["question"][len(question):]
        scores = []
        for choice in item["choices"]:
            # lm-evaluation-harness puts a space between question and choice.
            continuation = space + " " + choice
            begin = tokenizer(question)["input_ids"]
            both = tokenizer(question + continuation)["input_ids"]
            with torch.no_grad():
                chances = torch.log_softmax(network(torch.tensor([both])).logits[0], -1)
            scores.append(sum(chances[i - 1, both[i]].item() for i in range(len(begin), len(both))))
        lengths = [len(choice) for choice in item["choices"]]
        best = [max(range(len(scores)), key=lambda i: scores[i] / lengths[i]), max(range(len(scores)), key=scores.__getitem__)]
        (case.scratch / "item.jsonl").write_text(json.dumps(item, ensure_ascii=False), encoding="utf-8")
        found = json.loads(case.done("evaluate", "choice", model, "--items", "item.jsonl", "--cache", "f32", "--json").output)
        right = [float(index == item["answer"]) for index in best]
        same += [found["accuracy"], found["accuracy_raw"]] == right
    if same != len(items):
        raise Wrong(f"{same} of {len(items)}")
    return f"{same} of {len(items)}"


CHECKS = {"pass-rope-and-windows-of-folders": check_settings, "pass-choice-items": check_choice}

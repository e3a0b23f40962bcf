# SPDX-License-Identifier: Apache-2.0
"""Tasks of `expert-steer`: what is learned, chosen by and tested on. All of it is fixed here, before any run."""
import hashlib
import json
import pathlib
import subprocess
import sys
import zipfile

# Domain reading: a term of daily life that means something else in a field. Spread over the fields of the classification.
DOMAINS = ["3004", "3108", "3203", "3214", "3304", "3406", "3502", "3604", "3705", "3901", "4001", "4006", "4103", "4303",
           "4408", "4602", "4703", "4905", "5103", "5201"]
VALIDATION_DOMAINS = ["3106", "3212", "3505", "3702", "4005", "4203", "4604", "4801", "5003", "5109"]
# Sets of multiple choice, and a text, that no steering here is about.
HARMLESS = ["hellaswag", "arc-easy", "piqa"]
HARMLESS_TEXT = "text/sherlock-holmes.test.txt"
# Words of a passage whose likelihood is compared.
PASSAGE_WORDS = 40
TASKS = {
    # The primary task. Answers by the field's meaning against answers by the everyday one.
    "domain-reading": {"options": ["--max-test", "240"], "system": "Answer as a specialist, in the technical sense of every word.", "wrong": "pairs/imdb-counterfactual"},
    # Narrow, where the models differ: formal against informal address. The expert's gap is widest in Italian.
    "formality-italian": {"set": "pairs/cocoa-mt-formality", "language": "it", "system": "Scrivi in modo formale.", "wrong": "pairs/imdb-counterfactual"},
    # The same with few labels; the expert reads all the other texts, which nobody has labelled.
    "formality-italian-unlabelled": {"set": "pairs/cocoa-mt-formality", "language": "it", "unlabelled": True, "options": ["--max-pairs", "24"], "first_pairs": "24",
                                     "system": "Scrivi in modo formale.", "wrong": "pairs/imdb-counterfactual"},
    # Wide, where both read equally well: a null is expected.
    "sentiment": {"set": "pairs/imdb-counterfactual", "options": ["--max-test", "60"], "system": "Everything was wonderful.", "wrong": "pairs/paradetox"},
    "detoxification": {"set": "pairs/paradetox", "system": "Be polite.", "wrong": "pairs/imdb-counterfactual"},
    # Read in statements, measured in answers: a Yes and a No are one group, so that saying Yes to everything is no gain.
    "openness": {"persona": "persona/openness", "system": "Agree with what an open-minded person would say.", "wrong": "pairs/imdb-counterfactual"},
    # Likelihood of a field's text less that of text about anything.
    "medical-text": {"passages": ("medical/pubmedqa", "context"), "system": "From a medical journal.", "wrong": "pairs/imdb-counterfactual"},
    "mathematical-text": {"passages": ("math/gsm8k", "answer"), "system": "Solution of an exercise.", "wrong": "pairs/imdb-counterfactual"},
    # Assistant-ness, for a base model: an answer rather than the next question.
    "answering": {"answers": "general/truthfulqa", "targets": ["gemma3"], "system": "Answer the question.", "wrong": "pairs/imdb-counterfactual"},
    # 2,000 texts in place of 256.
    "detoxification-2000-texts": {"set": "pairs/paradetox", "targets": ["smollm2"], "system": "Be polite.", "wrong": "pairs/imdb-counterfactual",
                                  "options": ["--max-pairs", "1000", "--pairings", "matched-depth", "--depths", "2"]},
}


def rows(path: pathlib.Path) -> list[dict]:
    # JSON may hold what else ends a line.
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


def write(path: pathlib.Path, items: list[dict]) -> pathlib.Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items), encoding="utf-8")
    return path


def fifth(text: str) -> int:
    """0 to 4, by the text alone: a text lies in one split whatever else there is."""
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % 5


def package(folder: pathlib.Path, given: pathlib.Path | None) -> pathlib.Path | None:
    """The unpacked domainsteer package, downloaded once."""
    if given:
        return given if (given / "data").is_dir() else None
    target = folder / "domainsteer-1.0.1"
    if not target.is_dir():
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), "domainsteer==1.0.1"]
        if subprocess.run(command, check=False).returncode != 0:
            return None
        with zipfile.ZipFile(next(folder.glob("domainsteer-*.whl"))) as wheel:
            wheel.extractall(target)
    return target / "domainsteer"


def domain_items(root: pathlib.Path, numbers: list[str]) -> list[dict]:
    """Three pairs for each trap: the field's answer and two aliases against the everyday ones, teacher-forced."""
    items = []
    for number in numbers:
        domain = json.loads(next((root / "data/benchmark").glob(f"{number}-*.json")).read_text(encoding="utf-8"))
        for item in domain["items"]:
            golds, traps = [item["gold"], *item["gold_aliases"]], [item["baseline_trap"], *item["trap_aliases"]]
            items += [{"prompt": item["question"], "positive": gold, "negative": trap, "group": number}
                      for gold, trap in list(zip(golds, traps))[:3]]
    return items


def domain_pairs(root: pathlib.Path, numbers: list[str], terms: set[str]) -> list[dict]:
    """Answers of specialists and of others; questions with a term of the test are left out."""
    pairs = []
    for number in numbers:
        for path in sorted((root / "data/pairs").glob(f"*/{number}-*.jsonl")):
            pairs += [{"prompt": row["concept"], "positive": row["expert_text"], "negative": row["nonexpert_text"]} for row in rows(path)
                      if not terms & set(row["concept"].lower().replace("?", " ").split())]
    return pairs


def persona_splits(name: str, data: pathlib.Path) -> dict:
    """Training on statements that fit the trait against others; items by twos, one that asks for Yes and one for No."""
    splits = {}
    for split in ("train", "validation", "test"):
        found = rows(data / f"{name}.{split}.jsonl")
        yes, no = ([row for row in found if row["positive"].strip() == word] for word in ("Yes", "No"))
        couples = list(zip(yes, no))
        if split == "train":
            splits[split] = [{"positive": a["statement"], "negative": b["statement"]} for a, b in couples]
        else:
            splits[split] = [{"prompt": row["prompt"], "positive": row["positive"], "negative": row["negative"], "group": number}
                             for number, couple in enumerate(couples) for row in couple]
    return splits


def passage_splits(name: str, field: str, domains: pathlib.Path) -> dict:
    """Beginnings of a field's texts against those of an encyclopedia's."""
    def beginning(text: str) -> str:
        return " ".join(text.split()[:PASSAGE_WORDS])

    splits = {}
    for split in ("train", "validation", "test"):
        inside = [beginning(row[field]) for row in rows(domains / f"{name}.{split}.jsonl")]
        outside = [beginning(row["question"].removeprefix("Passage:").split("Question:")[0]) for row in rows(domains / f"general/boolq.{split}.jsonl")]
        splits[split] = [{"positive": a, "negative": b} for a, b in zip(inside, outside)]
    return splits


def answer_splits(name: str, domains: pathlib.Path) -> dict:
    """The reference answer against another question."""
    splits = {}
    for split in ("train", "validation", "test"):
        found = rows(domains / f"{name}.{split}.jsonl")
        splits[split] = [{"prompt": row["question"], "positive": row["best"], "negative": other["question"]}
                         for row, other in zip(found, found[1:] + found[:1])]
    return splits


def prepare(task: str, folder: pathlib.Path, data: pathlib.Path, domainsteer: pathlib.Path | None) -> dict | None:
    """The task's files, made anew; None where the data are missing."""
    settings = TASKS[task]
    wrong = data / (settings["wrong"] + ".train.jsonl")
    if not wrong.exists():
        return None
    files = {"wrong": wrong}
    domains = data.parent / "domains"
    if "persona" in settings:
        splits = persona_splits(settings["persona"], data)
    elif "passages" in settings:
        splits = passage_splits(*settings["passages"], domains)
    elif "answers" in settings:
        splits = answer_splits(settings["answers"], domains)
    elif "set" not in settings:
        folder.mkdir(parents=True, exist_ok=True)
        root = package(folder, domainsteer)
        if root is None:
            return None
        test, validation = domain_items(root, DOMAINS), domain_items(root, VALIDATION_DOMAINS)
        terms = {json.loads(path.read_text(encoding="utf-8"))["items"][index]["term"].lower()
                 for number in DOMAINS + VALIDATION_DOMAINS for path in (root / "data/benchmark").glob(f"{number}-*.json") for index in range(15)}
        splits = {"train": domain_pairs(root, DOMAINS, terms), "validation": validation, "test": test}
    elif "language" in settings:
        # The set's own test split has no Italian: texts are divided anew, by their source sentence.
        found = [row for split in ("train", "validation", "test") for row in rows(data / f"{settings['set']}.{split}.jsonl")
                 if row["lang"] == settings["language"]]
        found = [{"positive": row["positive"], "negative": row["negative"], "source": row["source"]} for row in found]
        splits = {"train": [row for row in found if fifth(row["source"]) > 1], "validation": [row for row in found if fifth(row["source"]) == 1],
                  "test": [row for row in found if fifth(row["source"]) == 0]}
        if settings.get("unlabelled"):
            texts = [{"text": row[side]} for row in splits["train"] for side in ("positive", "negative")]
            files["texts"] = write(folder / f"{task}.texts.jsonl", texts)
    else:
        splits = {split: rows(data / f"{settings['set']}.{split}.jsonl") for split in ("train", "validation", "test")}
    return files | {split: write(folder / f"{task}.{split}.jsonl", items) for split, items in splits.items()}

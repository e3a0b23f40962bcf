# SPDX-License-Identifier: Apache-2.0
"""Cases of conversion, sampling, sessions, measuring, keys and outputs: commands whose status and files tell."""
import array
import json
import os
import pathlib
import re
import shutil

from case_models import more_tokens_than_rows, renamed_tensors, zero_logits
from case_tools import Case, Skipped, Wrong, expect_equal

MEGABYTE = 1 << 20


# Conversion

def check_not_causal(case: Case) -> str:
    folder = case.model_folder("llama3", *case.folder.glob("config.json"))
    if not (case.folder / "config.json").exists():
        config = json.loads((folder / "config.json").read_text()) | {"is_causal": False}
        (folder / "config.json").write_text(json.dumps(config))
    case.refused("convert", folder, "m.tiller", "--weights", "f32", naming="causal")
    for file in case.folder.glob("*.gguf"):
        case.refused("convert", file, "n.tiller", "--weights", "f32", naming="causal")
    return "refused"


def check_more_tokens(case: Case) -> str:
    source = case.folder / "more.gguf"
    if not source.exists():
        source = more_tokens_than_rows(case)
    for options in (["--weights", "f32"], ["--weights", "f16"], ["--calibration", "none"], ["--force"], ["--weights", "int8"]):
        case.refused("convert", source, "m.tiller", *options, naming=source.name)
        expect_equal([path.name for path in case.scratch.glob("m.tiller*")], [], "files left over")
    return "refused, nothing left over"


def check_tied(case: Case) -> str:
    family = "qwen3"
    folder = case.model_folder(family, *case.folder.glob("model.safetensors"))
    if not (case.folder / "model.safetensors").exists():
        renamed_tensors(folder / "model.safetensors", {"model.embed_tokens.weight": "lm_head.weight"})
    found = logits(case, case.convert(folder), folder / "golden.json")
    # The golden values are those of some positions.
    golden = floats(folder / "golden.logits.bin")
    positions = json.loads((folder / "golden.json").read_text(encoding="utf-8"))["positions"]
    width = len(golden) // len(positions)
    rows = [found[position * width:(position + 1) * width] for position in positions]
    difference = max(abs(a - b) for a, b in zip((x for row in rows for x in row), golden, strict=True))
    if difference > 1e-3:
        raise Wrong(f"logits differ by {difference:.3g}")
    return f"converted, logits within {difference:.1g}"


def floats(path: pathlib.Path) -> array.array:
    values = array.array("f")
    values.frombytes(path.read_bytes())
    return values


def logits(case: Case, model: pathlib.Path, golden: pathlib.Path, *options) -> array.array:
    lists = json.loads(golden.read_text(encoding="utf-8"))
    lists = lists["tokens"] if isinstance(lists, dict) else lists
    lists = lists if isinstance(lists[0], list) else [lists]
    (case.scratch / "tokens.json").write_text(json.dumps(lists))
    case.done("evaluate", "logits", model, "--tokens", "tokens.json", "--output", "logits.bin", "--force",
              *(options or ("--cache", "f32")))
    return floats(case.scratch / "logits.bin")


def check_long_token(case: Case) -> str:
    source = case.folder / "folder"
    if not source.exists():
        raise Skipped("no folder")
    result = case.tiller("convert", source, "out.tiller", "--calibration", "none", seconds=5)
    if result.status not in (0, 1):
        raise Wrong(str(result))
    return "converted" if result.status == 0 else "refused"


# Numbers

def check_key_biases(case: Case) -> str:
    try:
        import numpy as np
    except ImportError:
        raise Skipped("needs the Python package numpy") from None
    source = case.folder / "keybias.gguf"
    tokens = case.folder / "tokens.json"
    if not source.exists():
        raise Skipped("no keybias.gguf")
    model = case.convert(source, "--weights", "f32")
    lists = json.loads(tokens.read_text())
    rows = [np.array(logits(case, model, tokens, "--cache", cache), dtype=np.float64) for cache in ("f32", "int8")]
    length = len(lists[0])
    exact, rounded = (row.reshape(len(lists), length, -1)[:, length // 2:] for row in rows)
    def log_softmax(x):
        x = x - x.max(axis=-1, keepdims=True)
        return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))
    a, b = log_softmax(exact), log_softmax(rounded)
    divergence = float((np.exp(a) * (a - b)).sum(axis=-1).mean())
    if not divergence <= 0.066:
        raise Wrong(f"mean KL {divergence:.3f} of the 8-bit cache, expected near 0.044")
    return f"mean KL {divergence:.3f}"


def check_penalties(case: Case) -> str:
    model = case.folder / "zero.tiller"
    if not model.exists():
        model = zero_logits(case)
    others = [f"--logit-bias={n}=-10000" for n in range(290) if n not in (64, 200)]
    def wins(options, bias: float) -> bool:
        result = case.done("generate", model, "--prompt", "a", "--max-tokens", "1", "--temperature", "0", "--json",
                           *options, f"--logit-bias=64={bias}", "--logit-bias=200=0", *others)
        return json.loads(result.output)["tokens"][0] == 64
    wrong = []
    cases = case.json_lines("cases.jsonl")
    for line in cases:
        if wins(line["options"], line["needed"] - 0.02) or not wins(line["options"], line["needed"] + 0.02):
            wrong.append(" ".join(line["options"]))
    if wrong:
        raise Wrong(f"{len(wrong)} of {len(cases)}, first: {wrong[0]}")
    return f"{len(cases)} of {len(cases)}"


def check_biases_without_end(case: Case) -> str:
    model = case.chat_model()
    lists = json.loads((case.folder / "options.json").read_text())
    for options in lists:
        result = case.tiller("generate", model, "--prompt", "The ferry", "--max-tokens", "3", "--seed", "1", "--json",
                             "--logprobs", *options)
        if "nan" in " ".join(options):
            expect_equal(result.status, 2, f"{options}")
            continue
        expect_equal(result.status, 0, f"{options}: {result.errors[:100]}")
        if re.search(r"\b(nan|inf)", json.dumps(json.loads(result.output)), re.IGNORECASE):
            raise Wrong(f"{options}: a number that is not finite")
    return f"{len(lists)} of {len(lists)}"


def check_special_stop(case: Case) -> str:
    model = case.folder / "zero.tiller"
    if not model.exists():
        model = zero_logits(case)
    runs = [(model, "a", 288)] + ([(case.real_model, "The ferry", 1)] if case.real_model else [])
    for file, prompt, token in runs:
        result = case.tiller("generate", file, "--prompt", prompt, "--max-tokens", "5", "--temperature", "0", "--json",
                             f"--logit-bias={token}=100", "--stop", "<|im_start|>")
        if result.status == 2 and len(result.lines) >= 1:
            continue
        answer = json.loads(result.output)
        expect_equal((answer["stop_reason"], len(answer["tokens"])), ("stop_string", 0), file.name)
    return f"{len(runs)} models"


def check_letter_token(case: Case) -> str:
    model = case.folder / "model.tiller"
    if not model.exists():
        raise Skipped("no model.tiller")
    result = case.tiller("generate", model, "--chat", "--prompt", "hi", "--max-tokens", "1", seconds=3)
    if result.status not in (0, 1):
        raise Wrong(str(result))
    return str(result)[:60]


# Sessions

def answer(case: Case, model: pathlib.Path, prompt: str, *options) -> tuple:
    text = case.done("generate", model, "--prompt", "-", "--temperature", "0", "--json", "--logprobs", *options,
                     input=prompt).output
    found = json.loads(text)
    found.pop("timings", None)
    return found["text"], json.dumps(found["tokens"])


def check_phases(case: Case) -> str:
    model, prompt = case.given_model(), "the ferry"
    names = case.profiles(model)
    for name in names:
        steer = ("--steer", f"{name}=4")
        first = case.done("generate", model, "--prompt", prompt, "--temperature", "0", "--max-tokens", "8", *steer,
                          "--session", "s").output.removesuffix("\n")
        with_session = answer(case, model, prompt + first, "--max-tokens", "6", *steer, "--session", "s")
        expect_equal(with_session, answer(case, model, prompt + first, "--max-tokens", "6", *steer), name)
        (case.scratch / "s").unlink()
    return ", ".join(names)


def check_session_and_prompt(case: Case) -> str:
    model = case.needs_real_model()
    long = (case.folder / "long.txt").read_text(encoding="utf-8")
    pairs = [("The ferry", "The ferry"), ("The ferry leaves at", "The ferry"), ("The ferry leaves", "The boat leaves"),
             ("Sea", "Mountains"), (long, long[:1500]), (long[:1500], long)]
    for first, second in pairs:
        case.done("generate", model, "--prompt", "-", "--max-tokens", "10", "--session", "s", input=first)
        kept = answer(case, model, second, "--max-tokens", "10", "--session", "s")
        expect_equal(kept, answer(case, model, second, "--max-tokens", "10"), f"{second[:20]!r} after {first[:20]!r}")
        (case.scratch / "s").unlink()
    return f"{len(pairs)} pairs"


# Steering from outside

def check_control_vectors(case: Case) -> str:
    model = case.convert(case.fixture("models/qwen2.gguf"), "--weights", "f32")
    expected = {"plain": 1653.65, "two-dimensional": 1653.65, "no-hint": 1653.65, "zero": 1782.61}
    for file in sorted(case.folder.glob("*.gguf")):
        if file.stem not in expected:
            case.refused("profile", "import", model, file, "--name", file.stem)
            continue
        case.done("profile", "import", model, file, "--name", file.stem)
        found = json.loads(case.done("evaluate", "perplexity", model, "--text", case.folder / "text.txt", "--context", "64",
                                     "--cache", "f32", "--steer", f"{file.stem}=2", "--json").output)["perplexity"]
        if abs(found / expected[file.stem] - 1) > 1e-4:
            raise Wrong(f"{file.stem}: perplexity {found}, expected {expected[file.stem]}")
    return "perplexities equal, the others refused"


# Files, keys, memory

def check_export_over_model(case: Case) -> str:
    model = case.given_model()
    before = model.read_bytes()
    os.link(model, case.scratch / "other-name")
    (case.scratch / "link").symlink_to(model.name)
    name = case.profiles(model)[0]
    runtime = case.program.with_name("tiller-run")
    for output in (model.name, "other-name", "link", f"../{case.scratch.name}/{model.name}"):
        case.refused("profile", "export", model.name, name, output, "--force")
        if runtime.exists():
            case.refused("bundle", model.name, output, "--force", "--runtime", runtime)
        expect_equal(model.read_bytes() == before, True, f"the model as before, after {output}")
    return "refused, the model as before"


def check_link_to_device(case: Case) -> str:
    model = case.tiny_model()
    profile_model = case.given_model()
    (case.scratch / "tokens.json").write_text("[[1, 2, 3]]")
    (case.scratch / "null").symlink_to("/dev/null")
    (case.scratch / "stdout").symlink_to("/proc/self/fd/1")
    (case.scratch / "chain").symlink_to("null")
    name = case.profiles(profile_model)[0]
    for link in ("null", "stdout", "chain"):
        for command in (("evaluate", "logits", model, "--tokens", "tokens.json", "--output", link, "--force"),
                        ("convert", case.fixture("models/llama.gguf"), link, "--force"),
                        ("profile", "export", profile_model, name, link, "--force")):
            case.refused(*command)
            expect_equal((case.scratch / link).is_symlink(), True, f"{link} is still a link after {command[0]}")
    return "refused, the links as before"


def check_public_key(case: Case) -> str:
    model = case.given_model()
    keys = case.scratch / "keys"
    keys.mkdir()
    (keys / "x.pub").write_bytes((case.folder / "x.pub").read_bytes())
    environment = os.environ | {"TILLER_KEYS": str(keys)}
    name = case.profiles(model)[0]
    result = case.tiller("profile", "export", model, name, "o.tillerprofile", environment=environment)
    exists = (case.scratch / "o.tillerprofile").exists()
    if exists != (result.status == 0):
        raise Wrong(f"the file {'was' if exists else 'was not'} written, {result}")
    if result.status == 0 and "x.pub" not in result.errors:
        raise Wrong(f"the foreign file is not named: {result}")
    verified = case.tiller("verify", model, environment=environment)
    expect_equal(verified.status, 0, f"verify: {verified.errors[:120]}")
    return "passed over with a warning" if exists else "refused, nothing written"


def check_signed(case: Case) -> str:
    if not (case.folder / "weights.tiller").exists():
        raise Skipped("no weights.tiller")
    keys = case.scratch / "keys"
    keys.mkdir()
    shutil.copy(case.folder / "alice.pub", keys)
    environment = os.environ | {"TILLER_KEYS": str(keys)}
    for options in ([], ["--json"]):
        result = case.tiller("verify", case.folder / "weights.tiller", *options, environment=environment)
        expect_equal(result.status, 1, f"verify {options}: {result.output[:120]}")
    expect_equal(json.loads(result.output)["valid"], False, "valid")
    return "exit 1, not valid"


def check_address_space(case: Case) -> str:
    """From the least address space in which the program starts at all: done, or exit 1 and one line."""
    model = case.chat_model()
    least = next(limit for limit in range(8 * MEGABYTE, 1 << 33, 2 * MEGABYTE)
                 if case.tiller("--version", memory=limit).status == 0)
    statuses = set()
    for limit in range(least, least + model.stat().st_size + 60 * MEGABYTE, 2 * MEGABYTE):
        for command in (("generate", model, "--prompt", "hi", "--max-tokens", "2"), ("verify", model)):
            result = case.tiller(*command, memory=limit)
            statuses.add(result.status)
            if result.status not in (0, 1) or (result.status == 1 and len(result.lines) != 1):
                raise Wrong(f"{command[0]} with {limit >> 20} MB: {result}")
    return f"exits {sorted(statuses)} from {least >> 20} MB on"


CHECKS = {
    "attention-that-is-not-causal": check_not_causal, "gguf-more-tokens-than-rows": check_more_tokens,
    "tied-saved-as-lm-head": check_tied, "sentencepiece-long-token": check_long_token,
    "key-biases-in-an-8-bit-cache": check_key_biases, "penalties-together": check_penalties,
    "pass-biases-without-end": check_biases_without_end, "stop-at-a-special-token": check_special_stop,
    "special-token-of-one-letter": check_letter_token, "session-of-a-generation-profile": check_phases,
    "pass-session-and-prompt": check_session_and_prompt, "pass-control-vectors": check_control_vectors,
    "export-over-model": check_export_over_model, "output-is-a-link-to-a-device": check_link_to_device,
    "broken-public-key": check_public_key, "signed-weights-replaced": check_signed,
    "low-address-space": check_address_space,
}

# SPDX-License-Identifier: Apache-2.0
"""Cases of tokenizers and chat templates: texts and messages with the ids that another implementation gives them."""
import datetime
import json
import pathlib

from case_tools import Case, Skipped, Wrong, expect_equal

# Of the folder whose template is replaced.
BEGIN, END = "<|endoftext|>", "<|im_end|>"


def texts(case: Case, folder: pathlib.Path) -> tuple[int, int]:
    """Lines {"text", "ids"}: special tokens are parsed. A tokenizer may also be refused in one line."""
    family = "mistral" if "metaspace" in case.folder.name else "qwen2" if "nfc" in case.folder.name else "llama"
    source = case.model_folder(family, folder / "tokenizer.json")
    result = case.tiller("convert", source, "m.tiller", "--weights", "f32", "--calibration", "none", "--force")
    if result.status == 1 and len([line for line in result.lines if "rror:" in line]) == 1:
        return 0, 0
    expect_equal(result.status, 0, f"convert: {result.errors[:120]}")
    right = 0
    lines = [json.loads(line) for line in (folder / "expected.jsonl").read_text(encoding="utf-8").splitlines()]
    for line in lines:
        ids = ids_of(case, ["--special"], line["text"])
        right += ids == line["ids"]
    return right, len(lines)


def ids_of(case: Case, options: list[str], text: str) -> list[int]:
    (case.scratch / "s").unlink(missing_ok=True)
    case.done("generate", "m.tiller", "--prompt", "-", "--max-tokens", "0", "--session", "s", *options, input=text)
    return case.session()[0] if (case.scratch / "s").exists() else []


def check_texts(case: Case) -> str:
    folders = sorted(path.parent for path in case.folder.glob("*/expected.jsonl")) or [case.folder]
    if not (folders[0] / "expected.jsonl").exists():
        raise Skipped("no expected.jsonl")
    counts = {folder.name: texts(case, folder) for folder in folders}
    said = ", ".join(f"{name} {right} of {count}" if count else f"{name} refused"
                     for name, (right, count) in counts.items())
    if any(right != count for right, count in counts.values()):
        raise Wrong(said)
    return said


def check_messages(case: Case) -> str:
    """Lines {"messages", "ids"}: the prompt's tokens of a conversation, written by the case's template."""
    case.convert(case.model_folder("llama", case.folder / "chat_template.jinja"))
    right, lines, wrong = 0, case.json_lines("expected.jsonl"), []
    for line in lines:
        # After the prompt a chat has answered by a token, which the template then ends.
        found = conversation_ids(case, line["messages"])[:len(line["ids"])]
        right += found == line["ids"]
        if found != line["ids"]:
            wrong.append(json.dumps(line["messages"], ensure_ascii=False)[:100])
    if wrong:
        raise Wrong(f"{right} of {len(lines)}; first wrong: {wrong[0]}")
    return f"{right} of {len(lines)}"


def conversation_ids(case: Case, messages: list[dict]) -> list[int]:
    """One message is a prompt; of several the last one follows a saved conversation of the others."""
    if len(messages) == 1 and messages[0]["role"] == "user":
        return ids_of(case, ["--chat"], messages[0]["content"])
    (case.scratch / "s").unlink(missing_ok=True)
    (case.scratch / "c.json").write_text(json.dumps({"messages": messages[:-1]}), encoding="utf-8")
    text = messages[-1]["content"]
    # A message of several lines, or one that begins with a slash, is pasted.
    text = "/" + text if text.startswith("/") else text
    if "\n" in text:
        raise Skipped("a message of several lines after others needs a terminal")
    case.done("chat", "m.tiller", "--session", "s", "--max-tokens", "1", input=f"/load c.json\n{text}\n")
    return case.session()[0]


def check_jinja(case: Case) -> str:
    """Templates line by line, rendered by Jinja with the settings of transformers."""
    templates: list[str] = []
    for line in (case.folder / "templates.txt").read_text(encoding="utf-8").splitlines():
        # A line of blanks, of nothing, or after {%+ belongs to the template before it.
        if templates and (line.startswith((" ", "{%+")) or not line):
            templates[-1] += "\n" + line
        else:
            templates.append(line)
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "  two words\n"}]
    environment = jinja_environment()
    right, refused, wrong = 0, 0, []
    for template in templates:
        try:
            rendered = environment.from_string(template).render(
                messages=messages, add_generation_prompt=True, bos_token=BEGIN, eos_token=END)
        except Exception:  # Whatever Jinja refuses, for any reason
            rendered = None
        outcome = tiller_rendering(case, template, messages)
        # A vocabulary that adds the begin-of-text token puts it before a template that lacks it.
        if rendered is not None and not rendered.startswith(BEGIN):
            rendered = BEGIN + rendered
        if outcome == rendered:
            right += 1
        elif outcome is None:
            refused += 1
        else:
            wrong.append(f"{template[:60]} → {outcome!r}, Jinja {rendered!r}")
    # A filter that is refused by name is no wrong text.
    if wrong or refused > max(1, len(templates) // 50):
        raise Wrong(f"{right} of {len(templates)} the same, {refused} refused; wrong: {wrong[:3]}")
    return f"{right} of {len(templates)} the same, {refused} refused"


def jinja_environment():
    """Jinja as transformers sets it up for chat templates."""
    try:
        import jinja2
        from jinja2.ext import Extension
        from jinja2.sandbox import ImmutableSandboxedEnvironment
    except ImportError:
        raise Skipped("needs the Python package jinja2") from None

    class Generation(Extension):
        tags = {"generation"}

        def parse(self, parser):
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return jinja2.nodes.CallBlock(self.call_method("_same"), [], [], body).set_lineno(line)

        def _same(self, caller):
            return caller()

    def to_json(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(text):
        raise jinja2.TemplateError(text)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"])
    environment.filters["tojson"] = to_json
    environment.globals |= {"raise_exception": raise_exception,
                            "strftime_now": lambda form: datetime.datetime.now().strftime(form)}
    return environment


def tiller_rendering(case: Case, template: str, messages: list[dict]) -> str | None:
    folder = case.model_folder("llama3")
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    result = case.tiller("convert", folder, "m.tiller", "--weights", "f32", "--calibration", "none", "--force")
    if result.status != 0:
        return None
    result = case.tiller("generate", "m.tiller", "--chat", "--system", messages[0]["content"], "--prompt", "-",
                         "--max-tokens", "0", "--json", "--session", "s", input=messages[1]["content"])
    if result.status != 0:
        return None
    ids, _ = case.session()
    (case.scratch / "s").unlink()
    return text_of(folder, ids)


def text_of(folder: pathlib.Path, ids: list[int]) -> str:
    """Byte-level BPE read backwards."""
    data = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    pieces = {id: piece for piece, id in data["model"]["vocab"].items()}
    added = {token["id"]: token["content"] for token in data["added_tokens"]}
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    bytes_of = {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}
    written = b"".join(added[id].encode() if id in added else bytes(bytes_of[c] for c in pieces[id]) for id in ids)
    return written.decode(errors="replace")


def check_by_files(folder: pathlib.Path):
    """The check of a case whose name says nothing."""
    if (folder / "chat_template.jinja").exists() and (folder / "expected.jsonl").exists():
        return check_messages
    if list(folder.glob("**/tokenizer.json")) and list(folder.glob("**/expected.jsonl")):
        return check_texts
    return None


CHECKS = {
    "added-token-flags": check_texts, "metaspace": check_texts, "nfc-normalizer": check_texts,
    "control-token-in-a-cut-message": check_messages, "message-is-a-control-token": check_messages,
    "pass-jinja-features": check_jinja,
}

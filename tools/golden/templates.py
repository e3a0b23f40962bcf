# SPDX-License-Identifier: Apache-2.0
"""Writes what Jinja, set up as Hugging Face transformers sets it up, makes of chat templates.

    python3 tools/golden/templates.py [--shared DIRECTORY]

Needs jinja2. Writes into Tests/Fixtures/templates:
  data.json       the variables that the language cases share
  language.jsonl  {name, template, output} or {name, template, error} for each case of templates_cases.py
  contexts.json   conversations, by name, for published templates
  published.tsv   template, conversation, FNV-1a 64 of the rendered text, or "error"; only if the
                  shared folder of published templates exists
"""

import argparse
import datetime
import json
import os

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from templates_cases import DATA, all_cases

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.path.join(HERE, "..", "..", "Tests", "Fixtures", "templates")
NOW = datetime.datetime(2024, 7, 26, 15, 4, 5)


class Generation(Extension):
    """`{% generation %}` marks trainable text; for rendering its body alone counts."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def environment():
    env = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = NOW.strftime
    return env


def render(env, template, context):
    """The text, or None if Jinja refuses the template or the data."""
    try:
        return env.from_string(template).render(**context)
    except Exception:
        return None


def conversations():
    turns = [
        {"role": "user", "content": "Hi, who are you?"},
        {"role": "assistant", "content": "  A model.\n"},
        {"role": "user", "content": "Name a \"prime\" <number> & why; naïve 😀?\n"},
    ]
    system = {"role": "system", "content": "You are terse."}
    answered = turns + [{"role": "assistant", "content": "<think>\nhm\n</think>\n\n7, it's prime."}]
    weather = {"type": "function", "function": {
        "name": "get_weather", "description": "Weather of a city.",
        "parameters": {"type": "object", "required": ["city"], "properties": {
            "city": {"type": "string", "description": "The city's name."},
            "unit": {"type": "string", "enum": ["C", "F"], "default": "C"},
            "days": {"type": ["integer", "null"], "description": "How many."},
            "tags": {"type": "array", "items": {"type": "string"}}}}}}
    call = {"role": "assistant", "content": None, "tool_calls": [{
        "id": "call12345", "type": "function",
        "function": {"name": "get_weather", "arguments": {"city": "Zürich", "days": 2}}}]}
    result = {"role": "tool", "tool_call_id": "call12345", "name": "get_weather", "content": "{\"t\": 21.5}"}
    parts = {"role": "user", "content": [{"type": "text", "text": "Look: "}, {"type": "text", "text": "this"}]}
    base = {"bos_token": "<s>", "eos_token": "</s>", "tools": None, "documents": None}
    table = {
        "one-turn": {"messages": turns[:1], "add_generation_prompt": True},
        "turns": {"messages": turns, "add_generation_prompt": True},
        "turns-with-system": {"messages": [system] + turns, "add_generation_prompt": True},
        "answered": {"messages": answered, "add_generation_prompt": False},
        "answered-with-system": {"messages": [system] + answered, "add_generation_prompt": False},
        "thinking": {"messages": [system] + turns, "add_generation_prompt": True, "enable_thinking": True},
        "not-thinking": {"messages": [system] + turns, "add_generation_prompt": True, "enable_thinking": False},
        "tools": {"messages": [system] + turns[:1], "add_generation_prompt": True, "tools": [weather]},
        "tool-call": {"messages": turns[:1] + [call, result], "add_generation_prompt": True, "tools": [weather]},
        "tool-answer": {
            "messages": [system] + turns[:1] + [call, result, answered[3]], "add_generation_prompt": False,
            "tools": [weather, weather]},
        "parts": {"messages": [parts], "add_generation_prompt": True},
        "roles-out-of-order": {"messages": [turns[1], turns[0], turns[0]], "add_generation_prompt": True},
        "unknown-role": {"messages": [{"role": "narrator", "content": "x"}], "add_generation_prompt": True},
        "empty": {"messages": [], "add_generation_prompt": True},
    }
    return {name: {**base, **context} for name, context in table.items()}


def fnv1a(text):
    state = 0xCBF29CE484222325
    for byte in text.encode():
        state = (state ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{state:016x}"


def write_language(env):
    with open(os.path.join(FIXTURES, "data.json"), "w") as file:
        json.dump(DATA, file, ensure_ascii=False, indent=1)
        file.write("\n")
    with open(os.path.join(FIXTURES, "language.jsonl"), "w") as file:
        for name, template in all_cases():
            output = render(env, template, DATA)
            row = {"name": name, "template": template}
            row.update({"error": True} if output is None else {"output": output})
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def write_published(env, shared):
    contexts = conversations()
    with open(os.path.join(FIXTURES, "contexts.json"), "w") as file:
        json.dump(contexts, file, ensure_ascii=False, indent=1)
        file.write("\n")
    if not os.path.isdir(shared):
        return print(f"no published templates at {shared}: published.tsv is left as it is")
    folder = os.path.join(shared, "contexts")
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name)) as file:
            contexts["shared/" + name] = {"tools": None, "documents": None, **json.load(file)}
    with open(os.path.join(FIXTURES, "published.tsv"), "w") as table:
        for group in ("chat_templates", "llama.cpp"):
            for name in sorted(os.listdir(os.path.join(shared, group))):
                with open(os.path.join(shared, group, name), newline="") as file:
                    template = file.read()
                for context, variables in contexts.items():
                    output = render(env, template, variables)
                    table.write(f"{group}/{name}\t{context}\t{'error' if output is None else fnv1a(output)}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", default=os.path.join(HERE, "..", "..", "..", "shared", "data", "templates"))
    arguments = parser.parse_args()
    env = environment()
    os.makedirs(FIXTURES, exist_ok=True)
    write_language(env)
    write_published(env, arguments.shared)


if __name__ == "__main__":
    main()

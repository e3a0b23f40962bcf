# SPDX-License-Identifier: Apache-2.0
"""Cases of the chat: lines from a pipe, keys in a pseudoterminal, and what a terminal of tmux then shows."""
import json
import os
import pathlib
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import time

from case_tools import Case, Skipped, Wrong, expect_equal

PASTE_END = "\x1b[201~"


class Keys:
    """A chat in a pseudoterminal: keys in, bytes out."""

    def __init__(self, case: Case, *arguments):
        self.output = b""
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            os.chdir(case.scratch)
            os.environ["TERM"] = "xterm-256color"
            os.execv(case.program, [str(case.program), *map(str, arguments)])

    def read(self, quiet: float = 0.4, seconds: float = 20) -> bytes:
        """What comes until nothing comes for a while."""
        start, end = len(self.output), time.monotonic() + seconds
        while time.monotonic() < end and select.select([self.terminal], [], [], quiet)[0]:
            try:
                data = os.read(self.terminal, 65536)
            except OSError:
                break
            if not data:
                break
            self.output += data
        return self.output[start:]

    def type(self, text: str) -> bytes:
        os.write(self.terminal, text.encode())
        return self.read()

    def enter(self, text: str = "", seconds: float = 60) -> bytes:
        """Types a line and Enter; what comes until the next line may be typed (bracketed paste is on again)."""
        start, limit = len(self.output), time.monotonic() + seconds
        os.write(self.terminal, text.encode() + b"\r")
        while b"\x1b[?2004h" not in self.output[start:]:
            self.read(quiet=0.1)
            if time.monotonic() > limit:
                raise Wrong(f"no prompt within {seconds} s: {self.output[start:][-80:]!r}")
        self.read()
        return self.output[start:]

    def end(self, seconds: float = 60) -> None:
        """Ctrl-D, and what comes until the program has ended."""
        os.write(self.terminal, b"\x04")
        limit = time.monotonic() + seconds
        while os.waitpid(self.process, os.WNOHANG)[0] == 0:
            self.read(quiet=0.05, seconds=0.2)
            if time.monotonic() > limit:
                os.kill(self.process, signal.SIGKILL)
                raise Wrong(f"the chat did not end within {seconds} s of Ctrl-D")
        os.close(self.terminal)


def check_slash(case: Case) -> str:
    model = case.chat_model()
    lines = (case.folder / "lines.txt").read_text(encoding="utf-8").splitlines()
    plain = case.tiller("chat", model, "--max-tokens", "3", input="\n".join(lines) + "\n")
    slashed = [line for line in lines if line.startswith("/")]
    if plain.status != 0 and not re.search(r"//|space", plain.errors):
        raise Wrong(f"the error names no way to say it: {plain}")
    for lead in (" ", "/"):
        case.done("chat", model, "--max-tokens", "3", "--session", "s",
                  input="".join(f"{lead}{line}\n" for line in slashed))
        contents = [message["content"].strip() for message in case.session()[1]["messages"]
                    if message["role"] == "user"]
        expect_equal(contents, slashed, f"messages after {lead!r}")
        (case.scratch / "s").unlink()
    return "by a space and by //"


def check_paste(case: Case) -> str:
    model = case.chat_model()
    pastes = json.loads((case.folder / "pastes.json").read_text(encoding="utf-8"))
    for keys, expected in pastes:
        chat = Keys(case, "chat", model, "--session", "s", "--max-tokens", "1")
        chat.read()
        chat.type(keys)
        chat.enter()
        chat.end()
        found = case.session()[1]["messages"][0]["content"]
        (case.scratch / "s").unlink()
        # A tab is shown, and sent, as four spaces.
        expect_equal(found, expected.replace("\t", "    ") if "\t" not in found else expected, repr(keys))
    return f"{len(pastes)} of {len(pastes)}"


def check_cut_answers(case: Case) -> str:
    model = case.needs_real_model()
    case.done("chat", model, "--max-tokens", "5", "--temperature", "0", "--session", "s",
              input=(case.folder / "lines.txt").read_text(encoding="utf-8"))
    tokens, conversation = case.session()
    count = len([message for message in conversation["messages"] if message["role"] == "user"])
    begin, end, newline = 1, 2, 198
    turns = [index for index, token in enumerate(tokens) if token == begin]
    for turn in turns[1:]:
        expect_equal(tokens[turn - 2:turn], [end, newline], f"tokens before the turn at {turn}")
    return f"{count} messages, {len(turns)} turns"


def check_undo(case: Case) -> str:
    model = case.tiny_model()
    file = case.folder / "conversation.json"
    if file.exists():
        shutil.copy(file, case.scratch / "conversation.json")
    else:
        text = "\x1b]0;title\x07\x1b[31mred\x9b31m\u202e"
        (case.scratch / "conversation.json").write_text(json.dumps({"messages": [
            {"role": "user", "content": text}, {"role": "assistant", "content": text}]}))
    chat = Keys(case, "chat", model)
    chat.read()
    chat.enter("/load conversation.json")
    shown = chat.enter("/undo")
    chat.end()
    if re.search(rb"\x1b\]0;|\x1b\[31m|\x07|\xc2\x9b|\xe2\x80\xae", chat.output):
        raise Wrong(f"control characters reach the terminal: {shown[:80]!r}")
    if "\ufffd".encode() not in shown:
        raise Wrong(f"the question is not shown: {shown[:80]!r}")
    return "shown as U+FFFD"


def check_widths(case: Case) -> str:
    if shutil.which("tmux") is None:
        raise Skipped("needs tmux")
    try:
        from wcwidth import wcswidth
    except ImportError:
        raise Skipped("needs the Python package wcwidth") from None
    model = case.tiny_model()
    lines = [line for line in (case.folder / "lines.txt").read_text(encoding="utf-8").splitlines() if line]
    for line in lines:
        shown, cursor = typed(case, model, line, columns=20)
        prompts = [row for row in shown if row.startswith(">")]
        expect_equal(len(prompts), 1, f"prompts on the screen for {line!r}")
        # Two cells of the prompt; a letter of two cells that does not fit leaves one free at a row's end.
        expect_equal(cursor[1], (2 + wcswidth(line + "x")) // 20, f"the cursor's row after {line!r}")
    return f"{len(lines)} lines"


def typed(case: Case, model: pathlib.Path, line: str, columns: int) -> tuple[list[str], tuple[int, int]]:
    """What a terminal shows after a line is typed letter by letter, and where the cursor is below the first prompt."""
    # A socket of its own for each line: a server that ends does not wait for those that come.
    socket = f"tiller-{os.getpid()}-{time.monotonic_ns()}"
    def tmux(*arguments) -> str:
        return subprocess.run(["tmux", "-L", socket, "-f", "/dev/null", "-u", *arguments], capture_output=True,
                              text=True).stdout
    command = f"{shlex.quote(str(case.program))} chat {shlex.quote(str(model))}"
    try:
        tmux("new-session", "-d", "-x", str(columns), "-y", "24", command)
        for _ in range(100):
            time.sleep(0.05)
            if any(row.startswith(">") for row in tmux("capture-pane", "-p").splitlines()):
                break
        for letter in line + "x":
            tmux("send-keys", "-l", letter)
            time.sleep(0.02)
        time.sleep(0.3)
        rows = tmux("capture-pane", "-p").splitlines()
        x, y = map(int, tmux("display-message", "-p", "#{cursor_x} #{cursor_y}").split())
    finally:
        tmux("kill-server")
    first = next((index for index, row in enumerate(rows) if row.startswith(">")), 0)
    return rows, (x, y - first)


CHECKS = {
    "message-that-begins-with-a-slash": check_slash, "pass-paste-of-several-lines": check_paste,
    "pass-answers-cut-short": check_cut_answers, "undo-escape": check_undo, "wide-letters": check_widths,
}

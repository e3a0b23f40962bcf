# SPDX-License-Identifier: Apache-2.0
"""What the checks of cases share: running tiller in a scratch folder, and reading what it wrote."""
import dataclasses
import json
import math
import pathlib
import resource
import shutil
import struct
import subprocess

RIGHT_SECONDS = 60


class Wrong(Exception):
    """The outcome is not the right one; the text says what was found."""


class Skipped(Exception):
    """The check cannot run here; the text says what it needs."""


@dataclasses.dataclass
class Result:
    status: int
    output: str
    errors: str

    @property
    def lines(self) -> list[str]:
        """What was printed about failure, without progress."""
        return [line for line in self.errors.replace("\r", "\n").splitlines() if line.strip()]

    def __str__(self) -> str:
        return f"exit {self.status}: {(self.errors or self.output).strip()[:200]!r}"


@dataclasses.dataclass
class Case:
    """A case's folder, an empty folder to run in, and the programs."""
    folder: pathlib.Path
    scratch: pathlib.Path
    root: pathlib.Path
    program: pathlib.Path
    real_model: pathlib.Path | None

    def tiller(self, *arguments, input: str | bytes = "", seconds: float = RIGHT_SECONDS, memory: int | None = None,
               environment: dict | None = None) -> Result:
        """Runs tiller in the scratch folder; `memory` limits its address space, in bytes."""
        def limit():
            if memory is not None:
                resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        data = input.encode() if isinstance(input, str) else input
        try:
            done = subprocess.run([str(self.program), *map(str, arguments)], input=data, capture_output=True,
                                  cwd=self.scratch, timeout=seconds, preexec_fn=limit, env=environment)
        except subprocess.TimeoutExpired:
            raise Wrong(f"tiller {' '.join(map(str, arguments))[:80]} did not end within {seconds} s") from None
        return Result(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    def done(self, *arguments, **options) -> Result:
        """The same, which must succeed."""
        result = self.tiller(*arguments, **options)
        if result.status != 0:
            raise Wrong(f"tiller {' '.join(map(str, arguments))[:80]}: {result}")
        return result

    def refused(self, *arguments, naming: str = "", **options) -> Result:
        """The same, which must fail with status 1 or 2 in one line that names `naming`."""
        result = self.tiller(*arguments, **options)
        said = [line for line in result.lines if "rror:" in line] or result.lines
        if result.status not in (1, 2) or len(said) != 1 or naming not in result.errors:
            raise Wrong(f"not refused in one line: {result}")
        return result

    def fixture(self, path: str) -> pathlib.Path:
        return self.root / "Tests/Fixtures" / path

    def model_folder(self, family: str, *replaced: pathlib.Path) -> pathlib.Path:
        """A model folder of the fixtures in the scratch folder, with some of its files replaced."""
        folder = self.scratch / "folder"
        shutil.copytree(self.fixture(f"folders/{family}"), folder, dirs_exist_ok=True)
        for file in replaced:
            shutil.copy(file, folder / file.name)
            (folder / file.name).chmod(0o644)
        return folder

    def convert(self, source: pathlib.Path, *options, output: str = "m.tiller") -> pathlib.Path:
        self.done("convert", source, output, *(options or ("--weights", "f32", "--calibration", "none")), "--force")
        return self.scratch / output

    def tiny_model(self) -> pathlib.Path:
        return self.convert(self.fixture("folders/llama3"))

    def given_model(self, name: str = "model.tiller") -> pathlib.Path:
        """The case's model as a file that may be changed, or a tiny one with a profile."""
        target = self.scratch / "given.tiller"
        if (self.folder / name).exists():
            shutil.copy(self.folder / name, target)
            target.chmod(0o644)
            return target
        self.convert(self.fixture("models/llama.gguf"), output=target.name)
        self.done("profile", "import", target, self.fixture("models/llama.steering.gguf"), "--name", "o-add")
        return target

    def profiles(self, model: pathlib.Path) -> list[str]:
        return [profile["name"] for profile in json.loads(self.done("profile", "list", model, "--json").output)["profiles"]]

    def chat_model(self) -> pathlib.Path:
        """The real model where one was given, else a tiny one."""
        return self.real_model or self.tiny_model()

    def needs_real_model(self) -> pathlib.Path:
        if self.real_model is None:
            raise Skipped("needs --model")
        return self.real_model

    def json_lines(self, name: str) -> list:
        text = (self.folder / name).read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines() if line.strip()]

    def session(self, name: str = "s") -> tuple[list[int], dict]:
        """Tokens and conversation of a session file (formats/session.md)."""
        data = (self.scratch / name).read_bytes()
        count, _, conversation = struct.unpack_from("<III", data, 28)
        place = math.ceil((256 + conversation) / 64) * 64
        return (list(struct.unpack_from(f"<{count}i", data, place)),
                json.loads(data[256:256 + conversation] or b"{}"))


def expect_equal(found, expected, what: str) -> None:
    if found != expected:
        raise Wrong(f"{what}: found {str(found)[:160]}, expected {str(expected)[:160]}")

# SPDX-License-Identifier: Apache-2.0
"""The commands that tools/check/interrupts stops, and the files that they need."""
import dataclasses
import json
import pathlib
import shutil
import subprocess

from case_models import read_tensors, write_tensors


@dataclasses.dataclass
class Command:
    name: str
    words: list
    # Files that may be there afterwards, whole.
    outputs: list = dataclasses.field(default_factory=list)

    @property
    def input(self) -> str:
        """The file of what comes on standard input."""
        return "chat.txt" if self.words[0] == "chat" else "input.txt"


def command(name: str, words: str, *outputs: str) -> Command:
    return Command(name, words.split(), list(outputs))


OUT = "out.tiller"
READ = "--expert expert.tiller --pairs pairs.jsonl --texts text.txt"
COMMANDS = [
    command("convert, GGUF", f"convert model.gguf {OUT} --weights int8 --calibration none", OUT),
    command("convert, folder", f"convert wide {OUT} --calibration none", OUT),
    command("convert, calibrated", f"convert wide {OUT} --threads 1 --calibration text.txt", OUT),
    command("convert, to a size", f"convert wide {OUT} --size 8 --calibration text.txt", OUT),
    command("convert, high effort", f"convert model.gguf {OUT} --effort high --calibration text.txt", OUT),
    command("convert over a file", "convert wide model.tiller --force --calibration none"),
    command("inspect", "inspect wide.tiller --tensors"),
    command("verify", "verify wide.tiller"),
    command("compact", "compact wide.tiller"),
    command("sign", "sign wide.tiller --key Ada"),
    command("generate", "generate wide.tiller --prompt The --max-tokens 100"),
    command("generate, long prompt", "generate wide.tiller --prompt - --max-tokens 8"),
    command("generate, JSON", "generate wide.tiller --prompt The --max-tokens 100 --json"),
    command("generate, session", "generate wide.tiller --prompt The --max-tokens 100 --session s", "s"),
    command("chat", "chat wide.tiller --max-tokens 20"),
    command("chat, session", "chat wide.tiller --max-tokens 20 --session s", "s"),
    command("bench", "bench wide.tiller --prompt-tokens 64 --generated-tokens 16 --repetitions 3"),
    command("evaluate perplexity", "evaluate perplexity wide.tiller --text text.txt --context 64 --chunks 8"),
    command("evaluate pairs", "evaluate pairs wide.tiller --items pairs.jsonl"),
    command("evaluate logits", "evaluate logits wide.tiller --tokens tokens.json --output logits", "logits"),
    command("evaluate divergence", "evaluate divergence wide.tiller --reference wide.tiller --text text.txt --context 64 --chunks 4"),
    command("bundle", "bundle wide.tiller boat --runtime TILLER", "boat"),
    command("profile import", "profile import model.tiller v.gguf --name w"),
    command("profile export", "profile export model.tiller v out.tillerprofile", "out.tillerprofile"),
    command("profile train", "profile train model.tiller --pairs pairs.jsonl --name n"),
    command("profile calibrate", "profile calibrate model.tiller v --validation pairs.jsonl --report r",
            *[f"r/{name}" for name in ["v.svg", "v.json", "v.calibration.svg", "v.calibration.json"]]),
    command("expert capture", "expert capture model.tiller --pairs pairs.jsonl --output states", "states"),
    command("expert gap", f"expert gap model.tiller {READ}"),
    command("expert train", f"expert train model.tiller {READ} --name n"),
]


def widen(folder: pathlib.Path, times: int) -> None:
    """Makes the feed-forward network of a model folder so many times as wide."""
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["intermediate_size"] *= times
    path.write_text(json.dumps(config), encoding="utf-8")
    for file in folder.glob("*.safetensors"):
        header, data = read_tensors(file)
        changed, result = {}, bytearray()
        for name, entry in header.items():
            if name == "__metadata__":
                changed[name] = entry
                continue
            (begin, end), shape = entry["data_offsets"], list(entry["shape"])
            part = bytes(data[begin:end])
            if "mlp.down_proj" in name:
                row = len(part) // shape[0]
                part = b"".join(part[i:i + row] * times for i in range(0, len(part), row))
                shape[1] *= times
            elif "mlp." in name:
                part, shape[0] = part * times, shape[0] * times
            changed[name] = entry | {"shape": shape, "data_offsets": [len(result), len(result) + len(part)]}
            result += part
        write_tensors(file, changed, bytes(result))


def prepare(tiller: str, root: pathlib.Path, place: pathlib.Path, width: int) -> None:
    """Puts everything that the commands read into a folder."""
    def run(*words: str) -> None:
        subprocess.run([tiller, *words], cwd=place, check=True, capture_output=True, env={"TILLER_KEYS": str(place / "keys")})

    fixtures = root / "Tests/Fixtures"
    shutil.copytree(fixtures / "folders/llama", place / "wide")
    widen(place / "wide", width)
    shutil.copy(fixtures / "models/llama.gguf", place / "model.gguf")
    shutil.copy(fixtures / "models/llama.steering.gguf", place / "v.gguf")
    sentences = [f"The {i} cats sat on {i} mats and the dog ran after them.\n\n" for i in range(40)]
    (place / "text.txt").write_text("".join(sentences), encoding="utf-8")
    (place / "input.txt").write_text("".join(sentences[:2]), encoding="utf-8")
    (place / "chat.txt").write_text("The cat sat.\nThe dog ran.\n", encoding="utf-8")
    pair = {"prompt": "I feel", "positive": " happy", "negative": " sad"}
    (place / "pairs.jsonl").write_text("".join(json.dumps(pair | {"prompt": f"On day {i} I feel"}) + "\n" for i in range(24)), encoding="utf-8")
    (place / "tokens.json").write_text(json.dumps([[1 + (i * j) % 200 for j in range(1, 65)] for i in range(1, 9)]), encoding="utf-8")
    run("convert", "model.gguf", "model.tiller", "--weights", "int8", "--calibration", "none")
    run("convert", "model.gguf", "expert.tiller", "--weights", "f32")
    run("convert", "wide", "wide.tiller", "--calibration", "none")
    run("profile", "import", "model.tiller", "v.gguf", "--name", "v")
    run("keys", "new", "Ada")

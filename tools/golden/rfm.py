# SPDX-License-Identifier: Apache-2.0
"""Writes Tests/Fixtures/directions: what xrfm and scikit-learn find in synthetic rows and in states of a real model.

The states are those of SmolLM2-135M-Instruct behind its layer 15, at the last of the first five words of every side of
tools/pairs/cheerful.jsonl: early enough that the mood is not always clear. Needs the packages xrfm, scikit-learn,
transformers, accelerate and torch (tools/golden/setup DIR --torch). See Tests/Fixtures/directions/README.md.
"""
import argparse
import json
import pathlib

import numpy as np
import torch
import transformers
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from xrfm.rfm_src import RFM
from xrfm.rfm_src.kernels import LaplaceKernel

ITERATIONS, RIDGE, PENALTY = 8, 1e-3, 1e-3
LAYER, WORDS = 15, 5


def capture(model: pathlib.Path, pairs: pathlib.Path) -> np.ndarray:
    """States [2 · pairs × width], positive and negative sides in turns, in the precision that the fixture stores."""
    names = dict(pretrained_model_name_or_path=model.parent, gguf_file=model.name)
    tokenizer = transformers.AutoTokenizer.from_pretrained(**names)
    network = transformers.AutoModelForCausalLM.from_pretrained(**names, dtype=torch.float32).eval()
    states = []
    for line in pairs.read_text().splitlines():
        pair = json.loads(line)
        for side in ("positive", "negative"):
            tokens = tokenizer(" ".join(pair[side].split()[:WORDS]), return_tensors="pt")
            with torch.no_grad():
                hidden = network(**tokens, output_hidden_states=True).hidden_states
            # The embeddings come first, then one state for each layer.
            states.append(hidden[LAYER + 1][0, -1].numpy())
    return np.stack(states).astype(np.float16)


def synthetic() -> np.ndarray:
    """Rows [120 × 10] in turns of two classes, shifted along one direction under correlated noise."""
    random = np.random.default_rng(7)
    noise = random.normal(size=(120, 10)) @ random.normal(size=(10, 10))
    shift = random.normal(size=10)
    labels = np.where(np.arange(120) % 2 == 0, 1.0, -1.0)
    return (noise + 0.5 * labels[:, None] * shift + 3).round(4)


def machine(x, y, rest, centred: bool) -> dict:
    """xrfm with the settings under which it computes what RecursiveFeatureMachine does."""
    model = RFM(kernel=LaplaceKernel(bandwidth=1.0, exponent=1.0), iters=ITERATIONS, bandwidth_mode="adaptive",
                device="cpu", verbose=False, tuning_metric="mse")
    data = (torch.tensor(x), torch.tensor(y)[:, None])
    model.fit(data, data, method="lstsq", solver="cholesky", reg=RIDGE, center_grads=centred,
              return_best_params=False, early_stop_rfm=False, verbose=False)
    values, vectors = np.linalg.eigh(model.M.numpy())
    direction = vectors[:, -1]
    direction = direction * np.sign((x @ direction) @ y)
    predictions = model.predict(torch.tensor(rest)).numpy()[:, 0]
    return {"direction": direction, "predictions": predictions, "dominance": values[-1] / values.sum(),
            "gap": values[-1] / values[-2], "readings": rest @ direction}


def case(rows: np.ndarray, fitted: int) -> dict:
    """Everything that is compared, fitted to the first rows and read on the others."""
    rows = rows.astype(np.float64)
    labels = np.where(np.arange(len(rows)) % 2 == 0, 1.0, -1.0)
    mean = rows[:fitted].mean(axis=0)
    unit = (rows - mean) / np.linalg.norm(rows - mean, axis=1, keepdims=True)
    y, held_out = labels[:fitted], labels[fitted:]
    found = {"fitted": fitted}
    for name, centred in (("uncentred", False), ("centred", True)):
        result = machine(unit[:fitted], y, unit[fitted:], centred)
        result["auc"] = roc_auc_score(held_out, result["predictions"])
        result["directionAUC"] = roc_auc_score(held_out, result.pop("readings"))
        found[name] = result
    scale = np.sqrt(((rows[:fitted] - mean) ** 2).sum(axis=1).mean())
    probe = LogisticRegression(C=1 / (PENALTY * fitted), tol=1e-10, max_iter=100_000)
    probe.fit((rows[:fitted] - mean) / scale, y)
    log_odds = probe.decision_function((rows[fitted:] - mean) / scale)
    found["probe"] = {"weights": probe.coef_[0] / scale, "logOdds": log_odds, "auc": roc_auc_score(held_out, log_odds)}
    components = PCA(n_components=4, svd_solver="full").fit(rows[:fitted])
    found["components"] = {"vectors": components.components_, "variances": components.explained_variance_}
    return found


def defaults(rows: np.ndarray, fitted: int) -> str:
    """What xrfm finds left to itself: how much its own choices matter."""
    rows = rows.astype(np.float64)
    labels = np.where(np.arange(len(rows)) % 2 == 0, 1.0, -1.0)
    mean = rows[:fitted].mean(axis=0)
    unit = (rows - mean) / np.linalg.norm(rows - mean, axis=1, keepdims=True)
    ours = machine(unit[:fitted], labels[:fitted], unit[fitted:], False)["direction"]
    lines = []
    for name, x in (("rows as they are", rows), ("centred rows of unit norm", unit)):
        model = RFM(kernel="l2", device="cpu", verbose=False, tuning_metric="mse")
        data = [(torch.tensor(x[part]), torch.tensor(labels[part])[:, None])
                for part in (slice(0, fitted), slice(fitted, None))]
        model.fit(data[0], data[0], reg=RIDGE, verbose=False, return_best_params=False, early_stop_rfm=False)
        direction = np.linalg.eigh(model.M.numpy())[1][:, -1]
        direction = direction * np.sign(((x - x[:fitted].mean(axis=0))[:fitted] @ direction) @ labels[:fitted])
        auc = roc_auc_score(labels[fitted:], x[fitted:] @ direction)
        lines.append(f"  xrfm's bandwidth of 10, 5 iterations, {name}: direction AUC {auc:.3f}, "
                     f"cosine with the fixture's {direction @ ours:.3f}")
    return "\n".join(lines)


def rounded(value):
    if isinstance(value, dict):
        return {key: rounded(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray):
        return rounded(value.tolist())
    if isinstance(value, list):
        return [rounded(entry) for entry in value]
    return value if isinstance(value, int) else float(f"{value:.9g}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=pathlib.Path, help="Tests/Fixtures/directions")
    parser.add_argument("--model", type=pathlib.Path,
                        help="smollm2 as an F32 GGUF file; without it the states in the output folder are read")
    parser.add_argument("--pairs", type=pathlib.Path, default="tools/pairs/cheerful.jsonl")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    file = arguments.output / "states.f16"
    if arguments.model:
        states = capture(arguments.model, arguments.pairs)
        file.write_bytes(states.astype("<f2").tobytes())
    else:
        states = np.frombuffer(file.read_bytes(), "<f2").reshape(-1, 576)
    toy = synthetic()
    golden = {
        "states": {"width": states.shape[1], **case(states, 108)},
        "synthetic": {"rows": toy, **case(toy, 80)},
    }
    (arguments.output / "golden.json").write_text(json.dumps(rounded(golden), separators=(",", ":")) + "\n")
    for name in ("synthetic", "states"):
        for key in ("uncentred", "centred", "probe"):
            print(f"{name} {key}: AUC {golden[name][key]['auc']:.3f}, "
                  f"direction AUC {golden[name][key].get('directionAUC', float('nan')):.3f}")
    print(defaults(states, 108))


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""Compares two logits files of logits.py position by position: how far B is from the reference A.

Prints the divergence KL(A‖B) in nats per token (mean, median, 99th percentile, maximum), how often both
have the same most likely token, and the largest difference of a logit. Reads a few rows at a time.
"""
import argparse
import json
import pathlib

import numpy as np

ROWS_AT_A_TIME = 16


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def vocabulary_size(path: pathlib.Path) -> int:
    return json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["shape"][1]


def map_rows(path: pathlib.Path, columns: int) -> np.memmap:
    if path.stat().st_size % (4 * columns) != 0:
        raise SystemExit(f"{path}: {path.stat().st_size} bytes are no whole number of rows of {columns} logits")
    return np.memmap(path, dtype="<f4", mode="r").reshape(-1, columns)


def compare(reference: pathlib.Path, other: pathlib.Path, columns: int) -> dict:
    a_rows, b_rows = map_rows(reference, columns), map_rows(other, columns)
    if len(a_rows) != len(b_rows):
        raise SystemExit(f"{len(a_rows)} positions in {reference}, {len(b_rows)} in {other}")
    divergences, same, largest = [], 0, 0.0
    for first in range(0, len(a_rows), ROWS_AT_A_TIME):
        # Float64, because KL is a small difference of large sums.
        a = a_rows[first : first + ROWS_AT_A_TIME].astype(np.float64)
        b = b_rows[first : first + ROWS_AT_A_TIME].astype(np.float64)
        log_a, log_b = log_softmax(a), log_softmax(b)
        divergences.append((np.exp(log_a) * (log_a - log_b)).sum(axis=1))
        same += int((a.argmax(axis=1) == b.argmax(axis=1)).sum())
        largest = max(largest, float(np.abs(a - b).max()))
    kl = np.concatenate(divergences)
    return {"positions": len(kl), "meanKL": kl.mean(), "medianKL": np.median(kl), "p99KL": np.quantile(kl, 0.99),
            "maxKL": kl.max(), "sameTopToken": same / len(kl), "maxLogitDifference": largest}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", type=pathlib.Path, help="the reference (.bin)")
    parser.add_argument("b", type=pathlib.Path, help="what is measured (.bin)")
    parser.add_argument("--vocabulary", type=int, metavar="N", help="columns (default: as the reference's .json says)")
    options = parser.parse_args()
    result = compare(options.a, options.b, options.vocabulary or vocabulary_size(options.a))
    for name, value in result.items():
        print(f"{name:>20}  {value:.6g}")

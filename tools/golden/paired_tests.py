# SPDX-License-Identifier: Apache-2.0
"""Writes Tests/Fixtures/statistics/golden.json: permutation tests, bootstrap intervals and quantiles by scipy.

Needs numpy and scipy (tools/golden/setup DIR).
"""
import argparse
import json
import pathlib

import numpy as np
from scipy import stats


def permutation(values: np.ndarray, groups: list[str] | None, alternative: str, resamples: float) -> float:
    """Sign changes of paired differences, exact where resamples is infinite; groups change their signs together."""
    if groups is not None:
        names = list(dict.fromkeys(groups))
        values = np.array([values[[g == name for g in groups]].sum() for name in names])
    result = stats.permutation_test(
        (values,), lambda x, axis: np.sum(x, axis=axis), permutation_type="samples", vectorized=True,
        n_resamples=resamples, alternative=alternative, rng=np.random.default_rng(5))
    return float(result.pvalue)


def bootstrap(values: np.ndarray, groups: list[str]) -> list[float]:
    """Percentiles of the mean over resampled groups, at the level that Tiller's intervals take for these groups."""
    names = list(dict.fromkeys(groups))
    parts = [values[[g == name for g in groups]] for name in names]
    sums = np.array([p.sum() for p in parts])
    counts = np.array([len(p) for p in parts])
    n = len(names)
    tail = stats.norm.sf(np.sqrt(n / (n - 1)) * stats.t.ppf(0.975, n - 1))
    result = stats.bootstrap(
        (np.arange(n),), lambda i, axis: sums[i].sum(axis=axis) / counts[i].sum(axis=axis), vectorized=True,
        method="percentile", confidence_level=1 - 2 * tail, n_resamples=200_000, batch=10_000, rng=np.random.default_rng(6))
    return [float(result.confidence_interval.low), float(result.confidence_interval.high)]


def holm(p: list[float]) -> list[float]:
    """From Holm's definition; scipy has none."""
    order = np.argsort(p, kind="stable")
    adjusted = np.minimum(1, np.array(p)[order] * (len(p) - np.arange(len(p))))
    result = np.empty(len(p))
    result[order] = np.maximum.accumulate(adjusted)
    return result.tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=pathlib.Path, nargs="?",
                        default=pathlib.Path(__file__).parents[2] / "Tests/Fixtures/statistics/golden.json")
    output = parser.parse_args().output
    random = np.random.default_rng(3)
    cases = []
    for count, group_size, shift in [(6, 1, 0.8), (12, 1, 0.3), (13, 1, -0.4), (24, 3, 0.5), (60, 1, 0.25), (200, 8, 0.1)]:
        noise = np.repeat(random.normal(size=count // group_size), group_size) * 0.5
        values = random.normal(size=count) + noise + shift
        groups = [f"group {index // group_size}" for index in range(count)]
        exact = len(set(groups)) <= 14
        resamples = np.inf if exact else 200_000
        cases.append({
            "values": values.tolist(), "groups": groups, "isExact": exact,
            "greater": permutation(values, groups, "greater", resamples),
            "different": permutation(values, groups, "two-sided", resamples),
            "interval": bootstrap(values, groups)})
    p = [[0.01, 0.04, 0.03, 0.005], [0.6, 0.2], [0.02], [0.01, 0.01, 0.5], [0.9, 0.001, 0.02, 0.3, 0.04, 0.011]]
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps({
        "cases": cases, "holm": [{"p": x, "adjusted": holm(x)} for x in p],
        "student": [{"n": n, "quantile": float(stats.t.ppf(0.975, n))} for n in [1, 2, 3, 5, 9, 19, 100, 1000]],
    }) + "\n")
    print(f"wrote {output} with scipy {__import__('scipy').__version__}")


if __name__ == "__main__":
    main()

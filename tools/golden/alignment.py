#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes Tests/Fixtures/alignment/golden.json: small synthetic states of an expert and a target, and what scikit-learn
and SciPy make of them. Principal components, ridge regression, Procrustes, canonical correlations, mutual information
by nearest neighbours, rank correlation.

Needs numpy, scipy and scikit-learn (written with 2.4.6, 1.17.1 and 1.9.1)."""

import argparse
import json
import pathlib

import numpy as np
import scipy.linalg
import scipy.stats
from sklearn.cross_decomposition import CCA
from sklearn.decomposition import PCA
from sklearn.feature_selection import mutual_info_regression
from sklearn.linear_model import Ridge

ROWS, SHARED, EXPERT, TARGET = 64, 3, 7, 5


def states(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    latent = rng.standard_normal((ROWS, SHARED))
    expert = latent @ rng.standard_normal((SHARED, EXPERT)) + 0.6 * rng.standard_normal((ROWS, EXPERT)) + 1
    target = latent @ rng.standard_normal((SHARED, TARGET)) + 0.6 * rng.standard_normal((ROWS, TARGET)) - 2
    return np.round(expert, 6), np.round(target, 6)


def unit(x: np.ndarray) -> tuple[np.ndarray, float]:
    """Centred states in one unit for all columns, and the unit: Standardisation.common."""
    centred = x - x.mean(axis=0)
    scale = np.sqrt((centred**2).mean())
    return centred / scale, scale


def ridge(expert: np.ndarray, target: np.ndarray, penalty: float) -> list:
    variance = ((expert - expert.mean(axis=0)) ** 2).mean()
    fit = Ridge(alpha=penalty * variance * ROWS, tol=1e-12).fit(expert, target)
    return fit.coef_.T.tolist()


def procrustes(expert: np.ndarray, target: np.ndarray) -> dict:
    (x, x_unit), (t, t_unit) = unit(expert[:, :TARGET]), unit(target)
    rotation, trace = scipy.linalg.orthogonal_procrustes(x, t)
    weights = rotation * t_unit / x_unit
    return {"plain": weights.tolist(), "scaled": (weights * trace / (x**2).sum()).tolist()}


def canonical_correlations(expert: np.ndarray, target: np.ndarray) -> list:
    cca = CCA(n_components=TARGET, max_iter=100000, tol=1e-14).fit(expert, target)
    x, y = cca.transform(expert, target)
    found = [np.corrcoef(x[:, k], y[:, k])[0, 1] for k in range(TARGET)]
    # A second opinion: singular values between orthonormal bases of both sides.
    q, r = np.linalg.qr(expert - expert.mean(axis=0))[0], np.linalg.qr(target - target.mean(axis=0))[0]
    assert np.allclose(np.linalg.svd(q.T @ r, compute_uv=False), found, atol=1e-8), found
    return found


def neighbours(rng: np.random.Generator) -> list:
    cases = []
    normal = rng.standard_normal((2, 150))
    angles = rng.uniform(0, 2 * np.pi, 150)
    ring = np.stack([np.cos(angles), np.sin(angles)]) + 0.1 * rng.standard_normal((2, 150))
    for x, y, k in [
        (normal[0], 0.8 * normal[0] + 0.6 * normal[1], 3),
        (normal[0], normal[1], 4),
        (ring[0], 20 * ring[1], 6),
    ]:
        x, y = np.round(x, 6), np.round(y, 6)
        nats = mutual_info_regression(x[:, None], y, n_neighbors=k, random_state=0)[0]
        cases.append({"x": x.tolist(), "y": y.tolist(), "neighbours": k, "nats": nats})
    return cases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    root = pathlib.Path(__file__).resolve().parents[2]
    parser.add_argument("--output", type=pathlib.Path, default=root / "Tests/Fixtures/alignment/golden.json")
    output = parser.parse_args().output
    rng = np.random.default_rng(20)
    expert, target = states(rng)
    ranks = [[3, 1, 4, 1, 5, 9, 2, 6], [2, 7, 1, 8, 2, 8, 1, 8]]
    golden = {
        "expert": expert.tolist(),
        "target": target.tolist(),
        "componentVariances": PCA().fit(expert).explained_variance_.tolist(),
        "componentShares": PCA().fit(expert).explained_variance_ratio_.tolist(),
        "ridge": {"penalty": 0.3, "weights": ridge(expert, target, 0.3)},
        "procrustes": procrustes(expert, target),
        "canonicalCorrelations": canonical_correlations(expert, target),
        "neighbours": neighbours(rng),
        "ranks": {"x": ranks[0], "y": ranks[1], "correlation": scipy.stats.spearmanr(*ranks).statistic},
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{json.dumps(name)}: {json.dumps(value, separators=(',', ':'))}" for name, value in golden.items()]
    output.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""Writes Tests/Fixtures/signatures/small_order.txt: all encodings of the points of Ed25519 whose order divides 8.

A public key that is one of them lets anybody sign. The points are found from the curve's equation alone
(RFC 8032 §5.1): a random point times the order of the base point has an order that divides 8. Needs nothing but Python.
"""
import argparse
import pathlib

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
BASE_ORDER = 2**252 + 27742317777372353535851937790883648493


def add(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    """The sum of two points of −x² + y² = 1 + d·x²·y²."""
    (x1, y1), (x2, y2) = a, b
    t = D * x1 * x2 * y1 * y2 % P
    return (x1 * y2 + x2 * y1) * pow(1 + t, -1, P) % P, (y1 * y2 + x1 * x2) * pow(1 - t, -1, P) % P


def multiply(k: int, a: tuple[int, int]) -> tuple[int, int]:
    """k · a by doubling."""
    result = (0, 1)
    while k:
        if k & 1:
            result = add(result, a)
        a, k = add(a, a), k >> 1
    return result


def x_of(y: int) -> int | None:
    """A square root of (y² − 1) / (d·y² + 1), where there is one."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    return x if x * x % P == square else None


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    found: set[tuple[int, int]] = set()
    y = 2
    while len(found) < 8:
        x = x_of(y)
        if x is not None:
            found.add(multiply(BASE_ORDER, (x, y)))
        y += 1
    # Readers may also meet y + p where that still fits in 255 bits, and either sign of x.
    values = sorted({y + k for _, y in found for k in (0, P) if y + k < 2**255})
    lines = [(y | sign << 255).to_bytes(32, "little").hex() for y in values for sign in (0, 1)]
    target = pathlib.Path(__file__).parents[2] / "Tests/Fixtures/signatures/small_order.txt"
    target.write_text("\n".join(lines) + "\n")
    print(f"{target}: {len(found)} points in {len(lines)} encodings")


if __name__ == "__main__":
    main()

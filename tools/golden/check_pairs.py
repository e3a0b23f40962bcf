# SPDX-License-Identifier: Apache-2.0
"""Checks files of contrastive pairs: what a steering vector learns should be the concept and nothing else.

Each line must be {"prompt", "positive", "negative"}, no text may occur twice in a file, and both sides must be
about equally long (the length of the one is 0.6 to 1.7 times that of the other). Needs no packages.
"""
import argparse
import json
import statistics

SHORTEST, LONGEST = 0.6, 1.7


def check(path: str) -> tuple[int, float, list[str]]:
    """Count of pairs, mean ratio of lengths, complaints."""
    complaints, seen, ratios = [], set(), []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                row = json.loads(line)
                texts = [row["prompt"], row["positive"], row["negative"]]
            except (ValueError, KeyError, TypeError) as error:
                complaints.append(f"{path}:{number}: no object with prompt, positive and negative ({error})")
                continue
            complaints += [f"{path}:{number}: occurs twice: {text}" for text in texts if text in seen]
            seen |= set(texts)
            ratios.append(len(texts[1]) / max(1, len(texts[2])))
            if not SHORTEST <= ratios[-1] <= LONGEST:
                complaints.append(f"{path}:{number}: positive is {ratios[-1]:.2f} times as long as negative")
    return len(ratios), statistics.mean(ratios) if ratios else 0, complaints


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", help="JSON lines, such as tools/pairs/*.jsonl")
    everything = []
    for path in parser.parse_args().files:
        count, ratio, complaints = check(path)
        print(f"{path}: {count} pairs, positive {ratio:.2f} times as long as negative on average")
        everything += complaints
    if everything:
        raise SystemExit("\n".join(everything))

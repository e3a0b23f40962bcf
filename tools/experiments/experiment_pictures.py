# SPDX-License-Identifier: Apache-2.0
"""Pictures of `expert-steer`'s results as SVG."""
import html
import math

CHANCE_KINDS = ("random", "shuffled", "rotated")
COLOURS = {"none": "#777", "words": "#777", "own": "#1f6fb2", "expert": "#c2571a", "wrong domain": "#777", "random": "#999", "shuffled": "#999",
           "rotated": "#999"}


def svg(width: int, height: int, lines: list[str]) -> str:
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">'
            f'<rect width="{width}" height="{height}" fill="#fff"/>')
    return "\n".join([head, *lines, "</svg>"]) + "\n"


def text(x: float, y: float, value: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}"{more}>{html.escape(value)}</text>'


def forest(result: dict, percentile: float) -> str:
    """Every arm of one run with its interval; arms of chance as a row of points, with the random directions' 95th percentile."""
    single = [arm for arm in result["arms"] if arm["kind"] not in CHANCE_KINDS and arm["kind"] != "none"]
    chance = [(kind, [arm["effect"] for arm in result["arms"] if arm["kind"] == kind]) for kind in CHANCE_KINDS]
    values = [0.0] + [bound for arm in single for bound in (arm["interval"] or [arm["effect"]])] + [v for _, list in chance for v in list]
    low, high = min(values), max(values)
    margin = 0.04 * (high - low or 1)
    low, high = low - margin, high + margin
    width, left, right, row = 720, 190, 700, 18
    height = 48 + row * (len(single) + len(chance)) + 22

    def place(value: float) -> float:
        return left + (value - low) / (high - low) * (right - left)

    bottom = height - 22
    lines = [text(10, 18, f"{result['task']}, {result['target_name']} by {result['expert_name']}: effect in nats per token", ' font-size="13"'),
             f'<path d="M{place(0):.1f} 30V{bottom}" stroke="#999"/>',
             f'<path d="M{place(percentile):.1f} 30V{bottom}" stroke="#999" stroke-dasharray="4 3"/>',
             text(place(percentile) + 4, bottom + 14, f"95 % of random directions {percentile:+.3f}")]
    for index, arm in enumerate(single):
        y, colour = 42 + row * index, COLOURS[arm["kind"]]
        label = arm["name"] if arm["kind"] in ("words", "wrong domain") else f"{arm['kind']} {arm['name']}"
        lines.append(text(left - 10, y + 4, label, ' text-anchor="end"'))
        if arm["interval"]:
            lines.append(f'<path d="M{place(arm["interval"][0]):.1f} {y}H{place(arm["interval"][1]):.1f}" stroke="{colour}" stroke-width="1.5"/>')
        lines.append(f'<circle cx="{place(arm["effect"]):.1f}" cy="{y}" r="3.5" fill="{colour}"/>')
    for index, (kind, effects) in enumerate(chance, len(single)):
        y = 42 + row * index
        lines.append(text(left - 10, y + 4, kind, ' text-anchor="end"'))
        lines += [f'<circle cx="{place(effect):.1f}" cy="{y}" r="2.5" fill="none" stroke="{COLOURS[kind]}"/>' for effect in effects]
    return svg(width, height, lines)


def spread(value: float) -> float:
    """Square root with sign: most runs lie near zero, and a few far out would push them into one point."""
    return math.copysign(math.sqrt(abs(value)), value)


def label_places(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The middle of a number beside each point, as near as no point and no other number lies."""
    placed: list[tuple[float, float]] = []
    rings = [(distance, turn * math.pi / 8) for distance in range(12, 80, 6) for turn in range(16)]
    for x, y in points:
        tried = [(x + distance * math.cos(angle), y + distance * math.sin(angle)) for distance, angle in rings]
        free = [p for p in tried if all(abs(p[0] - q[0]) > 15 or abs(p[1] - q[1]) > 11 for q in placed)
                and all(math.dist(p, q) > 11 for q in points)]
        placed.append((free or tried)[0])
    return placed


def scatter(points: list[tuple[float, float, str]]) -> str:
    """Gain of the best expert arm over the target's own against the expertise gap."""
    width, left, top = 860, 70, 40
    height = 400
    xs, ys = [p[0] for p in points] + [0.0], [p[1] for p in points] + [0.0]
    x_low, x_high, y_low, y_high = (spread(bound) for bound in (min(xs), max(xs), min(ys), max(ys)))
    x_margin, y_margin = 0.06 * (x_high - x_low or 1), 0.08 * (y_high - y_low or 1)
    right, bottom = width - 300, height - 60

    def place(x: float, y: float) -> tuple[float, float]:
        return (left + (spread(x) - x_low + x_margin) / (x_high - x_low + 2 * x_margin) * (right - left),
                top + (y_high + y_margin - spread(y)) / (y_high - y_low + 2 * y_margin) * (bottom - top))

    zero = place(0, 0)
    lines = [f'<path d="M{left} {zero[1]:.1f}H{right}M{zero[0]:.1f} {top}V{bottom}" stroke="#999" stroke-dasharray="3 3"/>',
             text(10, 18, "gain of the expert over the target's own direction, nats per token", ' font-size="13"'),
             text(left, height - 20, "expertise gap: held-out AUC of the expert less that of the target (both axes by square root)")]
    lines += [text(left - 6, place(0, v)[1] + 4, f"{v:+.3f}", ' text-anchor="end"') for v in {min(ys), 0.0, max(ys)}]
    lines += [text(place(v, 0)[0], bottom + 16, f"{v:+.2f}", ' text-anchor="middle"') for v in {min(xs), 0.0, max(xs)}]
    places = [place(x, y) for x, y, _ in points]
    for number, ((px, py), (lx, ly), (_, _, name)) in enumerate(zip(places, label_places(places), points, strict=True), 1):
        lines += [f'<path d="M{px:.1f} {py:.1f}L{lx:.1f} {ly:.1f}" stroke="#ddd"/>', f'<circle cx="{px:.1f}" cy="{py:.1f}" r="4" fill="#c2571a"/>',
                  text(lx, ly + 4, str(number), ' text-anchor="middle"'), text(right + 20, top + 14 * number, f"{number}  {name}", ' font-size="10"')]
    return svg(width, height, lines)

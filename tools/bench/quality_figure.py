# SPDX-License-Identifier: Apache-2.0
"""The picture of `quality-compare`: KL divergence against bytes, told apart by marks and dashes and not by colours."""
import html
import math

WIDTH, HEIGHT = 720, 440
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 40, 50
# Name of a series, the mark's shape, whether it is filled, dashes of the line (None: marks alone).
STYLES = [("Tiller", "circle", True, ""), ("Tiller, high effort", "square", True, "6 3"),
          ("llama.cpp, importance matrix", "diamond", False, "2 3"), ("llama.cpp", "cross", False, None)]


def series(row: dict) -> str:
    if row["program"] == "Tiller":
        return "Tiller, high effort" if "effort high" in row["name"] else "Tiller"
    return "llama.cpp, importance matrix" if "importance" in row["name"] else "llama.cpp"


def mark(shape: str, is_filled: bool, x: float, y: float) -> str:
    fill = "#000" if is_filled else "#fff"
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{fill}" stroke="#000"/>'
    if shape == "square":
        return f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{fill}" stroke="#000"/>'
    if shape == "diamond":
        return f'<path d="M{x:.1f} {y - 5:.1f}l5 5-5 5-5-5z" fill="{fill}" stroke="#000"/>'
    return f'<path d="M{x - 4:.1f} {y - 4:.1f}l8 8m0-8l-8 8" fill="none" stroke="#000" stroke-width="1.5"/>'


def figure(model: str, text: str, rows: list[dict]) -> str:
    """An SVG; both axes in print sizes, KL on a logarithmic scale."""
    points = [(row["bytes"] / 1e6, max(row["texts"][0]["mean_kl"], 1e-5), row) for row in rows]
    low = math.floor(min(x for x, _, _ in points) / 10) * 10
    high = math.ceil(max(x for x, _, _ in points) / 10) * 10
    bottom = math.floor(math.log10(min(y for _, y, _ in points)))
    top = math.ceil(math.log10(max(y for _, y, _ in points)))

    def place(x: float, y: float) -> tuple[float, float]:
        return (LEFT + (x - low) / (high - low) * (WIDTH - LEFT - RIGHT),
                TOP + (top - math.log10(y)) / (top - bottom) * (HEIGHT - TOP - BOTTOM))

    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
             f'<text x="{LEFT}" y="20" font-size="14">{html.escape(model)}: what quantization costs on {html.escape(text)}</text>']
    for decade in range(bottom, top):
        for step in (1, 2, 5):
            y = place(low, step * 10.0 ** decade)[1]
            lines.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ccc" stroke-width="{1 if step == 1 else 0.5}"/>')
            lines.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{step * 10.0 ** decade:g}</text>')
    for size in range(low, high + 1, 10):
        x = place(size, 10.0 ** bottom)[0]
        lines.append(f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#ccc" stroke-width="0.5"/>')
        lines.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{size}</text>')
    lines.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">size of the file, MB</text>')
    lines.append(f'<text transform="translate(16 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">mean KL divergence, nats</text>')
    legend = 0
    for name, shape, is_filled, dashes in STYLES:
        own = sorted((x, y, row["name"]) for x, y, row in points if series(row) == name)
        if not own:
            continue
        if dashes is not None:
            path = " ".join("{:.1f},{:.1f}".format(*place(x, y)) for x, y, _ in own)
            lines.append(f'<polyline points="{path}" fill="none" stroke="#000" stroke-dasharray="{dashes or "none"}"/>')
        for x, y, label in own:
            lines.append(mark(shape, is_filled, *place(x, y)))
            if name.startswith("llama"):
                px, py = place(x, y)
                lines.append(f'<text x="{px + 7:.1f}" y="{py - 5:.1f}" font-size="10">{html.escape(label.split()[1])}</text>')
        y = TOP + 16 + 18 * legend
        lines.append(mark(shape, is_filled, WIDTH - 210, y - 4) + f'<text x="{WIDTH - 198}" y="{y}">{html.escape(name)}</text>')
        legend += 1
    return "\n".join(lines + ["</svg>"]) + "\n"

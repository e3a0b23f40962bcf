# SPDX-License-Identifier: Apache-2.0
"""Tables and pictures of `expert-steer`'s results, in print and as a DocC article."""
import html
import pathlib
import statistics

# Kinds of which only the spread is shown, not each arm.
CHANCE = {"random": "random directions", "shuffled": "shuffled labels", "rotated": "rotated auto-encoder"}


def percentile(values: list[float], share: float) -> float:
    values, place = sorted(values), share * (len(values) - 1)
    low = int(place)
    return values[low] + (place - low) * (values[min(low + 1, len(values) - 1)] - values[low])


def named(result: dict) -> str:
    return f"{result['task']}, {result['target_name']} by {result['expert_name']}"


def arm_rows(result: dict) -> list[tuple[str, str, str, str, str]]:
    """Name, effect with interval, effect per nat, share of items that go the other way, how it was chosen."""
    lines = []
    for arm in result["arms"]:
        if arm["kind"] in CHANCE:
            continue
        interval = "" if arm["interval"] is None or arm["kind"] == "none" else " ({:+.3f} … {:+.3f})".format(*arm["interval"])
        label = arm["name"] if arm["kind"] in ("none", "words", "wrong domain") else f"{arm['kind']} {arm['name']}"
        lines.append((label, f"{arm['effect']:+.3f}{interval}", f"{arm['effect_per_nat']:+.2f}" if arm.get("damage") else "",
                      f"{100 * arm['anti_steered']:.0f} %" if arm["kind"] != "none" else "", arm.get("note", "")))
    for kind, label in CHANCE.items():
        effects = [arm["effect"] for arm in result["arms"] if arm["kind"] == kind]
        if effects:
            lines.append((f"{len(effects)} {label}", f"{statistics.mean(effects):+.3f}, 95 % below {percentile(effects, 0.95):+.3f}", "", "",
                          f"largest {max(effects):+.3f}"))
    return lines


def table(results: list[dict]) -> str:
    lines = []
    for result in results:
        gap = result["gap"]
        lines.append(f"\n{named(result)}: AUC target {gap['target_auc']:.2f}, expert {gap['expert_auc']:.2f}; {result['test_items']} test items")
        lines += [f"  {name:32}{effect:36}{per_nat:>8}{anti:>7}  {note}" for name, effect, per_nat, anti, note in arm_rows(result)]
        lines += [f"  {'holds' if h['holds'] else 'does not hold':14}{h['name']}: {h['difference']:+.3f}, p = {h['p']:.4f}, Holm {h['p_holm']:.4f}"
                  for h in result["hypotheses"]]
    return "\n".join(lines)


def scatter(results: list[dict]) -> str:
    """Gain of the best expert arm over the target's own against the expertise gap."""
    points = []
    for result in results:
        arms = {kind: max((a for a in result["arms"] if a["kind"] == kind), key=lambda a: a["validation_effect"]) for kind in ("own", "expert")}
        points.append((result["gap"]["difference"], arms["expert"]["effect"] - arms["own"]["effect"], named(result)))
    width, height, left, top = 720, 360, 80, 30
    xs, ys = [p[0] for p in points] + [0.0], [p[1] for p in points] + [0.0]
    x_low, x_high, y_low, y_high = min(xs) - 0.02, max(xs) + 0.02, min(ys) - 0.01, max(ys) + 0.01

    def place(x: float, y: float) -> tuple[float, float]:
        return left + (x - x_low) / (x_high - x_low) * (width - left - 220), top + (y_high - y) / (y_high - y_low) * (height - top - 60)

    zero = place(0, 0)
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">',
             f'<rect width="{width}" height="{height}" fill="#fff"/>',
             f'<path d="M{left} {zero[1]:.1f}H{width - 20}M{zero[0]:.1f} {top}V{height - 60}" stroke="#999" stroke-dasharray="3 3"/>',
             f'<text x="{left}" y="18" font-size="13">gain of the expert over the target\'s own direction, nats by token</text>',
             f'<text x="{left}" y="{height - 24}">expertise gap: held-out AUC of the expert less that of the target</text>']
    for value in (y_low, 0.0, y_high):
        lines.append(f'<text x="{left - 6}" y="{place(0, value)[1] + 4:.1f}" text-anchor="end">{value:+.3f}</text>')
    for value in (x_low, 0.0, x_high):
        lines.append(f'<text x="{place(value, 0)[0]:.1f}" y="{height - 44}" text-anchor="middle">{value:+.2f}</text>')
    for x, y, name in points:
        px, py = place(x, y)
        lines.append(f'<circle cx="{px:.1f}" cy="{py:.1f}" r="4"/><text x="{px + 8:.1f}" y="{py + 4:.1f}">{html.escape(name)}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def conclusion(result: dict) -> str:
    """What the figures of one run allow to say, by fixed rules."""
    holds = {h["name"]: h for h in result["hypotheses"]}
    own_arms = [a for a in result["arms"] if a["kind"] == "own"]
    sentences = []
    if not any(a["interval"] and a["interval"][0] > 0 for a in own_arms):
        sentences.append("None of the target's own directions moves this measure at this damage: the run says nothing about what an expert could add.")
    random, own = holds.get("expert above the 95th percentile of random"), holds.get("expert against the target's own")
    if random:
        sentences.append(f"The expert arm that validation chose {'beats' if random['holds'] else 'does not beat'} the 95th percentile of random directions at equal damage.")
    if own:
        sentences.append("It is better than the target's own direction." if own["holds"] else "It is worse than the target's own direction."
                         if own["p_holm"] <= 0.05 else "It cannot be told from the target's own direction.")
    paper = next((a for a in result["arms"] if a["kind"] == "expert" and a["name"] == "autoencoder"), None)
    rotated = [a["effect"] for a in result["arms"] if a["kind"] == "rotated"]
    if paper and rotated:
        figures = f"The published auto-encoder reaches {paper['effect']:+.3f}, its {len(rotated)} random rotations {min(rotated):+.3f} to {max(rotated):+.3f}: "
        if not paper["interval"] or paper["interval"][0] <= 0:
            sentences.append(figures + "no effect of it is shown, so there is none to ascribe to the expert.")
        elif paper["effect"] > percentile(rotated, 0.95):
            sentences.append(figures + "its effect does not survive the rotation.")
        else:
            sentences.append(figures + "its effect survives the rotation, and is not the expert's knowledge.")
    return " ".join(sentences)


def write(results: list[dict], catalog: pathlib.Path) -> None:
    """The article and its picture."""
    catalog.mkdir(parents=True, exist_ok=True)
    (catalog / "Resources").mkdir(exist_ok=True)
    (catalog / "Resources/expertise-gap.svg").write_text(scatter(results), encoding="utf-8")
    parts = sorted({result["part"] for result in results})
    lines = [
        "# Is it the expert's knowledge?", "", "An experiment with controls, and what its figures allow to say.", "", "## Overview", "",
        "ExpertSteer (arXiv 2505.12313) steers a target by directions found in another model's states. Whether the *expert's knowledge* helps is a question",
        "for controls. Directions were fitted on training pairs, layers and pairing of every method chosen on validation pairs, and every arm run once on",
        "test items, all at the same KL on neutral text. The effect is the change of the log-odds of the positive side, in nats by token, with a 95 %",
        "bootstrap interval clustered by group; hypotheses are tested by paired sign changes, with Holm's adjustment over the four of one run.", "",
        f"This page is made by `tools/experiments/expert-steer` from {len(results)} run{'s' if len(results) > 1 else ''} ({', '.join(parts)}), seed 1, kernels {', '.join(sorted({r['kernels'] for r in results}))}.",
        "A first part has 20 random directions, 5 shuffled and 5 rotated controls, two ranges of layers and the pairing by matched depth; the full experiment has 40 and",
        "10, four ranges and four pairings.", "", "![Gain against gap](expertise-gap)", ""]
    for result in results:
        gap = result["gap"]
        lines += [f"## {named(result).capitalize()}", "",
                  f"{result['training_pairs']} training pairs, {result['unlabelled_texts']} unlabelled texts, {result['validation_items']} validation and {result['test_items']} test items in "
                  f"{len(set(result['groups']))} groups; {result['damage']} nats of damage; target {result['target']}, expert {result['expert']}. Held-out AUC: target {gap['target_auc']:.3f}, expert "
                  f"{gap['expert_auc']:.3f}.", "", conclusion(result), "", "| arm | effect | per nat | other way | |", "|---|---|---|---|---|"]
        lines += ["| " + " | ".join(row) + " |" for row in arm_rows(result)]
        lines += ["", "| hypothesis | difference | p | Holm | |", "|---|---|---|---|---|"]
        lines += [f"| {h['name']} | {h['difference']:+.3f} | {h['p']:.4f} | {h['p_holm']:.4f} | {'holds' if h['holds'] else 'does not hold'} |" for h in result["hypotheses"]] + [""]
    (catalog / "Experiment.md").write_text("\n".join(lines), encoding="utf-8")

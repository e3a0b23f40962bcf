# SPDX-License-Identifier: Apache-2.0
"""Tables and pictures of `expert-steer`'s results, in print and as a DocC article."""
import pathlib
import statistics

import experiment_pictures

# The four hypotheses, as `ExpertExperiment` names them.
ABOVE_NONE, ABOVE_RANDOM = "expert above none", "expert above the 95th percentile of random"
ABOVE_ROTATED, AGAINST_OWN = "expert above the rotated auto-encoder", "expert against the target's own"
# Kinds of which only the spread is shown, not each arm.
CHANCE = {"random": "random directions", "shuffled": "shuffled labels", "rotated": "rotated auto-encoder"}


def percentile(values: list[float], share: float) -> float:
    values, place = sorted(values), share * (len(values) - 1)
    low = int(place)
    return values[low] + (place - low) * (values[min(low + 1, len(values) - 1)] - values[low])


def named(result: dict) -> str:
    return f"{result['task']}, {result['target_name']} by {result['expert_name']}"


def best(result: dict, kind: str) -> dict | None:
    """The arm of a kind that validation preferred."""
    return max((arm for arm in result["arms"] if arm["kind"] == kind), key=lambda arm: arm["validation_effect"], default=None)


def effects(result: dict, kind: str) -> list[float]:
    return [arm["effect"] for arm in result["arms"] if arm["kind"] == kind]


def with_interval(arm: dict) -> str:
    return f"{arm['effect']:+.3f}" + (" ({:+.3f} … {:+.3f})".format(*arm["interval"]) if arm["interval"] else "")


def published(result: dict) -> dict | None:
    """The expert's arm as the paper describes it."""
    return next((arm for arm in result["arms"] if arm["kind"] == "expert" and arm["name"] == "autoencoder"), None)


def survives_rotation(result: dict) -> bool | None:
    """Whether random rotations of its code do as well as the published auto-encoder; None where that has no effect."""
    paper, rotated = published(result), effects(result, "rotated")
    if not paper or not rotated or not paper["interval"] or paper["interval"][0] <= 0:
        return None
    return paper["effect"] <= percentile(rotated, 0.95)


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


def conclusion(result: dict) -> str:
    """What the figures of one run allow to say, by fixed rules."""
    holds = {h["name"]: h for h in result["hypotheses"]}
    own_arms = [a for a in result["arms"] if a["kind"] == "own"]
    sentences = []
    if not any(a["interval"] and a["interval"][0] > 0 for a in own_arms):
        sentences.append("None of the target's own directions moves this measure at this damage: the run says nothing about what an expert could add.")
    random, own = holds.get(ABOVE_RANDOM), holds.get(AGAINST_OWN)
    if random:
        sentences.append(f"The expert arm that validation chose {'beats' if random['holds'] else 'does not beat'} the 95th percentile of random directions at equal damage.")
    if own:
        sentences.append("It is better than the target's own direction." if own["holds"] else "It is worse than the target's own direction."
                         if own["p_holm"] <= 0.05 else "Its difference from the target's own direction is not significant.")
    found = survives_rotation(result)
    paper, rotated = published(result), effects(result, "rotated")
    if paper and rotated:
        figures = f"The published auto-encoder reaches {paper['effect']:+.3f}, its {len(rotated)} random rotations {min(rotated):+.3f} to {max(rotated):+.3f}: "
        sentences.append(figures + ("its effect is not significant, so there is none to attribute to the expert." if found is None
                                    else "its effect survives the rotation, and is not the expert's knowledge." if found
                                    else "its effect does not survive the rotation."))
    return " ".join(sentences)


def summary(results: list[dict]) -> list[str]:
    """One line for each run: the arms that validation preferred."""
    lines = ["| task | gap | own | expert | random, 95 % | published | rotated |", "|---|---|---|---|---|---|---|"]
    for result in results:
        own, expert, paper = best(result, "own"), best(result, "expert"), published(result)
        rotated, random = effects(result, "rotated"), effects(result, "random")
        cells = [named(result), f"{result['gap']['difference']:+.3f}", f"{own['name']} {with_interval(own)}" if own else "",
                 f"{expert['name']} {with_interval(expert)}" if expert else "", f"{percentile(random, 0.95):+.3f}" if random else "",
                 f"{paper['effect']:+.3f}" if paper else "", f"{min(rotated):+.3f} … {max(rotated):+.3f}" if rotated else ""]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def verdict(results: list[dict]) -> str:
    """What all runs together allow to say, by fixed rules."""
    def count(name: str) -> str:
        tests = [h for result in results for h in result["hypotheses"] if h["name"] == name]
        return f"{sum(h['holds'] for h in tests)} of {len(tests)}"

    primary = [result for result in results if result["task"] == "domain-reading"]
    sentences = []
    for result in primary:
        beats = next((h for h in result["hypotheses"] if h["name"] == ABOVE_RANDOM), None)
        if beats:
            sentences.append(f"On the primary task, {named(result)}, the best expert arm {'beats' if beats['holds'] else 'does not beat'} the 95th percentile of "
                             f"random directions ({beats['difference']:+.3f}, p after Holm {beats['p_holm']:.4f}).")
    sentences.append(f"Over all runs the expert arm is above none in {count(ABOVE_NONE)}, above the 95th percentile of random directions in "
                     f"{count(ABOVE_RANDOM)}, above the rotated auto-encoder in {count(ABOVE_ROTATED)}, and "
                     f"better than the target's own direction in {count(AGAINST_OWN)}.")
    judged = [found for found in map(survives_rotation, results) if found is not None]
    sentences.append(f"The published auto-encoder has an effect above zero in {len(judged)} of {len(results)} runs; in {judged.count(False)} of them it does not survive "
                         "random rotations of its code.")
    return " ".join(sentences)


def result_strength(entry: dict) -> float:
    """The strength at the damage of all arms."""
    return max(dose["strength"] for dose in entry["doses"])


def harm_cell(entry: dict) -> str:
    """Accuracy before, and by how many points it changes."""
    low, high = (100 * bound for bound in entry["difference_interval"])
    return f"{100 * entry['plain_accuracy']:.0f} {100 * entry['difference']:+.1f} ({low:+.1f} … {high:+.1f})"


def details(result: dict) -> list[str]:
    """What else was measured of the preferred arms."""
    lines = []
    if result.get("doses"):
        lines += ["", "| dose | " + " | ".join(f"{d['strength'] / result_strength(entry):+.1f}" for entry in result["doses"][:1] for d in entry["doses"]) + " |",
                  "|---|" + "---|" * len(result["doses"][0]["doses"])]
        lines += [f"| {entry['kind']} {entry['name']} | " + " | ".join(f"{d['effect']:+.3f}" for d in entry["doses"]) + " |" for entry in result["doses"]]
    if result.get("survival"):
        lines += ["", "| in other weights | effect | kept | damage |", "|---|---|---|---|"]
        for other in result["survival"]:
            for arm in other["arms"]:
                kept = arm["retention_interval"]
                lines.append(f"| {arm['kind']} {arm['name']}, {other['weights']} | {with_interval(arm)} | "
                             + ("{:.0f} % ({:.0f} … {:.0f})".format(100 * arm["retention"], *(100 * k for k in kept)) if kept else "no effect to keep")
                             + f" | {arm['damage']:.3f} |")
    if result.get("harm"):
        sets = [entry["set"].split("/")[-1].split(".")[0] for entry in result["harm"][0]["choice"]["sets"]]
        lines += ["", "| do no harm | " + " | ".join(f"{name}, points" for name in sets) + " | perplexity |", "|---|" + "---|" * (len(sets) + 1)]
        for arm in result["harm"]:
            cells = [harm_cell(entry) for entry in arm["choice"]["sets"]]
            lines.append(f"| {arm['kind']} {arm['name']} | " + " | ".join(cells) + f" | {arm['plain_perplexity']:.2f} → {arm['perplexity']:.2f} |")
    return lines


def every_arm(results: list[dict]) -> str:
    """All arms of all runs, those of chance too, as the rows of a spreadsheet."""
    lines = ["run,kind,arm,effect,from,to,damage,share the other way"]
    for result in results:
        for arm in result["arms"]:
            low, high = arm["interval"] or ("", "")
            lines.append(",".join(str(round(cell, 6)) if isinstance(cell, float) else str(cell) for cell in
                                  [named(result).replace(",", ""), arm["kind"], arm["name"], arm["effect"], low, high, arm.get("damage") or "", arm["anti_steered"]]))
    return "\n".join(lines) + "\n"


def write(results: list[dict], catalog: pathlib.Path) -> None:
    """The article, its pictures and the table of all arms."""
    resources = catalog / "Resources"
    resources.mkdir(parents=True, exist_ok=True)
    for old in resources.glob("experiment-*"):
        old.unlink()
    (resources / "experiment-arms.csv").write_text(every_arm(results), encoding="utf-8")
    points = [(r["gap"]["difference"], best(r, "expert")["effect"] - best(r, "own")["effect"], named(r)) for r in results if best(r, "expert") and best(r, "own")]
    (resources / "experiment-gap.svg").write_text(experiment_pictures.scatter(points), encoding="utf-8")
    pairings = sorted({word for r in results for arm in r["arms"] for tried in arm.get("tried", []) for word in [tried["note"].split(",")[0]] if "layers" not in word})
    pairs = sorted({r["training_pairs"] for r in results})
    lines = [
        "# Is it the expert's knowledge?", "", "An experiment with controls, and what its figures show.", "", "## Overview", "",
        "ExpertSteer (arXiv 2505.12313) steers a target by directions found in another model's states. Whether the *expert's knowledge* helps is a question",
        "for controls. Directions were fitted on training pairs, layers and pairing of every method chosen on validation pairs, and every arm run once on",
        "test items, all at the same KL on neutral text, the damage. The effect is the change of the log-odds of the positive side, in nats per token, with a 95 %",
        "bootstrap interval clustered by group; hypotheses are tested by paired sign changes, with Holm's adjustment over the four of one run.", "",
        f"This page is made by `tools/experiments/expert-steer` from {len(results)} run{'s' if len(results) > 1 else ''} ({', '.join(sorted({r['part'] for r in results}))}), "
        f"seed 1, kernels {', '.join(sorted({r['kernels'] for r in results}))}; {' to '.join(map(str, dict.fromkeys([pairs[0], pairs[-1]])))} training pairs (two texts each), pairings "
        f"{', '.join(pairings)}. The tables below give the spread of random controls; `Resources/experiment-arms.csv` has each of them with its interval.", "",
        verdict(results), "",
        "The preferred arms of all runs, by validation; own and expert with their intervals, random controls beside them:", "", *summary(results), "",
        "![Gain against gap](experiment-gap)", ""]
    for number, result in enumerate(results, 1):
        picture = f"experiment-{number:02}"
        random = effects(result, "random")
        (resources / f"{picture}.svg").write_text(experiment_pictures.forest(result, percentile(random, 0.95) if random else 0), encoding="utf-8")
        gap = result["gap"]
        lines += [f"## {named(result).capitalize()}", "",
                  f"{result['training_pairs']} training pairs, {result['unlabelled_texts']} unlabelled texts, {result['validation_items']} validation and {result['test_items']} test items in "
                  f"{len(set(result['groups']))} groups; {result['damage']} nats of damage; target {result['target']}, expert {result['expert']}. Held-out AUC: target {gap['target_auc']:.3f}, expert "
                  f"{gap['expert_auc']:.3f}.", "", conclusion(result), "", f"![Arms]({picture})", "", "| arm | effect | per nat | other way | |", "|---|---|---|---|---|"]
        lines += ["| " + " | ".join(row) + " |" for row in arm_rows(result)]
        lines += ["", "| hypothesis | difference | p | Holm | |", "|---|---|---|---|---|"]
        lines += [f"| {h['name']} | {h['difference']:+.3f} | {h['p']:.4f} | {h['p_holm']:.4f} | {'holds' if h['holds'] else 'does not hold'} |" for h in result["hypotheses"]]
        lines += [*details(result), ""]
    (catalog / "Experiment.md").write_text("\n".join(lines), encoding="utf-8")

"""Claims whose wording is chosen by a test's verdict.

The same comparison reads as a finding, as "not shown", or as its opposite.
"""

from jointprune.paper.claims.words import (
    Claim,
    letters,
    listed,
    method_name,
    one_row,
    p_value,
    percent,
    points,
)
from jointprune.paper.comparisons import ALPHA


def baseline_claim(baseline: dict, dataset: str, group: str) -> Claim:
    """All joints against chance: shown if the whole interval lies above chance."""
    accuracy, chance = baseline["accuracy"], baseline["chance"]
    shown = accuracy["low"] > chance
    relation = "is above" if shown else "is not shown to be above"
    return Claim(
        "Baseline",
        f"Accuracy with all joints on {group}s left out of training {relation} chance: "
        f"{percent(accuracy['mean'])} % against {percent(chance)} %.",
        dataset,
        f"{percent(accuracy['mean'])} % [{percent(accuracy['low'])}, {percent(accuracy['high'])}]"
        f", {baseline['folds']} folds x {baseline['seeds']} seeds",
        f"95 % bootstrap interval clustered by {group}, against chance",
        "shown" if shown else "not shown",
    )


def k_star_claim(record: dict, dataset: str, group: str) -> Claim:
    """X of 42: the smallest budget shown to cost at most the margin, or that none is shown."""
    k, joints, spread = record["k"], record["joints"], record["bootstrap"]
    size = f"{100 * record['margin']:g}"
    margin = f"{size}-point margin"
    whole = f"{joints} joints" if joints == 42 else f"{joints} joints of the signing hand"
    seeds = len(record["by_seed"])
    moves = (
        f"{seeds} seed{'s' if seeds > 1 else ''}, resampled {group}s put it between "
        f"{spread['low']:g} and {spread['high']:g}"
    )
    against = "" if joints == 42 else f" against all {joints} of that hand"
    if k < joints:
        sentence = (
            f"{k} of {whole} suffice at a {margin}{against}, so that "
            f"{percent(record['pruned'])} % can be dropped (budgets tested from the largest down; "
            f"{moves})."
        )
    else:
        sentence = f"No set smaller than all {whole} is shown to suffice at a {margin} ({moves})."
    return Claim(
        f"Suffice{letters(joints)}At{letters(size)}",
        sentence,
        dataset,
        "; ".join(_steps(record["steps"]))
        + f"; median over resampled {group}s {spread['median']:g}; each seed alone "
        + ", ".join(f"{alone:g}" for alone in record["by_seed"]),
        "non-inferiority in fixed sequence from the largest budget down, stopped by the first "
        f"that fails, each one-sided at 5 %; bootstrap and sign flips clustered by {group}; the "
        "bound with seeds redrawn is no part of it",
        "shown" if k < joints else "not shown",
    )


def paper_claim(record: dict, dataset: str, group: str) -> Claim:
    """The quick start's sentence for a paper, refused unless the test of K* bears it out."""
    k, joints = record["k"], record["joints"]
    margin = f"{100 * record['margin']:g}-point margin"
    if k < joints:
        sentence = (
            f"We reduced data requirements by discovering that, on {group}s left out of "
            f"training, only {k} of {joints} hand joints suffice at a {margin}, representing a "
            f"{percent(record['pruned'])} % spatial reduction in {dataset}."
        )
    else:
        sentence = (
            f"Refused, as no set smaller than all {joints} joints is shown to suffice at a "
            f"{margin} in {dataset}: this paper may not say that fewer are enough."
        )
    return Claim(
        "ForYourPaper",
        sentence,
        dataset,
        f"as of K* at a {margin}",
        "as of K*; joints are shown to suffice, never to be necessary",
        "shown" if k < joints else "refused",
    )


def _steps(steps: list[dict]) -> list[str]:
    """Each test up to the first that fails; what lies behind it is not tested."""
    passed = [step for step in steps if step["passes"]]
    verbs = ["passes"] * len(passed) + ["fails"]
    words = [
        f"K = {step['k']} {verb} ({points(step['difference'])} points, one-sided 95 % bound "
        f"{points(step['lower_bound'])}, {points(step['crossed_bound'])} if seeds are redrawn "
        f"too, {p_value(step['p'])})"
        for step, verb in zip(steps, verbs, strict=False)
    ]
    return [*words, *(f"K = {step['k']} not reached" for step in steps[len(verbs) :])]


def comparison_claim(record: dict, dataset: str, group: str) -> Claim:
    """The sentence of one declared comparison, worded by its verdict."""
    a, b = (method_name(record[side]["method"], record[side]["k"]) for side in "ab")
    wordings = {"non-inferiority": _noninferiority, "superiority": _superiority}
    sentence, verdict = wordings.get(record["test"], _difference)(record, a, b)
    clips = record["mcnemar"]
    return Claim(
        f"Paired{letters(record['name'])}",
        sentence,
        dataset,
        f"difference {points(record['difference'])} points "
        f"[{points(record['low'])}, {points(record['high'])}], one-sided 95 % bound "
        f"{points(record['lower_bound'])}, {record['runs']} paired runs; {clips['only_a']} clips "
        f"right by most seeds of the first alone, {clips['only_b']} of the second alone",
        f"{record['test']}{_margin(record)}; bootstrap and sign flips clustered by {group}, "
        f"p = {record['p']:.4f}, Holm {record['p_holm']:.4f}{_worse(record)}; beside it "
        "McNemar's test of no difference, which takes clips as independent, "
        f"{p_value(clips['p'])}",
        verdict,
    )


def _worse(record: dict) -> str:
    """Of non-inferiority, the test of its opposite."""
    if "p_worse" not in record:
        return ""
    return f" (of a larger loss {record['p_worse']:.4f}, Holm {record['p_worse_holm']:.4f})"


def _noninferiority(record: dict, a: str, b: str) -> tuple[str, str]:
    margin = f"{_points_of(record['margin'])} against {b}"
    measured = f"({points(record['difference'])} points)"
    if record["noninferior"] and record["p_holm"] < ALPHA:
        return f"Keeping {a} costs at most {margin} {measured}.", "shown"
    if record["high"] < -record["margin"] and record["p_worse_holm"] < ALPHA:
        return f"Keeping {a} costs more than {margin} {measured}.", "opposite shown"
    alone = record["noninferior"] and record["p"] < ALPHA
    why = ", corrected for every declared comparison; alone this test passes" if alone else ""
    if record["high"] < 0:
        why += "; that nothing is lost lies outside its interval"
    return f"It is not shown that keeping {a} costs at most {margin} {measured}{why}.", "not shown"


def _superiority(record: dict, a: str, b: str) -> tuple[str, str]:
    sentence, verdict = _difference(record, a, b)
    worse = verdict == "shown" and record["difference"] < 0
    return sentence, "opposite shown" if worse else verdict


def _difference(record: dict, a: str, b: str) -> tuple[str, str]:
    measured = f"({points(record['difference'])} points)"
    if record["p_holm"] < ALPHA and record["low"] > 0:
        return f"Keeping {a} is more accurate than keeping {b} {measured}.", "shown"
    if record["p_holm"] < ALPHA and record["high"] < 0:
        return f"Keeping {a} is less accurate than keeping {b} {measured}.", "shown"
    return f"No difference is shown between {a} and {b} {measured}.", "not shown"


def _points_of(margin: float) -> str:
    """0.01 as "1 point", 0.02 as "2 points"."""
    return f"{100 * margin:g} point{'' if round(100 * margin, 6) == 1 else 's'}"


def _margin(record: dict) -> str:
    return f" at {_points_of(record['margin'])}" if record["margin"] else ""


def stability_claim(rows: list[dict], dataset: str) -> Claim:
    """Whether 12 learned joints are the same over folds and seeds beyond chance."""
    row = one_row(rows, method="learned", k=12)
    if row["index"] is None:
        sentence = "Whether learned selections of 12 joints agree is not known of one run alone."
        return Claim("Stability", sentence, dataset, "1 selection", "none", "not shown")
    index = f"index {row['index']:.2f} on a scale from 0, chance, to 1, the same joints always"
    if row["low"] > 0:
        words, verdict = "agree over folds and seeds more than by chance", "shown"
    elif row["high"] < 0:
        words, verdict = "agree over folds and seeds less than by chance", "opposite shown"
    else:
        words, verdict = "are not shown to agree over folds and seeds beyond chance", "not shown"
    beside = (
        ("between seeds on the same clips", row["floor"]),
        ("between runs that share neither seed nor fold", row["apart"]),
        ("of random draws with as many joints a hand", _hand_matched(rows)),
    )
    floor = "".join(f"; {what} {index:.3f}" for what, index in beside if index is not None)
    if row["apart"] is not None:
        index += f"; {row['apart']:.2f} where runs share neither seed nor fold"
    return Claim(
        "Stability",
        f"Learned selections of 12 joints {words} ({index}).",
        dataset,
        f"index {row['index']:.3f} [{row['low']:.3f}, {row['high']:.3f}], {row['selections']} "
        f"selections{floor}",
        "95 % interval of the index of Nogueira, Sechidis and Brown (2018) against chance; it "
        "takes runs as independent, but those of one seed share their starting weights, and folds "
        "share training clips",
        verdict,
    )


def _hand_matched(rows: list[dict]) -> float | None:
    """The index of draws that know of the gates how many joints a hand they keep."""
    found = [row for row in rows if (row["method"], row["k"]) == ("hand-matched-random", 12)]
    return found[0]["index"] if found else None


def changes_claim(rows: list[dict], kind: str, dataset: str) -> Claim:
    """Which signs (or groups) win or lose with 12 learned joints, named only where shown."""
    better = [row["name"] for row in rows if row["p_holm"] < ALPHA and row["low"] > 0]
    worse = [row["name"] for row in rows if row["p_holm"] < ALPHA and row["high"] < 0]
    groups = [f"{_named(kind, names)} {words}" for names, words in
              ((better, "better"), (worse, "worse")) if names]  # fmt: skip
    if groups:
        sentence = (
            f"With 12 learned joints {' and '.join(groups)} recognised than with all 42 joints."
        )
    else:
        sentence = (
            f"No {kind} is shown to be recognised better or worse with 12 learned joints than "
            "with all 42."
        )
    ranked = sorted(rows, key=lambda row: row["difference"])
    return Claim(
        f"Changes{letters(kind)}",
        sentence,
        dataset,
        f"{len(rows)} {kind}s; largest loss {_change(ranked[0])}; largest gain "
        f"{_change(ranked[-1])}",
        f"sign flips of paired differences, Holm over the {kind}s",
        "shown" if groups else "not shown",
    )


def _named(kind: str, names: list[str]) -> str:
    """ "the signs A and B are"."""
    return f"the {kind} {names[0]} is" if len(names) == 1 else f"the {kind}s {listed(names)} are"


def _change(row: dict) -> str:
    return (
        f"{row['name']} {points(row['difference'])} points [{points(row['low'])}, "
        f"{points(row['high'])}], Holm {row['p_holm']:.4f}"
    )

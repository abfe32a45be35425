"""Sentences that say as much as their test allows, and no more.

Each claim's wording is chosen by the verdict: the same comparison reads as a finding, as
"not shown", or as its opposite. Numbers are in percent and points (1 point = 0.01 accuracy).
"""

from dataclasses import dataclass
from pathlib import Path

from jointprune.workspace import ROOT, atomic_path

ALPHA = 0.05  # of each test, after Holm's correction over the declared family
STAGES = ("start", "quarter", "half", "end")
PROMISE = {"quarter": (0.10, 0.20), "end": (0.40, 1.0)}  # pruning ratios the quick start expects


@dataclass(frozen=True)
class Claim:
    """One sentence with what it rests on.

    `verdict` is "shown", "not shown", "opposite shown", or "described" where nothing is tested.
    """

    sentence: str
    dataset: str
    numbers: str
    test: str
    verdict: str


def percent(share: float) -> str:
    """0.6224 as "62.2"."""
    return f"{100 * share:.1f}"


def points(difference: float) -> str:
    """A difference of accuracies, -0.0123, as "-1.2"; a rounded nothing is "0.0"."""
    text = f"{100 * difference:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def method_name(method: str, k: int) -> str:
    """The words used in sentences: ("learned", 12) as "12 learned joints"."""
    if method == "full":
        return f"all {k} joints"
    if method in ("learned", "stratified-random", "hand-matched-random"):
        return f"{k} {method} joints"
    return f"the {k} hand-picked joints {method}"


def all_claims(results: dict[str, dict]) -> list[Claim]:
    """Every sentence of claims.md; `results` as `numbers.load_results` gives it."""
    dataset = results["dataset"]["description"]
    paired = [comparison_claim(record, dataset) for record in results["ablation"]["paired"]]
    return [
        baseline_claim(results["baseline"], dataset),
        quick_start_claim(results["pruning"]["quick_start"], dataset),
        *(
            promise_claim(results["pruning"][key], words, dataset)
            for key, words in (("penalty", "a fixed penalty"), ("corrected", "a budget of 12"))
        ),
        *paired,
        hands_claim(results, dataset),
    ]


def baseline_claim(baseline: dict, dataset: str) -> Claim:
    """All joints against chance: shown if the whole interval lies above chance."""
    accuracy, chance = baseline["accuracy"], baseline["chance"]
    shown = accuracy["low"] > chance
    relation = "is above" if shown else "is not shown to be above"
    return Claim(
        f"Accuracy with all joints on alphabets left out of training {relation} chance: "
        f"{percent(accuracy['mean'])} % against {percent(chance)} %.",
        dataset,
        f"{percent(accuracy['mean'])} % [{percent(accuracy['low'])}, {percent(accuracy['high'])}]"
        f", {baseline['folds']} folds x {baseline['seeds']} seeds",
        "95 % bootstrap interval clustered by language, against chance",
        "shown" if shown else "not shown",
    )


def quick_start_claim(quick_start: dict, dataset: str) -> Claim:
    """What the printed mask did, by its own summary."""
    end, accuracy = quick_start["pruning_ratio"]["end"], quick_start["accuracy"]["mean"]
    closed = "closes no joint" if end < 0.005 else f"reports {percent(end)} % of joints closed"
    return Claim(
        f"The quick start's mask inside our network {closed} at the end of training; the "
        f"classifier behind it reaches {percent(accuracy)} % accuracy.",
        dataset,
        f"pruning ratio {percent(end)} %, accuracy {percent(accuracy)} %",
        "measured, no test",
        "described",
    )


def promise_claim(path: dict, words: str, dataset: str) -> Claim:
    """The quick start's expectation (10-20 % a quarter of the way, 40 % at the end) held to."""
    ratio = path["pruning_ratio"]
    kept = all(low <= ratio[when] <= high for when, (low, high) in PROMISE.items())
    verb = "follow" if kept else "do not follow"
    return Claim(
        f"Corrected gates under {words} {verb} the course the quick start expected: "
        f"{percent(ratio['quarter'])} % of joints are closed a quarter of the way in and "
        f"{percent(ratio['end'])} % at the end (expected: 10-20 % and at least 40 %).",
        dataset,
        ", ".join(f"{when} {percent(ratio[when])} %" for when in STAGES)
        + f"; accuracy {percent(path['accuracy']['mean'])} %",
        "measured, no test",
        "described",
    )


def comparison_claim(record: dict, dataset: str) -> Claim:
    """The sentence of one declared comparison, worded by its verdict."""
    a, b = (method_name(record[side]["method"], record[side]["k"]) for side in "ab")
    wordings = {"non-inferiority": _noninferiority, "superiority": _superiority}
    sentence, verdict = wordings.get(record["test"], _difference)(record, a, b)
    return Claim(
        sentence,
        dataset,
        f"difference {points(record['difference'])} points "
        f"[{points(record['low'])}, {points(record['high'])}], one-sided 95 % bound "
        f"{points(record['lower_bound'])}, {record['runs']} paired runs",
        f"{record['test']}{_margin(record)}; bootstrap and sign flips clustered by language, "
        f"p = {record['p']:.4f}, Holm {record['p_holm']:.4f}",
        verdict,
    )


def _noninferiority(record: dict, a: str, b: str) -> tuple[str, str]:
    margin = f"{100 * record['margin']:g} points against {b}"
    measured = f"({points(record['difference'])} points)"
    if record["noninferior"] and record["p_holm"] < ALPHA:
        return f"Keeping {a} costs at most {margin} {measured}.", "shown"
    if record["high"] < -record["margin"]:
        return f"Keeping {a} costs more than {margin} {measured}.", "opposite shown"
    return f"It is not shown that keeping {a} costs at most {margin} {measured}.", "not shown"


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


def _margin(record: dict) -> str:
    return f" at {100 * record['margin']:g} points" if record["margin"] else ""


def hands_claim(results: dict[str, dict], dataset: str) -> Claim:
    """Where the 12 learned joints lie; a zeroed hand is dropped for no merit of the gates."""
    missing, shares = results["dataset"]["missing"], results["pruning"]["frequency"]["12"]
    kept = {
        hand: sum(share for joint, share in shares.items() if joint.startswith(hand))
        for hand in ("right", "left")
    }
    return Claim(
        f"Of the 12 learned joints, on average {kept['right']:.1f} are among the 21 of the "
        f"signing (right) hand and {kept['left']:.1f} among those of the left hand, which is "
        f"missing in {percent(missing['left'])} % of frames: a joint dropped on the left says "
        "little about its use in two-handed signing.",
        dataset,
        f"right {kept['right']:.1f} of 21, left {kept['left']:.1f} of 21; missing frames right "
        f"{percent(missing['right'])} %, left {percent(missing['left'])} %",
        "measured, no test",
        "described",
    )


def claims_text(results: dict[str, dict]) -> str:
    """The whole of claims.md."""
    lines = ["# Claims", "", "Written by `make numbers` from `data/results/`; do not edit.", ""]
    for claim in all_claims(results):
        lines += [
            f"**{claim.sentence}**",
            "",
            f"- dataset: {claim.dataset}",
            f"- numbers: {claim.numbers}",
            f"- test: {claim.test}",
            f"- verdict: {claim.verdict}",
            "",
        ]
    return "\n".join(lines)


def write_claims(results: dict[str, dict], path: Path) -> Path:
    """Write `claims_text` to `path`; smoke results are refused among the paper's files."""
    return write_text(results, path, claims_text(results))


def write_text(results: dict[str, dict], path: Path, text: str) -> Path:
    """Write a text made of `results`, whole or not at all.

    ValueError if `path` is a file of the paper and the results come from a smoke run.
    """
    path = Path(path).resolve()
    if results["dataset"]["smoke"] and path.parent in (ROOT, ROOT / "figures"):
        raise ValueError(
            f"expected results of a full run for {path}, got a smoke run: run `make reproduce`, "
            "or write below build/smoke"
        )
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path

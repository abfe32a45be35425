"""Claims about what was measured without a test: the verdict is "described".

Where a sentence still says yes or no, the line is drawn by a constant of this module.
"""

from jointprune.paper.claims.words import (
    UNTESTED,
    Claim,
    letters,
    listed,
    method_words,
    one_row,
    percent,
)

STAGES = ("start", "quarter", "half", "end")
PROMISE = {"quarter": (0.10, 0.20), "end": (0.40, 1.0)}  # pruning ratios the quick start expects
RECOVERED = 0.95  # of precision and of recall: what counts as finding the synthetic joints
NEAR = 0.02  # of accuracy: "within 2 points" where only means are compared


def quick_start_claim(quick_start: dict, dataset: str) -> Claim:
    """What the printed mask did, by its own summary."""
    end, accuracy = quick_start["pruning_ratio"]["end"], quick_start["accuracy"]["mean"]
    closed = "closes no joint" if end < 0.005 else f"reports {percent(end)} % of joints closed"
    return Claim(
        "QuickStart",
        f"The quick start's mask inside our network {closed} at the end of training; the "
        f"classifier behind it reaches {percent(accuracy)} % accuracy.",
        dataset,
        f"pruning ratio {percent(end)} %, accuracy {percent(accuracy)} %",
        UNTESTED,
        "described",
    )


def promise_claim(path: dict, words: str, dataset: str) -> Claim:
    """The quick start's expectation (10-20 % a quarter of the way, 40 % at the end) held to."""
    ratio = path["pruning_ratio"]
    kept = all(low <= ratio[when] <= high for when, (low, high) in PROMISE.items())
    verb = "follow" if kept else "do not follow"
    return Claim(
        f"Promise{letters(words)}",
        f"Corrected gates under {words} {verb} the course the quick start expected: "
        f"{percent(ratio['quarter'])} % of joints are closed a quarter of the way in and "
        f"{percent(ratio['end'])} % at the end (expected: 10-20 % and at least 40 %).",
        dataset,
        ", ".join(f"{when} {percent(ratio[when])} %" for when in STAGES)
        + f"; accuracy {percent(path['accuracy']['mean'])} %",
        UNTESTED,
        "described",
    )


def synthetic_claims(synthetic: dict) -> list[Claim]:
    """Whether the gates find the joints known to matter, and who stops there untold."""
    rows, k = synthetic["recovery"], synthetic["k"]
    dataset = (
        f"synthetic recordings (generated: {synthetic['clips']} clips, {synthetic['signs']} signs, "
        f"{synthetic['signers']} signers)"
    )
    learned = one_row(rows, method="hard-concrete-budget")
    one_set = one_row(rows, method="hard-concrete-typical")
    others = [row for row in rows if not row["method"].startswith("hard-concrete-")]
    finders = [method_words(row["method"]) for row in others if _recovers(row)]
    verb = "find" if _recovers(learned) else "do not find"
    again = "finds" if _recovers(one_set) else "does not find"
    found = (
        f"Learned gates {verb} the {k} of 42 synthetic joints when told their number: precision "
        f"{learned['precision']:.2f}, recall {learned['recall']:.2f} (at least {RECOVERED:g} is "
        f"called found). The most typical selection of {synthetic['trainings']} trainings {again} "
        f"them: precision {one_set['precision']:.2f}, recall {one_set['recall']:.2f}. Of the "
        f"{len(others)} other methods {listed(finders) if finders else 'none'} "
        f"do{'es' if len(finders) < 2 else ''}."
    )
    at_k = "; ".join(
        f"{row['method']} precision {row['precision']:.2f} [{row['low']:.2f} to "
        f"{row['high']:.2f} over {row['seeds']} seeds], recall {row['recall']:.2f}"
        for row in rows
    )
    return [Claim("Synthetic", found, dataset, at_k, UNTESTED, "described"),
            _stopping_claim(rows, k, dataset)]  # fmt: skip


def _recovers(row: dict) -> bool:
    return min(row["precision"], row["recall"]) >= RECOVERED


def _stopping_claim(rows: list[dict], k: int, dataset: str) -> Claim:
    stops = [row for row in rows if row["stop_k"] is not None]
    near = [f"{method_words(row['method'])} ({row['stop_k']:.1f})" for row in stops
            if min(row["stop_precision"], row["stop_recall"]) >= RECOVERED]  # fmt: skip
    numbers = [
        f"{row['method']} stops at {row['stop_k']:.1f} joints, precision "
        f"{row['stop_precision']:.2f}, recall {row['stop_recall']:.2f}"
        for row in stops
    ]
    return Claim(
        "SyntheticStop",
        f"Not told that {k} joints are synthetic, {listed(near) if near else 'no method'} "
        f"stop{'' if len(near) > 1 else 's'} at them (joints kept on average); {len(rows)} "
        f"methods are compared, of which {len(rows) - len(stops)} have to be told a number.",
        dataset,
        "; ".join(numbers) or "no method stops by itself",
        UNTESTED,
        "described",
    )


def calibration_claim(rows: list[dict], dataset: str) -> Claim:
    """Expected calibration error before and after."""
    before = percent(one_row(rows, method="full", k=42)["ece"])
    after = percent(one_row(rows, method="learned", k=12)["ece"])
    return Claim(
        "Calibration",
        f"The expected calibration error is {before} % with all 42 joints and {after} % with 12 "
        "learned ones.",
        dataset,
        "; ".join(
            f"{row['method']}, {row['k']} joints: {percent(row['ece'])} %"
            for row in rows
            if row["method"] in ("full", "learned")
        ),
        f"{UNTESTED}; 15 bins of equal width",
        "described",
    )


def hands_claim(results: dict[str, dict], dataset: str) -> Claim:
    """Where the 12 learned joints lie; a zeroed hand is dropped for no merit of the gates."""
    missing = results["dataset"]["missing"]["stored"]  # of the hands as networks read them
    kept = one_row(results["ablation"]["hands"], k=12)
    return Claim(
        "Hands",
        f"Of the 12 learned joints, on average {kept['right']:.1f} are among the 21 of the "
        f"signing (right) hand and {kept['left']:.1f} among those of the left hand, which is "
        f"missing in {percent(missing['left'])} % of frames: a joint dropped on the left says "
        "little about its use in two-handed signing.",
        dataset,
        f"right {kept['right']:.1f} of 21, left {kept['left']:.1f} of 21; missing frames, after "
        f"mirroring, right {percent(missing['right'])} %, left {percent(missing['left'])} %",
        UNTESTED,
        "described",
    )


def signing_hand_claim(accuracy: list[dict], dataset: str) -> Claim:
    """How few of the signing hand's own 21 joints come near all 21, by their means."""
    whole = one_row(accuracy, method="right hand", k=21)
    rows = sorted((row for row in accuracy if row["method"] == "learned, signing hand"),
                  key=lambda row: row["k"])  # fmt: skip
    near = [row for row in rows if row["mean"] >= whole["mean"] - NEAR]
    if near:
        least = f"{near[0]['k']} of its 21 joints ({percent(near[0]['mean'])} %) are the fewest"
    else:
        least = "no smaller set of its joints that was tried is"
    return Claim(
        "SigningHand",
        f"On the signing (right) hand alone, which reaches {percent(whole['mean'])} % with all "
        f"its joints, {least} within {100 * NEAR:g} points by their means.",
        dataset,
        "; ".join(f"{row['k']} of 21: {percent(row['mean'])} % [{percent(row['low'])}, "
                  f"{percent(row['high'])}], {row['runs']} runs" for row in (*rows, whole)),
        UNTESTED,
        "described",
    )  # fmt: skip

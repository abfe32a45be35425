"""The README's results: what suffices and the curves first, all other evidence further down."""

from jointprune.paper.claims import (
    MAIN,
    all_claims,
    limits,
    method_words,
    one_row,
    percent,
    retrained,
)

OTHERS_AT, FOR_A_PAPER = 12, "ForYourPaper"


def headline(results: dict[str, dict]) -> str:
    """All that the README says of the results: text and Markdown alike."""
    return "\n\n".join(make(results) for make in BLOCKS.values())


def opening(results: dict[str, dict]) -> str:
    """What suffices, and accuracy by K."""
    dataset = results["dataset"]
    return "\n".join([
        *_listed(results, suffices=True),
        "",
        f"{dataset['description']}, {dataset['clips']} clips; accuracy (%) on "
        f"{dataset['group_word']}s held out, retrained on the joints kept, 95 % interval in "
        "brackets:",
        "",
        *_table(_curves(results["ablation"]["accuracy"])),
    ])  # fmt: skip


def evidence(results: dict[str, dict]) -> str:
    """Other methods at 12, the other tested claims, a sentence for a paper, limits."""
    for_a_paper = next(c.sentence for c in all_claims(results) if c.name == FOR_A_PAPER)
    return "\n".join([
        f"Other ways to choose {OTHERS_AT} joints:",
        "",
        *_table(_others(results["ablation"]["accuracy"])),
        "",
        "What was tested besides:",
        "",
        *_listed(results, suffices=False),
        "",
        f"For your paper: {for_a_paper}",
        "",
        "Limits:",
        "",
        *(f"- {sentence}" for sentence in limits(results)),
    ])  # fmt: skip


# What stands between `<!-- NAME:begin -->` and `<!-- NAME:end -->`.
BLOCKS = {"results": opening, "evidence": evidence}


def _listed(results: dict[str, dict], suffices: bool) -> list[str]:
    """Sentences that rest on a test: those of K*, or the others."""
    return [
        f"- {claim.sentence}"
        for claim in all_claims(results)
        if claim.verdict != "described" and claim.name != FOR_A_PAPER
        and claim.name.startswith("Suffice") == suffices
    ]  # fmt: skip


def _curves(accuracy: list[dict]) -> list[tuple[str, ...]]:
    """One row a K, one column a method; with all joints every method is the same network."""
    full = one_row(accuracy, method="full")
    rows = [("joints", *(method_words(method) for method in MAIN)),
            (str(full["k"]), _with_interval(full), *[percent(full["mean"])] * 3)]  # fmt: skip
    means = {(row["method"], row["k"]): percent(row["mean"]) for row in accuracy}
    for row in sorted((r for r in accuracy if r["method"] == "learned"), key=lambda r: -r["k"]):
        others = (means.get((method, row["k"]), "") for method in MAIN[1:])
        rows.append((str(row["k"]), _with_interval(row), *others))
    return rows


def _others(accuracy: list[dict]) -> list[tuple[str, ...]]:
    """Methods outside the curves that were retrained at K = 12, best first."""
    chosen = [row for row in accuracy
              if row["k"] == OTHERS_AT and row["method"] not in MAIN
              and retrained(row["method"])]  # fmt: skip
    rows = [("chosen by", "accuracy", "runs")]
    for row in sorted(chosen, key=lambda row: -row["mean"]):
        rows.append((method_words(row["method"]), _with_interval(row), str(row["runs"])))
    return rows


def _with_interval(row: dict) -> str:
    return f"{percent(row['mean'])} [{percent(row['low'])}, {percent(row['high'])}]"


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    ruled = [rows[0], tuple("-" * width for width in widths), *rows[1:]]
    return [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in ruled
    ]


def with_results(text: str, results: dict[str, dict]) -> str:
    """A README with what stands between each block's two markers made anew."""
    for name, make in BLOCKS.items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
            raise ValueError(
                f"expected README.md to hold {begin} and then {end} once each: add them"
            )
        before, after = text.split(begin)[0], text.split(end)[1]
        text = f"{before}{begin}\n{make(results)}\n{end}{after}"
    return text

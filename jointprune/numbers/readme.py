"""The README's results: two tables and the verdicts."""

from jointprune.claims import MAIN, all_claims, limits, method_words, one_row, percent, retrained

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
OTHERS_AT = 12


def headline(results: dict[str, dict]) -> str:
    """Accuracy by K, other methods at 12, tested claims, limits: text and Markdown alike."""
    dataset, accuracy = results["dataset"], results["ablation"]["accuracy"]
    held_out = f"{dataset['group_word']}s held out"
    claims = {claim.name: claim for claim in all_claims(results)}
    for_a_paper = claims.pop("ForYourPaper").sentence
    tested = [claim for claim in claims.values() if claim.verdict != "described"]
    return "\n".join([
        f"{dataset['description']}, {dataset['clips']} clips; accuracy (%) on {held_out}, "
        "retrained on the joints kept, 95 % interval in brackets:",
        "",
        *_table(_curves(accuracy)),
        "",
        f"Other ways to choose {OTHERS_AT} joints:",
        "",
        *_table(_others(accuracy)),
        "",
        *(f"- {claim.sentence}" for claim in tested),
        "",
        f"For your paper: {for_a_paper}",
        "",
        "Limits:",
        "",
        *(f"- {sentence}" for sentence in limits(results)),
    ])  # fmt: skip


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


def readme_block(results: dict[str, dict], text: str) -> str:
    """`text` with what stands between the two markers replaced by `headline`."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"expected README.md to hold {BEGIN} and then {END} once each: add them")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    return f"{before}{BEGIN}\n{headline(results)}\n{END}{after}"

"""From results to the paper: each number once, by name, with its source beside it.

`python -m jointprune.numbers` writes `figures/numbers.tex`, `figures/claims.md` and the
README's results block; `--check` compares all of it with `data/results/published.json`,
which `--publish` writes.
"""

import argparse
import re
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from jointprune.claims import (
    STAGES,
    all_claims,
    claims_text,
    percent,
    points,
    write_claims,
    write_text,
)
from jointprune.workspace import Workspace

PARTS = ("dataset", "baseline", "pruning", "ablation")
TOLERANCE = 0.03  # of scores: training again on another machine moves a mean by about a point
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
ONES = (
    "Zero One Two Three Four Five Six Seven Eight Nine Ten Eleven Twelve Thirteen Fourteen "
    "Fifteen Sixteen Seventeen Eighteen Nineteen"
).split()
TENS = "Twenty Thirty Forty Fifty Sixty Seventy Eighty Ninety".split()


@dataclass(frozen=True)
class Number:
    """A value, how it is printed, where it stands, and how closely it must come back.

    `kind` is "count" (facts of data and design: equal) or "score" (trained: `TOLERANCE`).
    """

    value: float
    text: str
    source: str
    kind: str


def load_results(workspace: Workspace) -> dict[str, dict]:
    """The four results of the paper by name, refused if they do not belong together."""
    results = {name: workspace.read_json(f"{name}.json") for name in PARTS}
    for field in ("data_sha256", "smoke"):
        found = {name: facts[field] for name, facts in results.items()}
        if len(set(found.values())) > 1:
            raise ValueError(
                f"expected results of one run, got {field} {found}: run the notebooks 01 to 04 "
                "again with one profile"
            )
    return results


def letters(text: str | int) -> str:
    """A macro's part of letters only: "learned-12 vs full" as LearnedTwelveVsFull."""
    words = re.findall(r"[A-Za-z]+|[0-9]+", str(text))
    return "".join(_spelled(int(w)) if w.isdigit() else w[0].upper() + w[1:] for w in words)


def _spelled(number: int) -> str:
    """0 to 99 in words, 42 as FortyTwo."""
    if number < 20:
        return ONES[number]
    return TENS[number // 10 - 2] + (ONES[number % 10] if number % 10 else "")


def collect(results: dict[str, dict]) -> dict[str, Number]:
    """Every number of the paper by macro name, in the order of the notebooks."""
    return {
        **_dataset_numbers(results["dataset"]),
        **_baseline_numbers(results["baseline"]),
        **_pruning_numbers(results["pruning"]),
        **_ablation_numbers(results["ablation"]),
    }


def _count(value: float, source: str) -> Number:
    return Number(value, f"{value:.10g}", source, "count")


def _score(value: float, source: str) -> Number:
    return Number(value, percent(value), source, "score")


def _points(value: float, source: str) -> Number:
    return Number(value, points(value), source, "score")


def _interval(name: str, accuracy: dict, source: str) -> dict[str, Number]:
    """The macros `name`, its Low and its High, from mean, low and high."""
    ends = (("mean", ""), ("low", "Low"), ("high", "High"))
    return {name + suffix: _score(accuracy[key], source + key) for key, suffix in ends}


def _dataset_numbers(facts: dict) -> dict[str, Number]:
    source = "data/results/dataset.json:"
    sizes = {key: facts[key] for key in ("clips", "groups", "classes")}
    sizes |= {key: len(facts[key]) for key in ("two_handed", "mirrored", "folds")}
    sizes |= {f"frames.{key}": facts["frames"][key] for key in ("min", "median", "max")}
    numbers = {f"JP{letters(key)}": _count(size, source + key) for key, size in sizes.items()}
    for hand in ("left", "right"):
        share, place = facts["missing"][hand], f"{source}missing.{hand}"
        numbers[f"JPMissing{letters(hand)}"] = Number(share, percent(share), place, "count")
    return numbers


def _baseline_numbers(facts: dict) -> dict[str, Number]:
    source = "data/results/baseline.json:"
    numbers = {f"JPBaseline{letters(key)}": _count(facts[key], source + key)
               for key in ("runs", "seeds", "parameters")}  # fmt: skip
    chance = Number(facts["chance"], percent(facts["chance"]), source + "chance", "count")
    accuracy = _interval("JPBaselineAccuracy", facts["accuracy"], source + "accuracy.")
    return {**numbers, "JPChance": chance, **accuracy}


def _pruning_numbers(facts: dict) -> dict[str, Number]:
    source = "data/results/pruning.json:"
    numbers = {f"JP{letters(key)}": _count(facts[key], source + key)
               for key in ("joints", "epochs")}  # fmt: skip
    for mask in ("quick_start", "corrected", "penalty"):
        name, place = f"JP{letters(mask)}", f"{source}{mask}."
        accuracy = facts[mask]["accuracy"]["mean"]
        numbers[f"{name}Accuracy"] = _score(accuracy, f"{place}accuracy.mean")
        for when in STAGES:
            ratio = facts[mask]["pruning_ratio"][when]
            numbers[f"{name}Ratio{letters(when)}"] = _score(ratio, f"{place}pruning_ratio.{when}")
    return numbers


def _ablation_numbers(facts: dict) -> dict[str, Number]:
    source = "data/results/ablation.json:"
    numbers = {}
    for row in facts["accuracy"]:
        place = f"{source}accuracy[{row['method']} k={row['k']}]."
        name = f"JPAccuracy{letters(row['method'])}{letters(row['k'])}"
        numbers |= {
            **_interval(name, row, place),
            f"{name}Runs": _count(row["runs"], f"{place}runs"),
        }
    for record in facts["paired"]:
        place = f"{source}paired[{record['name']}]."
        name = f"JPPaired{letters(record['name'])}"
        for key in ("difference", "low", "high", "lower_bound"):
            numbers[name + letters(key)] = _points(record[key], place + key)
        if record["margin"]:
            text, place = f"{100 * record['margin']:g}", f"{place}margin"
            numbers[f"{name}Margin"] = Number(record["margin"], text, place, "count")
    return numbers


def tex(results: dict[str, dict]) -> str:
    """The whole of numbers.tex: percent and points without the unit, for text or maths."""
    lines = ["% Written by `make numbers` from data/results; do not edit."]
    for name, number in collect(results).items():
        lines.append(f"\\newcommand{{\\{name}}}{{\\ensuremath{{{number.text}}}}}% {number.source}")
    return "\n".join(lines) + "\n"


def write_tex(results: dict[str, dict], path: Path) -> Path:
    """Write numbers.tex; smoke results are refused in the repository's own figures folder."""
    return write_text(results, path, tex(results))


def headline(results: dict[str, dict]) -> str:
    """A table of accuracy by K and method, then the verdicts: plain text and Markdown alike."""
    rows = [("joints", "chosen", "accuracy (%)", "95 % interval", "runs")]
    ordered = sorted(results["ablation"]["accuracy"], key=lambda row: (-row["k"], -row["mean"]))
    for row in ordered:
        interval = f"{percent(row['low'])} to {percent(row['high'])}"
        mean, runs = percent(row["mean"]), str(row["runs"])
        rows.append((str(row["k"]), row["method"], mean, interval, runs))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    rows.insert(1, tuple("-" * width for width in widths))
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    tested = [claim for claim in all_claims(results) if claim.verdict != "described"]
    verdicts = [f"- {claim.sentence}" for claim in tested]
    title = f"{results['dataset']['description']}, {results['dataset']['clips']} clips, "
    return "\n".join([title + "languages held out:", "", *lines, "", *verdicts])


def readme_block(results: dict[str, dict], text: str) -> str:
    """`text` with what stands between the two markers replaced by `headline`."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"expected README.md to hold {BEGIN} and then {END} once each: add them")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    return f"{before}{BEGIN}\n{headline(results)}\n{END}{after}"


def write_readme_block(results: dict[str, dict], readme: Path) -> Path:
    """Rewrite the README's results block in place; smoke results are refused."""
    text = Path(readme).read_text(encoding="utf-8")
    return write_text(results, readme, readme_block(results, text))


def stale_files(results: dict[str, dict], root: Path) -> list[str]:
    """What under `root` does not say what the results say, one line a file."""
    readme = root / "README.md"
    expected = {
        root / "figures" / "numbers.tex": tex(results),
        root / "figures" / "claims.md": claims_text(results),
        readme: readme_block(results, readme.read_text(encoding="utf-8")),
    }
    return [
        f"{path.relative_to(root)} differs from what data/results says: run `make numbers`"
        for path, text in expected.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]


def differences(results: dict[str, dict], published: dict) -> list[str]:
    """What differs from the published numbers beyond its tolerance, one line a number."""
    found = []
    if results["dataset"]["data_sha256"] != published["data_sha256"]:
        found.append(f"data_sha256: published {published['data_sha256']}, "
                     f"got {results['dataset']['data_sha256']}")  # fmt: skip
    fresh, old = collect(results), published["numbers"]
    for name in sorted(set(fresh) ^ set(old)):
        found.append(f"{name}: {'not published' if name in fresh else 'published, not found now'}")
    for name in (name for name in fresh if name in old):
        allowed = published["tolerance"] if fresh[name].kind == "score" else 1e-9
        if abs(fresh[name].value - old[name]["value"]) > allowed:
            found.append(f"{name}: published {old[name]['value']:g}, got {fresh[name].value:g}, "
                         f"allowed {allowed:g} ({fresh[name].source})")  # fmt: skip
    return found


def publish(results: dict[str, dict], workspace: Workspace) -> Path:
    """Write published.json: every number with its kind and source, and the tolerance."""
    if results["dataset"]["smoke"]:
        raise ValueError("expected results of a full run, got a smoke run: run `make reproduce`")
    numbers = {name: asdict(number) for name, number in collect(results).items()}
    return workspace.write_json(
        "published.json",
        {"numbers": numbers, "tolerance": TOLERANCE},
        data_sha256=results["dataset"]["data_sha256"],
        config=results["ablation"]["config"],
        smoke=False,
    )


def main(arguments: list[str] | None = None) -> int:
    """Write, check or publish; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m jointprune.numbers", description=__doc__)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="compare with published.json")
    mode.add_argument("--publish", action="store_true", help="write published.json")
    options, workspace = parser.parse_args(arguments), Workspace(".")
    results = load_results(workspace)
    if options.check:
        found = differences(results, workspace.read_json("published.json"))
        found += stale_files(results, workspace.path)
        print("\n".join(found) or "results, numbers.tex, claims.md and README agree as published")
        return int(bool(found))
    if options.publish:
        print(publish(results, workspace))
        return 0
    write_tex(results, workspace.figures / "numbers.tex")
    write_claims(results, workspace.figures / "claims.md")
    write_readme_block(results, workspace.path / "README.md")
    print(headline(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())

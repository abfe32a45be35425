"""The paper's text files, all made from data/results: numbers, claims, joints, README block.

`python -m jointprune.paper.report` writes them. `--show` only prints the headline, `--check`
compares files and numbers with the published ones, `--publish` makes the current ones published.

A number's key is its place in data/results: the quantity, the row and the field, joined by dots,
as in `accuracy.learned.12.low`. A field's `_` is written `-`; the fields `mean` and `value` and
the regime `retrained` are left out. `figures/README.md` lists the keys.
"""

import argparse
import json
import re
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from operator import itemgetter
from pathlib import Path

import numpy as np

from jointprune.agreement import MATCHED_KEYS
from jointprune.paper import vocabularies
from jointprune.paper.claims import (
    AT,
    OPPOSITE,
    VERDICTS,
    all_claims,
    brief,
    comparison_key,
    declared,
    interval,
    k_star_key,
    limits,
    one_row,
    percent,
    points,
)
from jointprune.paper.results import WRITERS, read_facts, write_facts
from jointprune.selection import METHODS, curve_methods
from jointprune.skeleton import HANDS, JOINT_NAMES, hand_index
from jointprune.workspace import DEFAULT_DATASET, ROOT, Workspace, atomic_path, told

# Strata with a column of their own in the table of accuracy by K, beside their method.
BY_STRATUM = {"learned": ("one-handed", "two-handed"), "stratified-random": ("two-handed",)}
PARTS = ("dataset", "baseline", "pruning", "failures", "synthetic", "ablation", "cost")
# How much a number may change when everything is run again, by its kind, and that in words; None:
# not compared. K* and the verdicts of claims have to stay the same.
KINDS = {
    "count": (1e-9, "nothing"),  # facts of data and design; K*; which steps of its test passed
    "score": (0.03, "3 points"),  # on another machine a mean accuracy changes by about a point
    "difference": (0.009, "0.9 points"),  # of two accuracies; less than half of the 2-point margin
    # Of an interval. With 5 sessions it hangs on single ones: 4.3 points on another processor.
    "end": (0.05, "5 points"),
    "agreement": (0.15, "0.15 (15 points of a share)"),  # of selections: two of 12 joints differ
    "joints": (1.5, "1.5 joints"),  # mean number of joints
    "spread": (9.0, "9 joints"),  # of K* over resampled groups: a step of the curve, from 21 to 30
    "p": (1.0, "a factor of 10"),  # orders of magnitude of a p value
    "free": (None, "not compared"),  # times, demonstrations, and counts behind tests
}


@dataclass(frozen=True)
class Number:
    """A value, its printed text, its place in data/results, and its kind, one of `KINDS`."""

    value: float
    text: str
    source: str
    kind: str


def load_results(workspace: Workspace) -> dict[str, dict]:
    """The paper's JSON results by name; those on synthetic data belong to the default data set.

    Raises ValueError if they come from different runs; synthetic data has its own checksum.
    """
    parts = [name for name in PARTS if name != "synthetic" or workspace.dataset == DEFAULT_DATASET]
    if (workspace.results / "committers.json").is_file():
        parts.append("committers")
    results = {name: read_facts(workspace, f"{name}.json") for name in parts}
    for field in ("data_sha256", "smoke"):
        found = {name: facts[field] for name, facts in results.items()
                 if (name, field) != ("synthetic", "data_sha256")}  # fmt: skip
        if len(set(found.values())) > 1:
            raise ValueError(
                f"expected results of one run, got {field} {found}: run the notebooks 01 to 04 "
                "again with one profile"
            )
    return results


def _p(p: float) -> str:
    return "<0.0001" if p < 0.0001 else f"{p:.4f}"


# Kind and printed form of a number. Percent and points are printed without the unit.
COUNT, PART = ("count", "{:.10g}".format), ("count", percent)
SCORE, DIFFERENCE = ("score", percent), ("difference", points)
END, END_OF_DIFFERENCE = ("end", percent), ("end", points)
SHARE, JOINTS = ("agreement", "{:.2f}".format), ("joints", "{:.1f}".format)
SPREAD, FREE, P = ("spread", "{:g}".format), ("free", "{:.4g}".format), ("p", _p)

CHANGE = {("free", points): "difference low high"}
# Where the numbers are: (key, file, place in the file, columns that name a row of a list, fields
# by kind). Without columns it is one row. A field that is a list counts as its length.
TABLES = (
    ("dataset", "dataset", "", "", {
        COUNT: "clips groups classes two_handed mirrored folds frames.min frames.median "
               "frames.max missing.stored.never_left",
        PART: "missing.stored.left missing.stored.right"}),
    ("baseline", "baseline", "", "", {
        COUNT: "runs seeds folds parameters", PART: "chance", P: "p",
        SCORE: "accuracy.mean", END: "accuracy.low accuracy.high"}),
    ("control", "ablation", "control", "", {COUNT: "works", PART: "chance"}),
    ("pruning", "pruning", "", "", {COUNT: "joints epochs"}),
    ("synthetic", "synthetic", "", "", {COUNT: "clips signs signers k trainings"}),
    ("cost", "cost", "", "", {COUNT: "frames", PART: "projection_share"}),
    ("failures", "failures", "cases", "name", {FREE: "broken.value fixed.value"}),
    ("synthetic", "synthetic", "recovery", "method", {
        SHARE: "precision recall low high stop_precision stop_recall", JOINTS: "stop_k"}),
    ("accuracy", "ablation", "accuracy", "regime method k", {
        SCORE: "mean", END: "low high", COUNT: "runs"}),
    ("deciding", "ablation", "deciding", "method k", {
        SCORE: "mean", END: "low high", COUNT: "runs"}),
    ("control", "ablation", "control.rows", "method k", {
        SCORE: "mean", END: "low high", COUNT: "runs leaks"}),
    ("strata", "ablation", "strata", "regime method k stratum", {
        SCORE: "mean", ("free", percent): "low high", COUNT: "clips groups"}),
    ("reduction", "ablation", "reduction", "method k", {
        PART: "joints", SCORE: "joint_frames"}),
    ("stability", "ablation", "stability", "method k", {
        SHARE: "index low high matched matched_low matched_high floor apart",
        FREE: "above_matched"}),
    ("calibration", "ablation", "calibration", "regime method k", {SCORE: "ece"}),
    ("hands", "ablation", "hands", "k", {("joints", "{:.2f}".format): "left right"}),
    ("overlap", "ablation", "overlap", "source k", {
        ("free", _p): "p_holm p", ("joints", "{:g}".format): "ours shared", COUNT: "theirs",
        JOINTS: "expected", ("free", "{:g}".format): "anatomical"}),
    ("changes.class", "ablation", "changes.class", "name", CHANGE | {P: "p_holm"}),
    ("changes.group", "ablation", "changes.group", "name", CHANGE),
    ("leave-out", "ablation", "leave_out", "name", {
        DIFFERENCE: "loss", END_OF_DIFFERENCE: "low high", ("score", points): "retrained_loss"}),
    ("encoders", "ablation", "encoders", "encoder joints k", {
        SCORE: "mean", END: "low high", COUNT: "runs", ("agreement", percent): "overlap"}),
    ("cost", "cost", "rows", "encoder k", {
        COUNT: "parameters flops input_bytes", FREE: "latency_ms latency_low latency_high"}),
)  # fmt: skip
COURSE = {SCORE: "accuracy.mean pruning_ratio.start pruning_ratio.quarter pruning_ratio.half "
                 "pruning_ratio.end"}  # fmt: skip
K_STAR = {
    COUNT: "k reference.works",
    SPREAD: "bootstrap.low bootstrap.median bootstrap.high",
    PART: "reference.chance",
    SCORE: "reference.accuracy reference.lower_bound",
    P: "reference.p",
}
STEP = {DIFFERENCE: "difference lower_bound crossed_bound equal_groups", P: "p",
        END_OF_DIFFERENCE: "low high", COUNT: "passes", FREE: "seeds_alone",
        ("free", percent): "power_at_0 power_at_1"}  # fmt: skip
STRATUM = {("score", points): "difference low high", COUNT: "groups"}
PAIRED = {DIFFERENCE: "difference", END_OF_DIFFERENCE: "low high lower_bound", COUNT: "runs",
          P: "p p_holm"}  # fmt: skip


def _rows(results: dict[str, dict]) -> Iterator[tuple[str, str, dict, dict]]:
    """Key, source, facts and fields of each row of numbers."""
    taken, ablation = set(), results["ablation"]
    for key, file, place, columns, fields in TABLES:
        if file not in results:
            continue
        source, found = f"data/results/{file}.json:{place}", _at(results[file], place)
        if not columns:
            yield key, f"{source}." if place else source, found, fields
            continue
        columns = columns.split()
        for row in sorted(found, key=itemgetter(*columns)):
            where = "; ".join(f"{column}={row[column]}" for column in columns)
            name = ".".join((key, *(_part(row[c]) for c in columns if row[c] != "retrained")))
            while name in taken:  # names that differ only in characters that a key cannot hold
                name += "-2"
            taken.add(name)
            yield name, f"{source}[{where}].", row, fields
    for method, course in results["pruning"]["course"].items():
        yield f"course.{method}", f"data/results/pruning.json:course.{method}.", course, COURSE
    for record in ablation["k_star"]:
        key, where = k_star_key(record), f"joints={record['joints']}; margin={record['margin']}"
        source = f"data/results/ablation.json:k_star[{where}]."
        alone = _places("by_seed.", record["by_seed"])
        moved = "moved_by_one_group" if record["by_seed"] else ""
        yield key, source, record, K_STAR | {FREE: f"by_test {alone} {moved}"}
        for name in ("leave_one_seed_out", "leave_one_group_out"):
            if ks := record[name]:
                end = name.replace("_", "-")
                yield f"{key}.{end}", f"{source}{name}.", ks, {FREE: _places("", ks)}
        for step in record["steps"]:
            name, place = f"{key}.step.{step['k']}", f"{source}steps[k={step['k']}]."
            yield name, place, step, STEP
            for part in step["strata"]:
                where = f"{place}strata[stratum={part['stratum']}]."
                yield f"{name}.{_part(part['stratum'])}", where, part, STRATUM
    for place in ("paired", "one_set"):
        for record in ablation[place]:
            source = f"data/results/ablation.json:{place}[name={record['name']}]."
            yield comparison_key(record), source, record, PAIRED


def number_rows(results: dict[str, dict]) -> dict[str, dict[str, Number]]:
    """Rows of numbers by key, each a dict from the end of a number's key to the number."""
    rows = {}
    for key, source, facts, fields in _rows(results):
        row = rows.setdefault(key, {})
        for (kind, text), paths in fields.items():
            for path in paths.split():
                value = _at(facts, path)
                if value is not None:
                    value = len(value) if isinstance(value, list) else value
                    parts = path.replace("_", "-").split(".")
                    end = ".".join(part for part in parts if part not in ("mean", "value"))
                    row.setdefault(end, Number(value, text(value), source + path, kind))
    for key in map(k_star_key, results["ablation"]["k_star"]):
        rows[key] = {"": rows[key].pop("k")} | rows[key]
    whole, part = rows["dataset"]["groups"], rows["dataset"]["two-handed"]
    rest, source = whole.value - part.value, f"{whole.source} - {part.source}"
    rows["dataset"]["one-handed"] = Number(rest, str(rest), source, "count")
    return rows


def numbers(results: dict[str, dict]) -> dict[str, Number]:
    """Every number of the paper by its key."""
    return {
        f"{row}.{end}" if end else row: number
        for row, fields in number_rows(results).items()
        for end, number in fields.items()
    }


def _at(facts: dict | list, path: str):
    for step in filter(None, path.split(".")):
        if isinstance(facts, dict) and step not in facts:
            raise ValueError(
                f"expected {path} in the results, got only {', '.join(facts)}: they are of other "
                "code; run the notebooks 01 to 04 again"
            )
        facts = facts[int(step)] if isinstance(facts, list) else facts[step]
    return facts


def _places(start: str, values: list) -> str:
    return " ".join(f"{start}{place}" for place in range(len(values)))


def _part(name: str | int) -> str:
    """A name as part of a key: letters, digits, `_`, `-` and `.`; anything else becomes `-`."""
    return re.sub(r"[^\w.-]+", "-", unicodedata.normalize("NFC", str(name)))


# LaTeX.

TEX_HEADER = r"""% Made from data/results by `make numbers`; do not edit. Keys: figures/README.md.
% A second run in the same document: \jpload{second}{../../second/figures/numbers}, whose numbers
% are then \jp{second.KEY}. An unknown key is an error: Undefined control sequence \jpUnknownKey.
\providecommand{\jpprefix}{}
\providecommand{\jpload}[2]{\def\jpprefix{#1.}\input{#2}\def\jpprefix{}}
\providecommand{\jp}[1]{\csname jp@#1\ifcsname jp@#1\endcsname\else\jpUnknownKey\fi\endcsname}
\providecommand{\jpclaim}[1]{\jp{#1.sentence}}
\providecommand{\jpdefine}[2]{\expandafter\newcommand\csname jp@\jpprefix#1\endcsname{#2}}
"""
ESCAPES = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\ensuremath{<}", ">": r"\ensuremath{>}", "|": r"\textbar{}", '"': "''",
} | {special: f"\\{special}" for special in "{}%#&_$"}  # fmt: skip
# Letters that pdflatex sets as they are, with T1 fonts: most of Latin-1 and Latin Extended-A.
LATIN = {chr(code) for code in range(0xA1, 0x180)} - set("ĦħĸĿŀŉŦŧſ") | set("ȘșȚț")


def latex(text: str) -> str:
    """Plain text for pdflatex; a letter that its fonts lack becomes its code, U+5B57."""
    letters = (
        ESCAPES.get(letter)
        or (letter if letter.isascii() or letter in LATIN else rf"\texttt{{U+{ord(letter):04X}}}")
        for letter in unicodedata.normalize("NFC", text)
    )
    return re.sub(r"(?<![\w.])-(?=\d)", r"\\ensuremath{-}", "".join(letters))


def key_prefix(results: dict[str, dict]) -> str:
    """The prefix of all keys of an imported data set, such as "mine."; "" for the default."""
    name = results["dataset"]["dataset"]
    return "" if name == DEFAULT_DATASET else f"{_part(name)}."


def numbers_tex(results: dict[str, dict]) -> str:
    """The whole of numbers.tex: bare numbers for siunitx, one per line, with their source."""
    measured_on = {
        "synthetic": "synthetic data",
        "cost": "one clip, untrained networks",
        "failures": "demonstrations",
    }
    lines = []
    for key, number in numbers(results).items():
        dataset = measured_on.get(key.split(".")[0], results["dataset"]["description"])
        lines.append((key, number.text, f"{number.source}; {dataset}"))
    return _tex(lines, results)


def claims_tex(results: dict[str, dict]) -> str:
    """The whole of claims.tex: sentences with their verdict; a refused one is an error."""
    lines = []
    for claim in all_claims(results):
        text = latex(claim.sentence)
        if claim.verdict == "refused":
            text = rf"\PackageError{{jointprune}}{{{text}}}{{See claims.md.}}"
        lines.append((f"{claim.key}.sentence", text, f"{claim.verdict}; {claim.dataset}"))
    return _tex(lines, results)


def _tex(lines: list[tuple[str, str, str]], results: dict[str, dict]) -> str:
    prefix = key_prefix(results)
    defined = (rf"\jpdefine{{{prefix}{key}}}{{{text}}}% {note}" for key, text, note in lines)
    return TEX_HEADER + "\n".join((*defined, ""))


# Markdown and JSON.

VERDICT_HEADINGS = {
    VERDICTS[True]: "Established",
    OPPOSITE: "The opposite is established",
    VERDICTS[False]: "Not established",
    "refused": "Refused: do not use",
    "described": "Described, without a test",
}


def claims_text(results: dict[str, dict]) -> str:
    """The whole of claims.md: claims by verdict, accuracy by K, limits, then tests and numbers."""
    claims, rows, prefix = all_claims(results), number_rows(results), key_prefix(results)
    parts = [
        "# Claims\n\nWritten by `make numbers` from `data/results/`; do not edit. Each sentence "
        "links to its test and numbers, under the key that `\\jpclaim` takes.\n"
    ]
    said = {}
    for claim in claims:
        sentence, key = claim.sentence.replace("*", r"\*"), prefix + claim.key
        anchor = re.sub(r"[^\w-]", "", key.lower())  # which GitHub gives a heading
        said.setdefault(claim.verdict, []).append(f"- {sentence} ([{key}](#{anchor}))\n")
    for verdict, heading in VERDICT_HEADINGS.items():
        if verdict in said:
            parts.append(f"## {heading}\n\n{''.join(said[verdict])}")
    parts.append(f"## Accuracy by K\n\n{by_k(results)}\n")
    bounds = "".join(f"- {limit}\n" for limit in limits(results)).replace("*", r"\*")
    parts.append(f"## Limits\n\n{bounds}")
    parts.append(
        "## Tests and numbers\n\nAccuracies and shares are in percent, differences in points. "
        "Tables hold the keys of LaTeX: `\\jp{key.column}`, and `\\jp{key}` for the column "
        "`value`.\n"
    )
    for claim in claims:
        parts.append(
            f"### {prefix}{claim.key}\n\n- verdict: {claim.verdict}\n- data set: {claim.dataset}\n"
            f"- test: {claim.test}\n"
        )
        tables = {}  # rows with the same columns share a table
        for pattern in claim.numbers:
            shown = _matching(pattern, rows)
            ends = tuple(dict.fromkeys(end for row in shown.values() for end in row))
            tables.setdefault(ends, {}).update(shown)
        for ends, shown in tables.items():
            table = [("key", *(end or "value" for end in ends))]
            for key, row in shown.items():
                cells = (row[end].text if end in row else "" for end in ends)
                table.append((f"`{prefix}{key}`", *cells))
            parts.append(f"{markdown_table(table)}\n")
    return "\n".join(parts)


def _matching(pattern: str, rows: dict[str, dict]) -> dict[str, dict]:
    """The rows whose key matches."""
    return {key: row for key, row in rows.items() if fnmatchcase(key, pattern)}


def markdown_table(rows: list[tuple[str, ...]]) -> str:
    """A Markdown table with aligned columns; the first row is its header."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    ruled = [rows[0], ["-" * width for width in widths], *rows[1:]]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in ruled
    )


def headline(results: dict[str, dict]) -> str:
    """The README's results in Markdown: K*, 12 joints, declared comparisons, strata, control."""
    claims = {claim.key: claim for claim in all_claims(results)}
    first = results["ablation"]["k_star"][0]
    key = k_star_key(first)
    said = [brief(first, claims[key], results["dataset"]["group_word"])]
    said.append(claims[f"{key}.step.{AT}"].sentence)
    if results["ablation"]["paired"]:
        said.append(declared(results))
    others = (f"paired.one-set-{first['k']}.full", "strata", "control")
    said += [claims[other].sentence for other in others if other in claims]
    return "\n".join(f"- {sentence}" for sentence in said)


def by_k(results: dict[str, dict]) -> str:
    """Accuracy by K in Markdown: a table, how its rows were made, and what the tests average."""
    dataset, ablation, seeds = results["dataset"], results["ablation"], results["baseline"]["seeds"]
    apart = " and ".join(METHODS[name].label for name in curve_methods() if METHODS[name].holds_out)
    text = (
        f"Accuracy (%) on held-out {dataset['group_word']}s after retraining on K joints, "
        f"95 % CI in brackets; {dataset['description']}, {dataset['clips']} clips:\n\n"
        f"{markdown_table(_curves(ablation))}\n\n"
        f"To choose joints, {apart} holds out a quarter of the training groups; the others train "
        "on all of them."
    )
    more = len(ablation["k_star"][0]["by_seed"]) or seeds
    if more != seeds:
        rows = [row for row in ablation["deciding"] if row["method"] in ("learned", "full")]
        means = {row["k"]: percent(row["mean"]) for row in rows}
        shown = ", ".join(f"{means[k]} ({k})" for k in sorted(means, reverse=True))
        text += (
            f" This table averages {seeds} seeds. The tests of K* use {more}, with which accuracy "
            f"(K) is {shown}."
        )
    return text


def reproducing(results: dict[str, dict]) -> str:
    """A table in Markdown of the claims that rest on a test: where each comes from, its value."""
    rows, found = number_rows(results), [("claim", "verdict", "number", "value", "may differ by",
                                          "made by")]  # fmt: skip
    for claim in all_claims(results):
        if claim.verdict == "described" or not claim.numbers:
            continue
        row = next(iter(_matching(claim.numbers[0], rows)))
        measured = (end for end in rows[row] if rows[row][end].kind != "count")
        end = "" if "" in rows[row] else next(measured, next(iter(rows[row])))
        number, key = rows[row][end], f"{row}.{end}" if end else row
        notebook = Path(WRITERS[Path(number.source.split(":")[0]).name]).stem
        found.append((f"`{claim.key}`", claim.verdict, f"`{key}`", number.text,
                      KINDS[number.kind][1], notebook))  # fmt: skip
    return markdown_table(found)


def vocabularies_table(workspace: Workspace, file: str = "cost.json") -> str:
    """A table in Markdown, a row for each data set whose results hold `file`."""
    places = vocabularies.with_results(workspace, file)
    return markdown_table(vocabularies.rows(map(load_results, places)))


def methods_table() -> str:
    """A table in Markdown of the methods: name, label, and rule with its source."""
    rows = [(f"`{row.name}`", row.label, row.source) for row in METHODS.values()]
    return markdown_table([("method", "label in figures", "rule and source"), *rows])


def _curves(ablation: dict) -> list[tuple[str, ...]]:
    """One row per K, one column per curve method, the first with its interval; two by stratum."""
    parts = {"": [row for row in ablation["accuracy"] if row["regime"] == "retrained"]}
    for row in ablation["strata"]:
        parts.setdefault(row["stratum"], []).append(row)
    columns, heads = [], ["K"]
    for name in curve_methods():
        for part in ("", *(BY_STRATUM.get(name, ()) if len(parts) > 2 else ())):
            found = {row["k"]: row for row in parts[part] if row["method"] in (name, "full")}
            columns.append(found)
            heads.append(f"... {part}" if part else METHODS[name].label)
    rows = [tuple(heads)]
    for k in sorted(set().union(*columns), reverse=True):
        cells = [percent(found[k]["mean"]) if k in found else "" for found in columns]
        if first := columns[0].get(k):
            cells[0] += f" {interval(first)}"
        rows.append((str(k), *cells))
    return rows


def with_block(text: str, name: str, content: str) -> str:
    """A text with a new generated block `name`; ValueError without its two markers."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    if [found[0] for found in re.finditer(f"{begin}|{end}", text)] != [begin, end]:
        raise ValueError(f"expected a text that holds {begin} and then {end} once each: add them")
    before, after = text.split(begin)[0], text.split(end)[1]
    return f"{before}{begin}\n{content}\n{end}{after}"


def write_block(file: Path, name: str, content: str) -> None:
    """Put a new generated block `name` into a text file; errors are those of `with_block`."""
    text = with_block(file.read_text(encoding="utf-8"), name, content)
    with atomic_path(file) as temporary:
        temporary.write_text(text, encoding="utf-8")


def joints_json(results: dict[str, dict]) -> str:
    """The whole of joints.json: for each K the most typical selection of all runs.

    `test` is that of these joints; accuracy and stability are those of all runs, each with its
    own selection.
    """
    pruning, ablation = results["pruning"], results["ablation"]
    agreed, selections = ("index", "low", "high", *MATCHED_KEYS), []
    for k in sorted(map(int, pruning["frequency"])):
        names = vocabularies.most_typical(results, k)
        stability = one_row(ablation["stability"], method="learned", k=k)
        accuracy = one_row(ablation["accuracy"], method="learned", k=k, regime="retrained")
        share = pruning["frequency"][str(k)]
        selections.append({
            "k": k,
            "joints": names,
            "indices": [JOINT_NAMES.index(name) for name in names],
            "hands": [HANDS[hand] for hand in hand_index(names)],
            **_test_of_set(names, k, ablation),
            "stability": {key: stability[key] for key in agreed},
            "accuracy": {key: accuracy[key] for key in ("mean", "low", "high")},
            "share": {name: share[name] for name in JOINT_NAMES},
        })  # fmt: skip
    facts = {"dataset": results["dataset"]["description"], "commit": pruning["commit"],
             "selections": selections}  # fmt: skip
    return json.dumps(facts, indent=1, ensure_ascii=False) + "\n"


def _test_of_set(names: list[str], k: int, ablation: dict) -> dict:
    """What stands behind a published set: `test`, or None and the `reason`."""
    sets = {
        method: [row for row in ablation["selections"] if (row["method"], row["k"]) == (method, k)]
        for method in ("one-set", "typical")
    }
    if not sets["one-set"]:
        reason = "These joints were not retrained as one set: accuracy is that of all runs."
        return {"test": None, "reason": reason}
    if any(row["joints"] != names for row in sets["one-set"]):
        raise ValueError(
            f"expected the {k} joints to publish to be those that were retrained, got others: "
            "run notebooks 03 and 04 again"
        )
    folds = {row["fold"]: row["joints"] for row in sets["typical"]}
    same = sum(joints == names for joints in folds.values())
    seen = len(folds) > 1
    note = "Retrained with these joints. No test clip had a part in the choice."
    if seen:
        note = (
            "Retrained with these joints in every fold. The choice also rests on trainings that "
            "saw a fold's test clips. Without them (`typical`: chosen in each fold from its "
            f"training clips alone) the choice is the same in {same} of {len(folds)} folds."
        )
    return {"test": _tested("one-set", k, ablation) | {"test_clips_seen": seen, "note": note,
            "typical": _tested("typical", k, ablation) | {"test_clips_seen": False}}}  # fmt: skip


def _tested(method: str, k: int, ablation: dict) -> dict:
    """Accuracy of a method at K and its difference from all joints, with 95 % intervals."""
    accuracy = one_row(ablation["accuracy"], method=method, k=k, regime="retrained")
    change = one_row(ablation["one_set"], name=f"{method}-{k} vs full")
    return {
        "method": method,
        "k": k,
        "runs": accuracy["runs"],
        "accuracy": {key: accuracy[key] for key in ("mean", "low", "high")},
        "difference": {"mean": change["difference"], "low": change["low"], "high": change["high"]},
    }


# Writing, comparing, publishing.


def paper_texts(results: dict[str, dict], workspace: Workspace) -> dict[Path, str]:
    """The text of each file; those outside `figures` belong to the default data set alone."""
    makers = {"numbers.tex": numbers_tex, "claims.md": claims_text, "claims.tex": claims_tex,
              "joints.json": joints_json}  # fmt: skip
    texts = {workspace.figures / name: make(results) for name, make in makers.items()}
    if (workspace.path / "README.md").is_file() and workspace.dataset == DEFAULT_DATASET:
        for file, name, content in (
            ("README.md", "vocabularies", vocabularies_table(workspace, "published.json")),
            ("README.md", "results", headline(results)),
            ("REPRODUCING.md", "claims", reproducing(results)),
            ("jointprune/README.md", "methods", methods_table()),
        ):
            path = workspace.path / file
            text = texts.get(path) or path.read_text(encoding="utf-8")
            texts[path] = with_block(text, name, content)
    return texts


def write_paper(results: dict[str, dict], workspace: Workspace) -> list[Path]:
    """Write every file of `paper_texts`, each whole or not at all.

    Raises ValueError for results of a smoke run in the repository itself.
    """
    if results["dataset"]["smoke"] and workspace.path == ROOT:
        raise ValueError(
            f"expected results of a full run for {ROOT}, got a smoke run: run `make reproduce`, "
            "or write below build/smoke"
        )
    texts = paper_texts(results, workspace)
    for path, text in texts.items():
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return list(texts)


def publish(results: dict[str, dict], workspace: Workspace) -> Path:
    """Write published.json (numbers, tolerances, verdicts) and the README's table of data sets."""
    if results["dataset"]["smoke"]:
        raise ValueError("expected results of a full run, got a smoke run: run `make reproduce`")
    found = {key: asdict(number) for key, number in numbers(results).items()}
    tolerances = {kind: allowed for kind, (allowed, _) in KINDS.items()}
    facts = {"numbers": found, "tolerances": tolerances, "verdicts": verdicts(results)}
    history = {"data_sha256": results["dataset"]["data_sha256"],
               "config": results["ablation"]["config"], "smoke": False}  # fmt: skip
    path = write_facts(workspace, "published.json", facts, **history)
    readme = workspace.path / "README.md"
    if readme.is_file():
        write_block(readme, "vocabularies", vocabularies_table(workspace, "published.json"))
    return path


def verdicts(results: dict[str, dict]) -> dict[str, str]:
    """The verdict of each claim."""
    return {claim.key: claim.verdict for claim in all_claims(results)}


def differences(results: dict[str, dict], published: dict) -> list[str]:
    """What differs from the published results by more than its tolerance, one per line."""
    fresh, old = numbers(results), published["numbers"]
    found = [f"{key}: {'not published' if key in fresh else 'published, not found now'}"
             for key in sorted(set(fresh) ^ set(old))]  # fmt: skip
    exact = {"data_sha256": (published["data_sha256"], results["dataset"]["data_sha256"])}
    now, before = verdicts(results), published["verdicts"]
    exact |= {f"verdict of {key}": (before.get(key), now.get(key)) for key in now | before}
    found += [f"{key}: published {a}, got {b}" for key, (a, b) in exact.items() if a != b]
    for key in (key for key in fresh if key in old):
        kind, value, was = fresh[key].kind, fresh[key].value, old[key]["value"]
        allowed = published["tolerances"][kind]
        change = np.log10(np.maximum([value, was], 1e-4)) if kind == "p" else [value, was]
        if allowed is not None and not abs(change[0] - change[1]) <= allowed:  # nor for NaN
            found.append(f"{key}: published {was:g}, got {value:g}, allowed {allowed:g} "
                         f"({fresh[key].source})")  # fmt: skip
    return found


def stale_files(results: dict[str, dict], workspace: Workspace) -> list[str]:
    """Files that differ from the results, one per line."""
    return [
        f"{path.relative_to(workspace.path)} does not match data/results: run `make numbers`"
        for path, text in paper_texts(results, workspace).items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]


def main(arguments: list[str] | None = None) -> int:
    """Without an option, write the files and print the headline; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m jointprune.paper.report", description="Write the paper's text files."
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--show", action="store_true", help="print the headline, write nothing")
    mode.add_argument("--check", action="store_true", help="compare with published.json")
    mode.add_argument("--publish", action="store_true", help="write published.json")
    parser.add_argument("--dataset", default=DEFAULT_DATASET, help="whose results")
    parser.add_argument("--workspace", default=".", help="the folder that holds data and figures")
    options = parser.parse_args(arguments)
    workspace = Workspace(options.workspace, options.dataset)
    try:
        results = load_results(workspace)
        if options.check:
            found = differences(results, read_facts(workspace, "published.json"))
            found += stale_files(results, workspace)
            if (workspace.results / "transfer.json").is_file():
                read_facts(workspace, "transfer.json")  # figure 10: raises if it was edited
            print("\n".join(found) or "results and the paper's files agree with those published")
            return int(bool(found))
        if options.publish:
            print(publish(results, workspace))
            return 0
        if not options.show:
            write_paper(results, workspace)
    except (ValueError, OSError) as error:
        print(told(error), file=sys.stderr)
        return 2
    print(headline(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())

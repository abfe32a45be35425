"""A number of the paper: its value, its text, its source, and how closely it must come back."""

from dataclasses import dataclass

from jointprune.paper.claims import letters, percent, points
from jointprune.paper.results import read_facts
from jointprune.workspace import Workspace

PARTS = ("dataset", "baseline", "pruning", "failures", "synthetic", "ablation", "cost")
# How far a number may move when everything is run again, by its kind; None is not compared.
TOLERANCES = {
    "count": 1e-9,  # facts of data and design
    "score": 0.03,  # training again on another machine moves a mean accuracy by about a point
    "agreement": 0.15,  # of selections: two of 12 joints chosen otherwise
    "joints": 1.5,  # mean number of joints
    "budget": 9.0,  # K*: a step of the curve, from 21 to 30
    "free": None,  # times, p values and counts behind them, demonstrations
}


@dataclass(frozen=True)
class Number:
    """A value, how it is printed, where it stands, and its kind, one of `TOLERANCES`."""

    value: float
    text: str
    source: str
    kind: str


def load_results(workspace: Workspace) -> dict[str, dict]:
    """The paper's JSON results by name, refused if they do not belong together.

    Synthetic recordings have a checksum of their own.
    """
    results = {name: read_facts(workspace, f"{name}.json") for name in PARTS}
    for field in ("data_sha256", "smoke"):
        found = {
            name: facts[field]
            for name, facts in results.items()
            if (name, field) != ("synthetic", "data_sha256")
        }
        if len(set(found.values())) > 1:
            raise ValueError(
                f"expected results of one run, got {field} {found}: run the notebooks 01 to 04 "
                "again with one profile"
            )
    return results


def dataset_of(number: Number, results: dict[str, dict]) -> str:
    """What a number was measured on, in the words of the claims."""
    parts = {
        "synthetic": "synthetic recordings (generated)",
        "cost": "untrained networks, one clip",
        "failures": f"demonstration, {results['dataset']['description']} where it needs recordings",
    }
    part = number.source.removeprefix("data/results/").split(".json")[0]
    return parts.get(part, results["dataset"]["description"])


def count(value: float, source: str) -> Number:
    return Number(value, f"{value:.10g}", source, "count")


def score(value: float, source: str) -> Number:
    return Number(value, percent(value), source, "score")


def in_points(value: float, source: str) -> Number:
    return Number(value, points(value), source, "score")


def share(value: float, source: str, kind: str = "agreement") -> Number:
    """A number between 0 and 1 that is printed as such."""
    return Number(value, f"{value:.2f}", source, kind)


def free(value: float, source: str, text: str = "") -> Number:
    """What another machine may find otherwise; four digits, or `text`."""
    return Number(value, text or f"{value:.4g}", source, "free")


def probability(p: float, source: str) -> Number:
    return free(p, source, "<0.0001" if p < 0.0001 else f"{p:.4f}")


def place(file: str, rows: str, row: dict, *keys: str) -> str:
    """Where a row stands, for a reader to look up: "data/results/x.json:rows[k=12]."."""
    where = "; ".join(f"{key}={row[key]}" for key in keys)
    return f"data/results/{file}.json:{rows}[{where}]."


def named(prefix: str, row: dict, *keys: str) -> str:
    """A macro's name: JP, the prefix, then the row's values of `keys`, in letters."""
    return f"JP{prefix}" + "".join(letters(row[key]) for key in keys)

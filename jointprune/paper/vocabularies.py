"""Results of several data sets side by side: every one in `data/results`, imports as well."""

from collections.abc import Iterable

from jointprune.paper.claims import VERDICTS, all_claims, dropped, interval, percent
from jointprune.selection import typical
from jointprune.skeleton import HAND_OF, HANDS, JOINT_NAMES
from jointprune.workspace import DEFAULT_DATASET, Workspace

LISTED = 6  # joints that are named one by one
HEAD = ("recordings", "clips", "held out", "accuracy, 42 joints", "K*", "joints dropped",
        "joint-frames dropped", "joints kept")  # fmt: skip


def with_results(workspace: Workspace, file: str = "cost.json") -> list[Workspace]:
    """The workspace of each data set whose results hold `file`, the default data set first.

    "cost.json" is there once all notebooks have run, "published.json" after `make publish`.
    """
    own = Workspace(workspace.root)
    names = sorted(path.parent.name for path in own.results.glob(f"*/{file}"))
    if (own.results / file).is_file():
        names.insert(0, DEFAULT_DATASET)
    return [Workspace(workspace.root, name) for name in names]


def rows(results: Iterable[dict[str, dict]]) -> list[tuple[str, ...]]:
    """HEAD, then a row for each data set, whose results are those of `report.load_results`.

    K* is that at 2 points, or the verdict of its claim if that is not "established". The joints
    kept are the most typical selection: few by name, more by their number on each hand.
    """
    return [HEAD, *map(_row, results)]


def _row(results: dict[str, dict]) -> tuple[str, ...]:
    data, full = results["dataset"], results["baseline"]["accuracy"]
    star = results["ablation"]["k_star"][0]
    verdict = all_claims(results)[0].verdict  # the first claim is about it
    k, found = star["k"], (verdict, "", "", "")
    if verdict == VERDICTS[True]:
        shares = (f"{share} %" for share in dropped(star, results).values())
        found = (f"{k} of {star['joints']}", *shares, _named(most_typical(results, k)))
    return (
        data["description"], str(data["clips"]), f"{data['groups']} {data['group_word']}s",
        f"{percent(full['mean'])} % {interval(full)}", *found,
    )  # fmt: skip


def most_typical(results: dict[str, dict], k: int) -> list[str]:
    """The most typical selection of K joints over folds and seeds, by name."""
    chosen = (row["joints"] for row in results["pruning"]["selections"] if row["k"] == k)
    return [JOINT_NAMES[j] for j in typical(map(JOINT_NAMES.index, joints) for joints in chosen)]


def _named(names: list[str]) -> str:
    if len(names) <= LISTED:
        return ", ".join(name.replace(".", " ").replace("_", " ") for name in names)
    counts = {hand: sum(HAND_OF[name] == hand for name in names) for hand in HANDS}
    return ", ".join(f"{count} {hand}" for hand, count in reversed(counts.items()))

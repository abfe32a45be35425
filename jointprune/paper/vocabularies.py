"""Results of several data sets side by side: every one in `data/results`, imports as well."""

from collections.abc import Iterable

from jointprune.paper.claims import (
    VERDICTS,
    all_claims,
    differs,
    dropped,
    interval,
    percent,
    points,
    too_few_to_test,
    value_range,
)
from jointprune.selection import typical
from jointprune.skeleton import HAND_OF, HANDS, JOINT_NAMES
from jointprune.workspace import DEFAULT_DATASET, Workspace

LISTED = 6  # joints that are named one by one
HEAD = ("recordings", "held out", "accuracy, 42 joints", "K* (range over seeds)",
        "dropped: joints (joint-frames)", "typical joints",
        "learned minus stratified random joints, points",
        "minus hand-matched random joints")  # fmt: skip
RANDOM = ("stratified-random", "hand-matched-random")


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

    K* is that at 2 points, or the verdict of its claim if that is not "established". The joints of
    the most typical selection are named if they are few, else counted by hand. The last columns
    have differences at K* (without a test; where random joints were tried at it) and at the largest
    K at which a comparison was declared.
    """
    return [HEAD, *map(_row, results)]


def _row(results: dict[str, dict]) -> tuple[str, ...]:
    data, full = results["dataset"], results["baseline"]["accuracy"]
    star = results["ablation"]["k_star"][0]
    verdict = all_claims(results)[0].verdict  # the first claim is about it
    k, found = star["k"], (verdict, "", "")
    if verdict == VERDICTS[True]:
        shares = "{joints} % ({joint_frames} %)".format(**dropped(star, results))
        alone = f"{k} ({value_range(star['by_seed'])})" if star["by_seed"] else str(k)
        found = alone, shares, _named(most_typical(results, k))
    return (
        data["description"], f"{data['groups']} {data['group_word']}s",
        f"{percent(full['mean'])} % {interval(full)}", *found,
        *(_against(method, results, k if verdict == VERDICTS[True] else 0) for method in RANDOM),
    )  # fmt: skip


def _against(method: str, results: dict[str, dict], k: int) -> str:
    """ "+2.3 with K* (not tested); +5.7 with 6, established", or not, or cannot be; 0: no K*."""
    accuracy, paired = results["ablation"]["accuracy"], results["ablation"]["paired"]
    found = []
    means = {row["method"]: row["mean"] for row in accuracy
             if row["k"] == k and row["regime"] == "retrained"}  # fmt: skip
    if method in means:
        found.append(f"{points(means['learned'] - means[method])} with K* (not tested)")
    if records := [record for record in paired if record["b"]["method"] == method]:
        record = max(records, key=lambda record: record["a"]["k"])
        shown = too_few_to_test(results) or VERDICTS[differs(record)]
        found.append(f"{points(record['difference'])} with {record['a']['k']}, {shown}")
    return "; ".join(found)


def most_typical(results: dict[str, dict], k: int) -> list[str]:
    """The most typical selection of K joints over folds and seeds, by name."""
    chosen = (row["joints"] for row in results["pruning"]["selections"] if row["k"] == k)
    return [JOINT_NAMES[j] for j in typical(map(JOINT_NAMES.index, joints) for joints in chosen)]


def _named(names: list[str]) -> str:
    if len(names) <= LISTED:
        return ", ".join(name.replace(".", " ").replace("_", " ") for name in names)
    counts = {hand: sum(HAND_OF[name] == hand for name in names) for hand in HANDS}
    return ", ".join(f"{count} {hand}" for hand, count in reversed(counts.items()))

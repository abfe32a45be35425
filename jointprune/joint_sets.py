"""Sets and groups of joints as a user gives them, checked: indices, masks, labels."""

from collections.abc import Hashable, Iterable
from numbers import Integral

from jointprune.skeleton import GROUP_OF, JOINT_NAMES


def checked_joints(kept: Iterable[int], joints: int) -> list[int]:
    """The indices `kept` as a list; they may be a tensor, an array, or a mask of `joints` booleans.

    Raises ValueError for an empty selection, for duplicates and for indices out of range.
    """
    found = _entries(kept)
    if found and len(found) == joints and all(type(j) is bool for j in found):
        found = [j for j, keep in enumerate(found) if keep]
    if (
        not found
        or not all(is_integer(j) and 0 <= j < joints for j in found)
        or len(set(found)) < len(found)
    ):
        raise ValueError(
            f"expected one or more different joint indices within 0..{joints - 1}, or a mask of "
            f"{joints} booleans, got {kept if found is None else found!r:.200}"
        )
    return found


def group_indices(groups: str | Iterable[Hashable] | None, joints: int) -> list[int]:
    """Group of each joint, numbered in the order of first use; ValueError for other `groups`.

    `groups` is None, a key of `skeleton.GROUP_OF`, or a list of one label per joint.
    """
    if groups is None or (isinstance(groups, str) and groups == "joint"):
        return list(range(joints))
    if isinstance(groups, str):
        if groups not in GROUP_OF:
            raise ValueError(
                f"expected gate_groups to be one of {[*GROUP_OF]} or a list, got {groups!r}"
            )
        if joints != len(JOINT_NAMES):
            raise ValueError(
                f"expected {len(JOINT_NAMES)} joints for gate_groups={groups!r}, got {joints}: "
                "pass a list with the group of each joint"
            )
        groups = [GROUP_OF[groups][name] for name in JOINT_NAMES]
    labels = _entries(groups) or []
    if len(labels) != joints or not all(isinstance(label, Hashable) for label in labels):
        raise ValueError(
            f"expected gate_groups to be a flat list of {joints} labels, one per joint, got "
            f"{groups!r:.200}"
        )
    place = {label: i for i, label in enumerate(dict.fromkeys(labels))}
    return [place[label] for label in labels]


def groups_of_k_joints(groups: list[int], sizes: list[int], k: int) -> set[int]:
    """The first of `groups` that have k joints together, `sizes` being their numbers of joints.

    A group is left out if it and those after it cannot add up to the joints still missing.
    """
    check_whole_groups(k, sizes)
    counts = [{0}]  # what the last 0, 1, 2, ... groups can add up to
    for size in reversed(sizes):
        counts.append(counts[-1] | {count + size for count in counts[-1] if count < k})
    chosen = set()
    for group, size, after in zip(groups, sizes, reversed(counts[:-1]), strict=True):
        if k - size in after:
            chosen.add(group)
            k -= size
    return chosen


def check_whole_groups(k: int, sizes: Iterable[int]) -> None:
    """Raise ValueError unless some of the groups with these numbers of joints add up to k."""
    counts = {0}
    for size in sizes:
        counts |= {count + size for count in counts}
    if k not in counts:
        near = sorted(counts - {0}, key=lambda count: abs(count - k))[:2]
        raise ValueError(
            f"expected a number of joints that whole groups of gates add up to, got {k}: use one "
            f"of {near}"
        )


def is_integer(value) -> bool:
    """Whether a value is an integer of Python or numpy, and no bool."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def _entries(values) -> list | None:
    """The entries of a list, array or tensor as Python's own numbers; None for a single value."""
    try:
        return [value.tolist() if hasattr(value, "tolist") else value for value in values]
    except TypeError:  # a number, None or a tensor without dimensions
        return None

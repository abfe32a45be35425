"""Groups of joints that share a gate."""

from collections.abc import Hashable, Iterable, Mapping, Set

from jointprune.skeleton import GROUP_OF, JOINT_NAMES


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
    listed = isinstance(groups, Iterable) and not isinstance(groups, (Mapping, Set))
    labels = groups if listed else []
    # Entries of arrays and tensors are equal to themselves only as Python's own numbers.
    labels = [label.tolist() if hasattr(label, "tolist") else label for label in labels]
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

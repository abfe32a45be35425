"""Which block of a clip's values is the left hand, where no body tells?

Programs that save hands alone often write the hand that they found first, or the right one, into
the first block. The hands tell: bent fingers and the thumb are on the palm's side of a hand, which
differs between left and right (data/README.md has what was measured).
"""

from collections.abc import Callable, Sequence

import numpy as np

from jointprune.importing.layouts.clips import Clip, Raw, extent, hands_seen
from jointprune.skeleton import FINGERS, HANDS, JOINTS

# Orders of the two blocks: the hands as named, the other way round, or in order of detection.
NAMED, EXCHANGED, DETECTED = "left, right", "right, left", "found first"
LOOKED_AT = 100  # clips, spread over all
# In the order of detection the second hand is SELDOM seen alone; ALONE frames of one hand show it.
ALONE, SELDOM = 20, 0.01
# Blocks are exchanged if, of LOOKS blocks of clips or more, few look like the hand that they name.
LOOKS, FEW = 10, 0.25
PALM = [joints[0] for joints in list(FINGERS.values())[1:]]  # knuckles
BENT = [joint for joints in list(FINGERS.values())[1:] for joint in joints[1:]]
# An inclination to one side from which it counts as sure, in the hand's extent.
SURE = 0.15
# Without depth: how surely a hand alone is the right one, in the same measure.
LONE_IS_RIGHT = 0.03


def order_of_blocks(read: Callable[[Clip], Raw], clips: Sequence[Clip]) -> str:
    """The order of the hands' blocks in a layout's clips: NAMED wherever a body is recorded."""
    alone, looks = np.zeros(len(HANDS), int), []
    for clip in clips[:: -(-len(clips) // LOOKED_AT)]:
        try:
            raw = read(clip)
        except Exception:  # of any library; reading the clip again reports it
            continue
        if np.isfinite(raw.body).any():
            return NAMED
        seen = hands_seen(raw.hands[..., :2], raw.confidence)
        alone += (seen & ~seen[:, ::-1]).sum(axis=0)
        right = np.where(seen, looks_right(raw.hands), 0).sum(axis=0)
        looks += list((right * (-1, 1) > 0)[right != 0])
    if alone[0] >= ALONE and alone[1] <= SELDOM * alone[0]:
        return DETECTED
    return EXCHANGED if len(looks) >= LOOKS and np.mean(looks) < FEW else NAMED


def with_sides(raw: Raw, order: str) -> Raw:
    """A clip with the left hand in the first block, given the order of its data set."""
    swap = np.full(len(raw.hands), order == EXCHANGED)
    if order == DETECTED:
        seen, size = hands_seen(raw.hands[..., :2], raw.confidence), extent(raw.hands)
        wrists = raw.hands[:, :: len(JOINTS), :2] / np.median(size[seen])
        wrists = np.where(seen[..., None], wrists, np.nan)
        as_left = looks_right(raw.hands)
        if not as_left[seen].any():  # no depth: a right hand is on the picture's left of the other
            as_left = wrists[:, ::-1, 0] - wrists[..., 0]
            as_left = np.where(seen.all(axis=1, keepdims=True), as_left, LONE_IS_RIGHT)
        as_left = np.where(seen, (as_left / SURE).clip(-1, 1), 0)
        swap = second_is_left(wrists, as_left)

    def swapped(values: np.ndarray) -> np.ndarray:
        blocks = values.reshape(len(values), len(HANDS), -1)
        return np.where(swap[:, None, None], blocks[:, ::-1], blocks).reshape(values.shape)

    confidence = None if raw.confidence is None else swapped(raw.confidence)
    return raw._replace(hands=swapped(raw.hands), confidence=confidence)


def looks_right(hands: np.ndarray) -> np.ndarray:
    """How much each hand of (frames, 42, 3) looks like a right one, (frames, 2); left is negative.

    It is the way from the knuckles to the other joints and from the wrist to the tip of the thumb,
    along the palm's normal, in the hand's extent; 0 without depth.
    """
    points = hands.reshape(len(hands), len(HANDS), len(JOINTS), -1).astype(float)
    points = points - points[:, :, :1]
    normal = np.cross(points[:, :, PALM[0]], points[:, :, PALM[-1]])
    bent = points[:, :, BENT].mean(axis=2) - points[:, :, PALM].mean(axis=2)
    along = ((bent + points[:, :, FINGERS["thumb"][-1]]) * normal).sum(axis=-1)
    size = np.linalg.norm(normal, axis=-1) * extent(hands)
    return np.nan_to_num(along / np.where(size > 0, size, np.inf))


def second_is_left(wrists: np.ndarray, as_left: np.ndarray, continuity: float = 1.0) -> np.ndarray:
    """Frames, bool (T,), whose first block is the right hand, so that the blocks have to change.

    `wrists` (T, 2, 2) are points, NaN for a missing hand; `as_left` (T, 2) is what each block costs
    as the left hand, and its negative as the right one. Hands move little between frames: the
    sequence that costs least, steps of the wrists included (Viterbi).
    """
    unchanged = as_left[:, 0] - as_left[:, 1]
    cost = np.stack([unchanged, -unchanged], axis=1)
    best, came_from = cost[0], []
    for frame in range(1, len(wrists)):
        before, now = wrists[frame - 1], wrists[frame]
        stay = np.nan_to_num(np.linalg.norm(now - before, axis=-1)).sum()
        cross = np.nan_to_num(np.linalg.norm(now - before[::-1], axis=-1)).sum()
        step = best[:, None] + np.array([[stay, cross], [cross, stay]])
        came_from.append(step.argmin(axis=0))
        best = step.min(axis=0) + cost[frame]
    path = [int(best.argmin())]
    for previous in reversed(came_from):
        path.append(int(previous[path[-1]]))
    return np.array(path[::-1]) == 1

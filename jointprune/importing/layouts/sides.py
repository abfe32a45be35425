"""Which hand is which in clips whose blocks hold the hands in the order of their detection?

Programs that save hands alone often write the hand that they found first into the first block. The
hands tell: bent fingers and the thumb are on the palm's side of a hand, which differs between left
and right (data/README.md has what was measured).
"""

from collections.abc import Callable, Sequence

import numpy as np

from jointprune.importing.layouts.clips import Clip, some_of
from jointprune.importing.layouts.values import Raw, extent, hands_seen
from jointprune.skeleton import FINGERS, HANDS, JOINTS

LOOKED_AT = 100  # clips, spread over all
# In the order of detection the second hand is SELDOM seen alone; ENOUGH frames of the first one
# alone, and of both, show it.
ENOUGH, SELDOM = 20, 0.01
THUMB, *OTHERS = FINGERS.values()
PALM = [joints[0] for joints in OTHERS]  # knuckles
BENT = [joint for joints in OTHERS for joint in joints[1:]]
# An inclination to one side from which it counts as sure, in the hand's extent.
SURE = 0.15
# What a hand that comes or goes costs, as if it had moved so many times its extent.
COMES_OR_GOES = 2.0


def in_order_of_detection(read: Callable[[Clip], Raw], clips: Sequence[Clip]) -> bool:
    """Whether a layout's clips have the hand that was found first in the first block.

    Not where a body is recorded, nor without depth, as it could not be told which hand is which.
    """
    alone, both = np.zeros(len(HANDS), int), 0
    for clip in some_of(clips, LOOKED_AT):
        try:
            raw = read(clip)
        except MemoryError:
            raise
        except Exception:  # of any library; reading the clip again reports it
            continue
        if np.isfinite(raw.body).any() or np.isnan(raw.hands[..., 2]).all():
            return False
        seen = hands_seen(raw.hands[..., :2], raw.confidence)
        alone += (seen & ~seen[:, ::-1]).sum(axis=0)
        both += seen.all(axis=1).sum()
    return bool(min(alone[0], both) >= ENOUGH and alone[1] <= SELDOM * alone[0])


def told_apart(raw: Raw) -> Raw:
    """A clip in the order of detection with the left hand in the first block."""
    seen, size = hands_seen(raw.hands[..., :2], raw.confidence), extent(raw.hands)
    if not seen.any():
        return raw
    wrists = raw.hands[:, :: len(JOINTS), :2] / np.median(size[seen])
    wrists = np.where(seen[..., None], wrists, np.nan)
    as_left = np.where(seen, (looks_right(raw.hands) / SURE).clip(-1, 1), 0)
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
    along = ((bent + points[:, :, THUMB[-1]]) * normal).sum(axis=-1)
    size = np.linalg.norm(normal, axis=-1) * extent(hands)
    return np.nan_to_num(along / np.where(size > 0, size, np.inf))


def second_is_left(wrists: np.ndarray, as_left: np.ndarray) -> np.ndarray:
    """Frames, bool (T,), whose first block is the right hand, so that the blocks have to change.

    `wrists` (T, 2, 2) are points, NaN for a missing hand; `as_left` (T, 2) is what each block costs
    as the left hand, and its negative as the right one. Hands move little between frames: the
    sequence that costs least, steps of the wrists included (Viterbi).
    """
    unchanged = as_left[:, 0] - as_left[:, 1]
    cost = np.stack([unchanged, -unchanged], axis=1)
    stay, cross = _steps(wrists[:-1], wrists[1:]), _steps(wrists[:-1, ::-1], wrists[1:])
    best, came_from = cost[0], []
    for frame, steps in enumerate(np.array([[stay, cross], [cross, stay]]).transpose(2, 0, 1), 1):
        step = best[:, None] + steps
        came_from.append(step.argmin(axis=0))
        best = step.min(axis=0) + cost[frame]
    path = [int(best.argmin())]
    for previous in reversed(came_from):
        path.append(int(previous[path[-1]]))
    return np.array(path[::-1]) == 1


def _steps(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """What the steps of both wrists (T, 2, 2) from frame to frame cost, (T,)."""
    far = np.nan_to_num(np.linalg.norm(now - before, axis=-1))
    one = np.isnan(before[..., 0]) != np.isnan(now[..., 0])
    return np.where(one, COMES_OR_GOES, far).sum(axis=-1)

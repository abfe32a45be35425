"""Rankings that train nothing: random draws, orders by anatomy, and how much a joint moves."""

import zlib

import numpy as np
from sklearn.preprocessing import StandardScaler

from jointprune.selection.sets import top_joints
from jointprune.skeleton import JOINT_NAMES, JOINTS, hand_index

# Finger level of each of a hand's 21 joints: base (with the wrist), middle, far, tip.
LEVELS = np.array([0, *[0, 1, 2, 3] * 5])

TIPS = ("index_tip", "thumb_tip", "pinky_tip", "middle_tip", "ring_tip")
KNUCKLES = ("index_mcp", "thumb_mcp", "pinky_mcp", "middle_mcp", "ring_mcp")
# What a hand's joints are worth by the book: where the fingers end, where the hand is, where they
# begin; the thumb's own base and the joints between come last. Written before any result.
ANATOMY = (*TIPS, "wrist", *KNUCKLES, *(j for j in JOINTS if j.endswith(("_pip", "_ip"))),
           "thumb_cmc", *(j for j in JOINTS if j.endswith("_dip")))  # fmt: skip

READ_AT_ONCE = 256  # clips; bounds the memory


def random(data, train_clips, seed, k, config, workspace) -> np.ndarray:
    """A uniform draw."""
    return generator(train_clips, seed).random(len(data.joints))


def stratified(data, train_clips, seed, k, config, workspace) -> np.ndarray:
    """Round by round one joint of each finger level on each hand, in random order."""
    draw = generator(train_clips, seed)
    hand = hand_index(data.joints)
    level = LEVELS[[JOINT_NAMES.index(name) % len(LEVELS) for name in data.joints]]
    stratum = {(h, v): draw.permutation(np.flatnonzero((hand == h) & (level == v)))
               for v in np.unique(level) for h in (0, 1)}  # fmt: skip
    order = []
    for turn in range(max(map(len, stratum.values()))):
        for v in draw.permutation(np.unique(level)):
            for h in draw.permutation(2):
                order.extend(stratum[h, v][turn : turn + 1])
    return descending(order, len(data.joints))


def spread_like(model_scores: np.ndarray, k: int, scores: np.ndarray, joints) -> np.ndarray:
    """`scores` lifted so that their top k have as many joints a hand as those of the model."""
    hand = hand_index(joints)
    taken = hand[list(top_joints(model_scores, k))]
    lifted = scores.copy()
    for h, count in enumerate(np.bincount(taken, minlength=2)):
        mine = np.flatnonzero(hand == h)
        lifted[mine[np.argsort(-scores[mine])[:count]]] += len(scores)
    return lifted


def in_order(names: list[str]):
    """The ranker that takes joints in the order of `names`, and the rest last."""

    def rank(data, train_clips, seed, k, config, workspace) -> np.ndarray:
        order = [data.joints.index(name) for name in names if name in data.joints]
        return descending(order, len(data.joints))

    return rank


anatomical = in_order([f"{hand}.{joint}" for joint in ANATOMY for hand in ("right", "left")])
right_hand_first = in_order([f"{hand}.{joint}" for hand in ("right", "left") for joint in ANATOMY])
knuckles = in_order([f"{hand}.{j}" for j in ("wrist", *KNUCKLES) for hand in ("right", "left")])


def variance(data, train_clips, seed, k, config, workspace) -> np.ndarray:
    """Variance of each joint about its hand's mean, over the training clips' frames."""
    scores = np.zeros(len(data.joints))
    for h in (0, 1):
        mine = np.flatnonzero(hand_index(data.joints) == h)
        moments = StandardScaler()
        for start in range(0, len(train_clips), READ_AT_ONCE):
            clips = train_clips[start : start + READ_AT_ONCE]
            seen = data.present[clips][:, :, mine].all(-1)
            # (frames with the hand, joints, coords)
            hand = data.poses[clips][:, :, mine][seen].astype(float)
            if len(hand):
                moments.partial_fit((hand - hand.mean(1, keepdims=True)).reshape(len(hand), -1))
        if hasattr(moments, "var_"):  # the hand was seen
            scores[mine] = moments.var_.reshape(len(mine), -1).sum(1)
    return scores


def descending(order: list[int], joints: int) -> np.ndarray:
    """Scores (joints,) that fall along `order`; joints not in it get 0."""
    scores = np.zeros(joints)
    scores[order] = np.arange(len(order), 0, -1)
    return scores


def generator(train_clips, seed: int) -> np.random.Generator:
    """One draw a seed and training fold."""
    clips = np.sort(np.asarray(train_clips, dtype=np.int64))
    return np.random.default_rng([seed, zlib.crc32(clips.tobytes())])

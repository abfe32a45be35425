"""Rankings without training: random draws, anatomical orders, and how much a joint moves."""

import zlib

import numpy as np
from sklearn.preprocessing import StandardScaler

from jointprune.skeleton import HANDS, LEVEL_OF, hand_index

TIPS = ("index_tip", "thumb_tip", "pinky_tip", "middle_tip", "ring_tip")
KNUCKLES = ("index_mcp", "thumb_mcp", "pinky_mcp", "middle_mcp", "ring_mcp")
MIDDLES = ("thumb_ip", "index_pip", "middle_pip", "ring_pip", "pinky_pip")
FARS = ("index_dip", "middle_dip", "ring_dip", "pinky_dip")
# Fixed before any result: fingertips, the wrist, knuckles where fingers begin, then the rest.
ANATOMY = (*TIPS, "wrist", *KNUCKLES, *MIDDLES, "thumb_cmc", *FARS)
RIGHT_FIRST = HANDS[::-1]
# The hand joints among the ten best of 543 landmarks in others' gates, the leading hand as the
# right (AUTSL's all lie on the left, which moves more there: mirrored; one of GSL's is an elbow).
# Source: github hatch5o6/asl_classification at 635aba6, `top_selection_summary.json` in
# data/**/informed_selection/topk: hands begin at landmark 501, left first. It gives no order.
_LEADING = {
    "autsl": "wrist thumb_cmc thumb_mcp thumb_ip thumb_tip index_dip index_tip middle_tip "
             "ring_tip pinky_tip",
    "asl-citizen": "wrist thumb_ip thumb_tip index_tip middle_tip ring_tip pinky_pip pinky_tip",
    "gsl": "wrist thumb_ip thumb_tip index_dip index_tip middle_tip ring_tip pinky_pip pinky_tip",
    "multilingual": "wrist thumb_tip index_dip index_tip middle_tip ring_tip pinky_pip pinky_tip",
}  # fmt: skip
_OTHER = {"asl-citizen": "thumb_tip index_tip", "multilingual": "index_tip middle_tip"}
PUBLISHED = {
    name: [f"right.{joint}" for joint in joints.split()]
    + [f"left.{joint}" for joint in _OTHER.get(name, "").split()]
    for name, joints in _LEADING.items()
}

READ_AT_ONCE = 256  # clips; bounds the memory


def random(data, train_clips, seed, k, config, workspace) -> np.ndarray:
    """A uniform random order."""
    return _generator(train_clips, seed).random(len(data.joints))


def stratified(data, train_clips, seed, k, config, workspace) -> np.ndarray:
    """A random order that takes one joint of each finger level on each hand in every round."""
    draw = _generator(train_clips, seed)
    hand = hand_index(data.joints)
    level = np.array([LEVEL_OF[name] for name in data.joints])
    stratum = {
        (h, v): draw.permutation(np.flatnonzero((hand == h) & (level == v)))
        for v in np.unique(level)
        for h in (0, 1)
    }
    order = []
    for turn in range(max(map(len, stratum.values()))):
        for v in draw.permutation(np.unique(level)):
            for h in draw.permutation(2):
                order.extend(stratum[h, v][turn : turn + 1])
    return _descending(order, len(data.joints))


def _in_order(names: list[str]):
    """A ranker that takes joints in the order of `names`, all others last."""

    def rank(data, train_clips, seed, k, config, workspace) -> np.ndarray:
        hand_index(data.joints)  # refuses joints of other names, which would all get 0
        order = [data.joints.index(name) for name in names if name in data.joints]
        return _descending(order, len(data.joints))

    return rank


anatomical = _in_order([f"{hand}.{joint}" for joint in ANATOMY for hand in RIGHT_FIRST])
right_hand_first = _in_order([f"{hand}.{joint}" for hand in RIGHT_FIRST for joint in ANATOMY])
published_autsl = _in_order(PUBLISHED["autsl"])
published_asl_citizen = _in_order(PUBLISHED["asl-citizen"])
published_gsl = _in_order(PUBLISHED["gsl"])
published_multilingual = _in_order(PUBLISHED["multilingual"])


def variance(data, train_clips, seed, k, config, workspace) -> np.ndarray:
    """Variance of each joint about the mean of its hand's joints, over the training clips' frames.

    Where single joints are not present, mean and variance are those of the others.
    """
    scores, hand_of = np.zeros(len(data.joints)), hand_index(data.joints)
    for h in np.unique(hand_of):
        mine = np.flatnonzero(hand_of == h)
        moments = StandardScaler()
        for start in range(0, len(train_clips), READ_AT_ONCE):
            clips = train_clips[start : start + READ_AT_ONCE]
            present = data.present[clips][:, :, mine]
            seen = present.any(-1)
            hand = data.poses[clips][:, :, mine][seen].astype(float)  # (frames, joints, coords)
            hand[~present[seen]] = np.nan
            if len(hand):
                moved = hand - np.nanmean(hand, axis=1, keepdims=True)
                with np.errstate(invalid="ignore"):  # of joints that were never seen
                    moments.partial_fit(moved.reshape(len(hand), -1))  # which leaves NaN out
        if hasattr(moments, "var_"):  # the hand was seen
            scores[mine] = np.nan_to_num(moments.var_).reshape(len(mine), -1).sum(1)
    return scores


def _descending(order: list[int], joints: int) -> np.ndarray:
    """Scores (joints,) that fall along `order`; joints not in it get 0."""
    scores = np.zeros(joints)
    scores[order] = np.arange(len(order), 0, -1)
    return scores


def _generator(train_clips, seed: int) -> np.random.Generator:
    """Random numbers that differ by seed and training fold."""
    clips = np.sort(np.asarray(train_clips, dtype=np.int64))
    return np.random.default_rng([seed, zlib.crc32(clips.tobytes())])

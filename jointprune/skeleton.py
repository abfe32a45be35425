"""Names of the hand joints, fingers, bones and hands, in MediaPipe's order.

A recording has 42 joints: the left hand's 21, then the right hand's 21. "Left" and "right"
are the signer's own hands.

Source: MediaPipe Hands landmark model, https://ai.google.dev/edge/mediapipe.
"""

from collections.abc import Sequence

import numpy as np

JOINTS = (
    "wrist",
    "thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip",
    "index_mcp", "index_pip", "index_dip", "index_tip",
    "middle_mcp", "middle_pip", "middle_dip", "middle_tip",
    "ring_mcp", "ring_pip", "ring_dip", "ring_tip",
    "pinky_mcp", "pinky_pip", "pinky_dip", "pinky_tip",
)  # fmt: skip

HANDS = ("left", "right")

JOINT_NAMES = tuple(f"{hand}.{joint}" for hand in HANDS for joint in JOINTS)

# The wrist belongs to no finger.
FINGERS = {
    finger: tuple(range(1 + 4 * i, 5 + 4 * i))
    for i, finger in enumerate(("thumb", "index", "middle", "ring", "pinky"))
}

# (child, parent): each finger is a chain that starts at the wrist.
BONES = tuple((c, 0 if c % 4 == 1 else c - 1) for c in range(1, len(JOINTS)))

# Levels of a finger, from the palm outwards; the wrist counts as BASE.
BASE, MIDDLE, FAR, TIP = range(4)

# The parts of the 42 names: "left.index_tip" is the left hand's "index_tip".
HAND_OF = {f"{hand}.{joint}": hand for hand in HANDS for joint in JOINTS}
SHORT_NAME = {f"{hand}.{joint}": joint for hand in HANDS for joint in JOINTS}
_PLACES = {"wrist": (None, BASE)} | {
    JOINTS[joint]: (finger, level)
    for finger, joints in FINGERS.items()
    for level, joint in enumerate(joints)
}
FINGER_OF = {name: _PLACES[short][0] for name, short in SHORT_NAME.items()}  # None for a wrist
LEVEL_OF = {name: _PLACES[short][1] for name, short in SHORT_NAME.items()}

# Ways to group the 42 joints, and the group of each; a wrist is a group of its own beside fingers.
GROUP_OF = {
    "joint": {name: name for name in JOINT_NAMES},
    "finger": {name: f"{HAND_OF[name]}.{FINGER_OF[name] or 'wrist'}" for name in JOINT_NAMES},
    "hand": HAND_OF,
    "both-hands": SHORT_NAME,
}


def hand_index(names: Sequence[str]) -> np.ndarray:
    """Hand of each named joint: int array (joints,), 0 for left and 1 for right.

    Raises ValueError for a name that is not one of the 42, such as "wrist" without a hand.
    """
    unknown = [name for name in names if name not in JOINT_NAMES]
    if unknown:
        raise ValueError(
            f"expected names of hand joints, such as 'left.index_tip', got {unknown[:3]}: pass "
            "all 42 joints, left hand first, or names out of jointprune.skeleton.JOINT_NAMES"
        )
    return np.array([HANDS.index(HAND_OF[name]) for name in names], dtype=np.int64)


def bone_distance(names: Sequence[str]) -> np.ndarray:
    """Number of bones between any two named joints: int array (joints, joints).

    The wrists of the two hands count as one bone apart.
    """
    hand = hand_index(names)
    finger = np.array([FINGER_OF[name] or "" for name in names])
    depth = np.array([LEVEL_OF[name] + 1 if FINGER_OF[name] else 0 for name in names])
    same = (hand[:, None] == hand) & (finger[:, None] == finger)
    around = depth[:, None] + depth + (hand[:, None] != hand)  # through one wrist or both
    return np.where(same, abs(depth[:, None] - depth), around)

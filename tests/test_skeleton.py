import numpy as np
import pytest

from jointprune.skeleton import (
    BASE,
    BONES,
    FINGER_OF,
    FINGERS,
    HAND_OF,
    JOINT_NAMES,
    JOINTS,
    LEVEL_OF,
    MIDDLE,
    SHORT_NAME,
    TIP,
    bone_distance,
    hand_index,
)


def test_joints_have_mediapipes_numbers():
    numbers = {"wrist": 0, "thumb_tip": 4, "index_mcp": 5, "index_tip": 8, "middle_mcp": 9}
    numbers |= {"ring_pip": 14, "pinky_mcp": 17, "pinky_tip": 20}
    assert {name: JOINTS.index(name) for name in numbers} == numbers
    assert len(JOINTS) == 21


def test_bones_are_a_tree_of_five_chains_from_the_wrist():
    parents = dict(BONES)
    assert sorted(parents) == list(range(1, 21))
    assert sorted(child for child, parent in BONES if parent == 0) == [1, 5, 9, 13, 17]
    for joints in FINGERS.values():
        assert [parents[joint] for joint in joints] == [0, *joints[:-1]]


def test_hand_index_is_0_for_left_and_1_for_right():
    assert hand_index(JOINT_NAMES).tolist() == [0] * 21 + [1] * 21
    assert hand_index(["right.wrist", "left.ring_tip"]).tolist() == [1, 0]
    assert hand_index([]).dtype == np.int64


def test_tables_agree_with_the_parts_of_each_name():
    for table in (HAND_OF, FINGER_OF, LEVEL_OF, SHORT_NAME):
        assert tuple(table) == JOINT_NAMES
    assert all(f"{HAND_OF[name]}.{SHORT_NAME[name]}" == name for name in JOINT_NAMES)
    assert (FINGER_OF["left.wrist"], LEVEL_OF["left.wrist"]) == (None, BASE)
    assert (FINGER_OF["right.pinky_tip"], LEVEL_OF["right.pinky_tip"]) == ("pinky", TIP)
    assert (FINGER_OF["left.thumb_cmc"], LEVEL_OF["left.thumb_cmc"]) == ("thumb", BASE)
    assert LEVEL_OF["right.index_pip"] == MIDDLE == LEVEL_OF["left.thumb_mcp"]


def test_a_joint_without_its_hand_is_refused():
    with pytest.raises(ValueError, match=r"'left\.index_tip', got \['wrist'\]"):
        hand_index(["left.wrist", "wrist"])


def test_bone_distance_is_the_shortest_path():
    right = len(JOINTS)
    links = [*BONES, *((a + right, b + right) for a, b in BONES), (0, right)]
    steps = np.where(np.eye(42), 0, np.inf)
    for a, b in links:
        steps[a, b] = steps[b, a] = 1
    for via in range(42):  # Floyd and Warshall
        steps = np.minimum(steps, steps[:, via, None] + steps[via])
    np.testing.assert_array_equal(bone_distance(JOINT_NAMES), steps)
    some = [41, 3, 20, 0]
    names = [JOINT_NAMES[j] for j in some]
    np.testing.assert_array_equal(bone_distance(names), steps[np.ix_(some, some)])

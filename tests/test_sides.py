from pathlib import Path

import numpy as np
import pytest

from jointprune.importing.importer import import_recordings
from jointprune.importing.layouts.sides import (
    in_order_of_detection,
    looks_right,
    second_is_left,
    told_apart,
)
from jointprune.importing.layouts.values import checked
from jointprune.importing.report import import_summary
from jointprune.paper.synthetic_hands import Signers, moving_hands
from jointprune.workspace import Workspace

FRAMES = 20


@pytest.fixture(scope="module")
def hands():
    """Clips of both hands in image fractions, (12, 20, 2, 21, 3), NaN where a hand is missing."""
    rng = np.random.default_rng(0)
    moment = np.tile(np.linspace(0, 1, FRAMES), (12, 1))
    hands = moving_hands(Signers.draw(12, rng), moment, np.zeros((12, FRAMES, 2, 5, 4)), rng)
    hands = 0.2 * hands * (1, -1, -1)  # y down, z away from the viewer
    hands[..., 0] = 2 * hands[..., :1, 0] - hands[..., 0]  # palms to the viewer, thumbs inside
    hands[..., :2] += 0.5
    hands[:, :, 1] = np.where(rng.random((12, FRAMES, 1, 1)) < 0.1, np.nan, hands[:, :, 1])
    hands[:4, :, 0] = hands[4:6, 5:15, 0] = np.nan  # signs of one hand, and a hand that comes late
    return hands


def found_first(hands):
    """Blocks in order of detection: the hand that is there, or any of two, is the first."""
    rng = np.random.default_rng(1)
    clips = hands.copy()
    for clip in clips:
        for i, frame in enumerate(clip):
            alone = np.isnan(frame[:, 0, 0]).any()
            if np.isnan(frame[0, 0, 0]) if alone else rng.random() < 0.5:
                clip[i] = frame[::-1]
    return clips


def recordings(folder, clips, coords=3):
    for i, clip in enumerate(clips):
        file = folder / f"person{i % 4}" / f"sign{i // 4}" / f"{i}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, np.nan_to_num(clip[..., :coords].reshape(FRAMES, -1)).astype(np.float32))
    return folder


def test_the_shape_of_a_hand_tells_left_from_right(hands):
    looks = np.stack([looks_right(clip.reshape(FRAMES, 42, 3)) for clip in hands])
    seen = np.isfinite(hands[..., 0, 0])
    assert (looks[..., 0][seen[..., 0]] < 0).all() and (looks[..., 1][seen[..., 1]] > 0).all()
    assert not looks[~seen].any()
    flat = np.where(np.arange(3) < 2, hands[0], np.nan).reshape(FRAMES, 42, 3)
    assert not looks_right(flat).any()


def test_hands_in_the_order_of_their_detection_come_out_as_left_and_right(tmp_path, hands):
    expected, report = import_recordings(
        recordings(tmp_path / "l", hands), "l", Workspace(tmp_path)
    )
    assert not report["detected"] and "detection" not in import_summary(report)
    folder = recordings(tmp_path / "f", found_first(hands))
    data, report = import_recordings(folder, "f", Workspace(tmp_path))
    assert report["detected"] and "hands in the order of their detection" in import_summary(report)
    np.testing.assert_array_equal(data.poses, expected.poses)
    np.testing.assert_array_equal(data.present, expected.present)


def test_without_depth_blocks_stay_as_they_are(tmp_path, hands):
    """Blocks of a left-handed signer are in such an order, too."""
    workspace = Workspace(tmp_path)
    data, report = import_recordings(
        recordings(tmp_path / "f", found_first(hands), 2), "f", workspace
    )
    assert not report["detected"] and (data.clips["leading_hand"] == "left").sum() >= 3


def test_a_fast_hand_stays_the_same_hand_whether_alone_or_not():
    x = 1.5 * np.arange(30)
    wrists = np.full((30, 2, 2), np.nan)
    wrists[:, 0] = np.stack([x, x], axis=1)
    wrists[10:20, 1] = 0, 3
    as_left = np.where(np.isnan(wrists[..., 0]), 0, 0.1)
    as_left[:, 1] = 0
    assert second_is_left(wrists, as_left).all()
    assert not second_is_left(wrists, -as_left).any()


def test_confidences_change_places_with_their_hands(hands):
    first = hands[6, :, ::-1].reshape(FRAMES, 42, 3)  # the right hand in the first block
    confidence = np.where(np.isfinite(first[:, ::21, 0]), (0.9, 0.8), 0)
    clip = checked(Path("a"), np.nan_to_num(first), confidence=confidence)
    left, right = told_apart(clip).confidence.T
    assert set(left) <= {0, np.float32(0.8)} and set(right) <= {0, np.float32(0.9)}


@pytest.mark.parametrize("change", ["a body", "one hand", "the second alone"])
def test_other_blocks_are_named(hands, change):
    first = np.nan_to_num(found_first(hands)).reshape(12, FRAMES, 42, 3)
    if change == "one hand":
        first[:, :, 21:] = 0
    if change == "the second alone":
        first[0, 0, 21:], first[0, 0, :21] = first[0, 0, :21], 0
        first[1, :5, 21:], first[1, :5, :21] = first[1, :5, :21], 0
    body = np.full((FRAMES, 4, 2), 0.5 if change == "a body" else np.nan)
    assert not in_order_of_detection(lambda i: checked(Path("a"), first[i], body), range(12))


def test_hands_that_cross_stay_the_same_hands():
    """The left hand moves past the right one in small steps and comes back."""
    x = np.stack([0.7 - 0.5 * np.sin(np.linspace(0, np.pi, 40)), np.full(40, 0.35)], axis=1)
    wrists = 4 * np.stack([x, np.stack([np.full(40, 0.2), np.full(40, 0.6)], 1)], axis=-1)
    assert (x[:, 0] < x[:, 1]).any()
    as_left = 0.5 - x
    assert not second_is_left(wrists, as_left).any()
    assert second_is_left(wrists[:, ::-1], as_left[:, ::-1]).all()

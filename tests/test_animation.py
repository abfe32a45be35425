"""Films of clips: every frame inside, nothing from the network, axes that stand still."""

import base64
import io
import re

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from jointprune.paper import animation
from jointprune.paper.animation import film
from jointprune.paper.plots import HAND_LAYOUT


@pytest.fixture(autouse=True)
def no_figure_is_left_open():
    yield
    assert plt.get_fignums() == []


def hands(frames: int, step: float = 0.0) -> np.ndarray:
    """42 points in a square that moves by `step` a frame."""
    points = np.random.default_rng(0).uniform(-1, 1, (42, 2))
    return points + step * np.arange(frames)[:, None, None]


def pictures(page: str) -> list[np.ndarray]:
    """The frames of a film, (height, width, 4) each."""
    found = re.findall(r'frames\[\d+\] = "data:image/png;base64,([^"]+)"', page)
    files = (base64.b64decode(text.replace("\\\n", "")) for text in found)
    return [plt.imread(io.BytesIO(file)) for file in files]


def drawn(picture: np.ndarray) -> np.ndarray:
    """Where a frame below its title holds orange (left hand) or blue (right)."""
    colourful = np.ptp(picture[..., :3], axis=-1) > 0.3
    colourful[: len(picture) // 10] = False
    return colourful


def test_a_film_holds_every_frame_and_asks_no_other_site():
    page = film({"all": (hands(4), np.ones((4, 42), bool))}, 25.0).data
    assert len(pictures(page)) == 4
    assert "http" not in page and "fa-" not in page
    assert page.count("<button") == 9


def test_a_long_clip_skips_frames_and_keeps_its_time():
    page = film({"all": (hands(70), np.ones((70, 42), bool))}, 30.0).data
    assert len(pictures(page)) == 24  # every third
    assert float(re.search(r"slider_id, ([\d.]+),", page).group(1)) == pytest.approx(100.0)


def test_a_clip_whose_speed_nobody_knows_is_played_at_a_usual_one():
    page = film({"all": (hands(2), np.ones((2, 42), bool))}, 0.0).data
    assert float(re.search(r"slider_id, ([\d.]+),", page).group(1)) == pytest.approx(40.0)


def test_a_hand_that_is_missing_is_not_drawn():
    present = np.ones((2, 42), bool)
    present[1] = False
    shown, empty = pictures(film({"one": (hands(2), present)}, 25.0).data)
    assert drawn(shown).any() and not drawn(empty).any()


def test_a_joint_that_is_not_kept_is_missing_in_its_panel_alone():
    present = np.ones((1, 42), bool)
    kept = present & (np.arange(42) < 21)  # the left hand, orange
    (picture,) = pictures(film({"full": (hands(1), present), "kept": (hands(1), kept)}, 25.0).data)
    full, pruned = np.split(picture, 2, axis=1)
    blue = [(drawn(half) & (half[..., 2] > half[..., 0])).sum() for half in (full, pruned)]
    assert blue[0] > 0 and blue[1] == 0
    assert drawn(pruned).any()


def test_axes_stand_still_over_a_clip():
    """Points that only move to the right and down are seen to do so."""
    first, last = pictures(film({"all": (hands(2, 1.0), np.ones((2, 42), bool))}, 25.0).data)
    before, after = (np.argwhere(drawn(picture)).mean(0) for picture in (first, last))
    assert (after - before > 20).all()


def test_the_longest_film_of_two_hands_is_small():
    hand = 0.3 * HAND_LAYOUT
    both = np.concatenate([hand * [-1, 1] + 0.5, hand - 0.5])
    poses = both + 0.02 * np.arange(100)[:, None, None]
    clip = poses, np.ones((100, 42), bool)
    page = film({"all": clip, "again": clip}, 25.0).data
    assert len(page) < 1e6 and 15 < len(pictures(page)) <= animation.FRAMES


def test_clips_of_several_lengths_and_clips_without_hands_are_refused():
    seen = np.ones((3, 42), bool)
    with pytest.raises(ValueError, match=r"expected clips of one length, got \[3, 4\]"):
        film({"a": (hands(3), seen), "b": (hands(4), np.ones((4, 42), bool))}, 25.0)
    with pytest.raises(ValueError, match="expected a clip in which a hand is seen"):
        film({"a": (hands(3), ~seen)}, 25.0)

"""Films of clips: every frame inside, nothing from the network, fixed axes."""

import base64
import io
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest

from jointprune.paper.animation import film


@pytest.fixture(autouse=True)
def no_figure_is_left_open():
    yield
    assert plt.get_fignums() == []


def clip(frames: int, step: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """42 points in a square that moves by `step` a frame, all present."""
    points = np.random.default_rng(0).uniform(-1, 1, (42, 2))
    return points + step * np.arange(frames)[:, None, None], np.ones((frames, 42), bool)


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


def test_a_film_asks_no_other_site_and_is_small():
    page = film({"all": clip(100, 0.02), "again": clip(100, 0.02)}, 25.0).data
    assert "http" not in page and "fa-" not in page
    assert page.count("<button") == 9
    assert len(page) < 1e6


@pytest.mark.parametrize(("frames", "fps", "shown", "interval"),
                         [(70, 30.0, 24, 100.0), (2, 0.0, 2, 40.0)])  # fmt: skip
def test_a_long_clip_skips_frames_in_its_own_time_and_an_unknown_rate_is_25(
    frames, fps, shown, interval
):
    page = film({"all": clip(frames)}, fps).data
    assert len(pictures(page)) == shown
    assert float(re.search(r"slider_id, ([\d.]+),", page).group(1)) == pytest.approx(interval)


def test_a_joint_that_is_not_kept_is_missing_in_its_panel_alone():
    poses, present = clip(1)
    left = present & (np.arange(42) < 21)  # orange
    (picture,) = pictures(film({"full": (poses, present), "kept": (poses, left)}, 25.0).data)
    full, pruned = np.split(picture, 2, axis=1)
    blue = [(drawn(half) & (half[..., 2] > half[..., 0])).sum() for half in (full, pruned)]
    assert blue[0] > 0 and blue[1] == 0
    assert drawn(pruned).any()


def test_axes_stay_fixed_over_a_clip():
    """Points that move to the right and down do so in the picture, too."""
    first, last = pictures(film({"all": clip(2, 1.0)}, 25.0).data)
    before, after = (np.argwhere(drawn(picture)).mean(0) for picture in (first, last))
    assert (after - before > 20).all()

"""A clip as a short film: one piece of HTML with its frames inside, which needs no network."""

import re

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML
from matplotlib.animation import FuncAnimation
from matplotlib.axes import Axes

from jointprune.paper.plots import HAND_LOOKS, STYLE, draw_hand
from jointprune.skeleton import HANDS, JOINTS

FRAMES = 24  # of a film at most; a longer clip skips frames evenly, in its own time
DPI = 100
USUAL_FPS = 25
MARGIN = 0.1  # shoulder widths
# matplotlib's player takes its buttons' icons from another site; these are letters of any font.
ICONS = {
    "fa-minus": "-", "fa-fast-backward": "«", "fa-step-backward": "&lt;",
    "fa-play fa-flip-horizontal": "◀", "fa-pause": "❚❚", "fa-play": "▶",
    "fa-step-forward": "&gt;", "fa-fast-forward": "»", "fa-plus": "+",
}  # fmt: skip

Panels = dict[str, tuple[np.ndarray, np.ndarray]]


def film(panels: Panels, fps: float) -> HTML:
    """Clips played beside each other, as many frames long, with buttons and a slider.

    `panels` holds by title poses (frames, 42, 2), in shoulder widths and y down, and present
    (frames, 42); a joint that is not present is not drawn. `fps` are frames a second of the clips,
    0 where they are not known, as in a store; such a clip plays at USUAL_FPS.
    """
    fps = fps or USUAL_FPS
    lengths = {poses.shape[0] for poses, _ in panels.values()}
    if len(lengths) != 1 or not min(lengths):
        raise ValueError(f"expected clips of one length, got {sorted(lengths)}: cut their padding")
    frames = range(0, *lengths, -(-min(lengths) // FRAMES))
    limits = _limits(panels)
    with plt.rc_context({**STYLE, "figure.constrained_layout.use": False, "savefig.dpi": DPI}):
        fig, axes = plt.subplots(1, len(panels), figsize=(2.4 * len(panels), 2.4), squeeze=False)
        fig.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=0.9, wspace=0.02)
        moving = FuncAnimation(
            fig, lambda t: _draw(axes[0], panels, limits, t), frames, interval=1000 / fps,
            init_func=lambda: None,
        )  # fmt: skip
        page = moving.to_jshtml(fps=fps / frames.step)
        plt.close(fig)
    return HTML(_self_contained(page))


def _limits(panels: Panels) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest x and y of all that is ever seen, so that axes stand still."""
    seen = np.concatenate([np.asarray(poses)[present] for poses, present in panels.values()])
    if not len(seen):
        raise ValueError("expected a clip in which a hand is seen, got none: take another clip")
    return seen.min(0) - MARGIN, seen.max(0) + MARGIN


def _draw(axes: list[Axes], panels: Panels, limits: tuple, frame: int) -> None:
    low, high = limits
    for ax, (title, (poses, present)) in zip(axes, panels.items(), strict=True):
        ax.clear()
        ax.set(title=title, xlim=(low[0], high[0]), ylim=(high[1], low[1]))
        for hand, points, seen in zip(
            HANDS, *(np.split(a[frame], [len(JOINTS)]) for a in (poses, present)), strict=True
        ):
            draw_hand(ax, points, seen, color=HAND_LOOKS[hand]["color"], sizes=8)


def _self_contained(page: str) -> str:
    """matplotlib's player without its style sheet of icons from the network."""
    page = re.sub(r'<link rel="stylesheet"\s+href="https://[^"]*">', "", page)
    return re.sub(r'<i class="fa ([^"]*)"></i>', lambda icon: ICONS[icon[1]], page)

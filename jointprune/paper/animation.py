"""A clip as a film: one piece of HTML that holds its frames and needs no network."""

import re

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML
from matplotlib.animation import FuncAnimation

from jointprune.paper.plots import STYLE, clip_limits, draw_hands

FRAMES = 24  # of a film at most; a longer clip skips frames evenly and keeps its duration
DPI = 100
USUAL_FPS = 25
# matplotlib's player loads its buttons' icons from another site; these characters replace them.
ICONS = {
    "fa-minus": "-", "fa-fast-backward": "«", "fa-step-backward": "&lt;",
    "fa-play fa-flip-horizontal": "◀", "fa-pause": "❚❚", "fa-play": "▶",
    "fa-step-forward": "&gt;", "fa-fast-forward": "»", "fa-plus": "+",
}  # fmt: skip


def film(panels: dict[str, tuple[np.ndarray, np.ndarray]], fps: float) -> HTML:
    """Clips of one length side by side, with buttons and a slider.

    Parameters
    ----------
    panels : dict
        By title `poses` (frames, 42, 2), in shoulder widths and y down, and `present`
        (frames, 42); absent joints are not drawn.
    fps : float
        Frames a second of the clips; 0 if unknown, then 25.
    """
    fps = fps or USUAL_FPS
    lengths = {len(poses) for poses, _ in panels.values()}
    if len(lengths) != 1 or not min(lengths):
        raise ValueError(f"expected clips of one length, got {sorted(lengths)}: cut their padding")
    frames = range(0, *lengths, -(-min(lengths) // FRAMES))
    limits = clip_limits(*map(np.concatenate, zip(*panels.values(), strict=True)))

    def draw(frame: int) -> None:
        for ax, (title, (poses, present)) in zip(axes[0], panels.items(), strict=True):
            ax.clear()
            ax.set(title=title, **limits)
            draw_hands(ax, poses[frame], present[frame], sizes=8)

    with plt.rc_context({**STYLE, "figure.constrained_layout.use": False, "savefig.dpi": DPI}):
        fig, axes = plt.subplots(1, len(panels), figsize=(2.4 * len(panels), 2.4), squeeze=False)
        fig.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=0.9, wspace=0.02)
        moving = FuncAnimation(fig, draw, frames, init_func=lambda: None, interval=1000 / fps)
        page = moving.to_jshtml(fps=fps / frames.step)
        plt.close(fig)
    page = re.sub(r'<link rel="stylesheet"\s+href="https://[^"]*">', "", page)
    return HTML(re.sub(r'<i class="fa ([^"]*)"></i>', lambda icon: ICONS[icon[1]], page))

"""A clip as a film: one piece of HTML that holds its frames and needs no network."""

import re

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML
from matplotlib.animation import FuncAnimation

from jointprune.paper.plots import HAND_LOOKS, draw_hand, use_style
from jointprune.skeleton import HANDS

FRAMES = 24  # most frames of a film; a longer clip skips frames evenly and keeps its duration
DPI = 100
MARGIN = 0.1  # around the hands, in shoulder widths
USUAL_FPS = 25
# matplotlib's player loads its buttons' icons from another site; these characters replace them.
ICONS = {
    "fa-minus": "-", "fa-fast-backward": "«", "fa-step-backward": "&lt;",
    "fa-play fa-flip-horizontal": "◀", "fa-pause": "❚❚", "fa-play": "▶",
    "fa-step-forward": "&gt;", "fa-fast-forward": "»", "fa-plus": "+",
}  # fmt: skip


def film(panels: dict[str, tuple[np.ndarray, np.ndarray]], fps: float) -> HTML:
    """Clips of one length side by side, with buttons and a slider.

    `panels` holds `poses` (frames, 42, 2) and `present` (frames, 42) by the panel's title. `fps` is
    0 if unknown; then 25 is used.
    """
    fps = fps or USUAL_FPS
    (length,) = {len(poses) for poses, _ in panels.values()}
    frames = range(0, length, -(-length // FRAMES))
    seen = np.concatenate([np.asarray(poses)[present] for poses, present in panels.values()])
    low, high = seen.min(0) - MARGIN, seen.max(0) + MARGIN

    def draw(frame: int) -> None:
        for ax, (title, (poses, present)) in zip(axes[0], panels.items(), strict=True):
            ax.clear()
            ax.set(title=title, xlim=(low[0], high[0]), ylim=(high[1], low[1]))
            halves = (np.split(array[frame], len(HANDS)) for array in (poses, present))
            for hand, points, there in zip(HANDS, *halves, strict=True):
                draw_hand(ax, points, there, color=HAND_LOOKS[hand]["color"], sizes=8)

    with plt.rc_context():
        use_style()
        plt.rcParams.update({"figure.constrained_layout.use": False, "savefig.dpi": DPI})
        fig, axes = plt.subplots(1, len(panels), figsize=(2.4 * len(panels), 2.4), squeeze=False)
        fig.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=0.85, wspace=0.02)
        moving = FuncAnimation(fig, draw, frames, init_func=lambda: None, interval=1000 / fps)
        page = moving.to_jshtml(fps=fps / frames.step)
        plt.close(fig)
    page = re.sub(r'<link rel="stylesheet"\s+href="https://[^"]*">', "", page)
    return HTML(re.sub(r'<i class="fa ([^"]*)"></i>', lambda icon: ICONS[icon[1]], page))

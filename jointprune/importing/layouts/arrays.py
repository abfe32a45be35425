"""`.npy` files of shape (frames, 543, 2 to 4), one per clip: `<anything>/<clip>.npy`.

Coordinates are image fractions, NaN where missing. A fourth column, visibility, is ignored: it
is 0 for hands that are present.
"""

from pathlib import Path

from jointprune.importing.layouts.clips import (
    Clip,
    NotThisLayout,
    Raw,
    body_of,
    checked,
    clips_of_files,
    files_below,
    load_npy,
    some_shapes,
)

POINTS = 543  # 468 of the face, 33 of the pose, 21 of each hand
POSE, HANDS = slice(468, 501), slice(501, 543)


def find(source: Path) -> list[Clip]:
    """Every `.npy` file below a folder, if some of them have this shape."""
    paths = files_below(source, ".npy")
    shapes = some_shapes(paths)
    if not any(_fits(shape) for shape in shapes):
        raise NotThisLayout(
            f"expected arrays (frames, {POINTS}, 2 to 4), got shapes "
            f"{sorted(shapes) or 'none readable'}"
        )
    return clips_of_files(source, paths)


def read(clip: Clip) -> Raw:
    """Hands and body in image fractions."""
    values = load_npy(clip.place)
    if not _fits(values.shape):
        raise ValueError(
            f"{clip.place}: expected an array (frames, {POINTS}, 2 to 4), got {values.shape}: "
            "move files that are not recordings elsewhere"
        )
    points = values[..., :3]
    return checked(clip.place, points[:, HANDS], body_of(points[:, POSE]))


def _fits(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[1] == POINTS and 2 <= shape[2] <= 4

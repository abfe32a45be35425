"""`.npy` files of shape (frames, 543, 2 to 4), one a clip: `<anything>/<clip>.npy`.

Coordinates are image fractions, NaN where missing. The fourth column is a visibility that is 0
for hands that are there: it says nothing about them, and is left alone.
"""

from pathlib import Path

from jointprune.importing.layouts.found import Clip, NotThisLayout, Raw
from jointprune.importing.layouts.landmarks import body_of, checked, only_file
from jointprune.importing.layouts.naming import clips_of_files, files_below
from jointprune.importing.layouts.npy import load_npy, some_shapes

POINTS = 543  # 468 of the face, 33 of the pose, 21 of each hand
POSE, HANDS = slice(468, 501), slice(501, 543)


def find(source: Path) -> list[Clip]:
    """Every `.npy` file below a folder, if such arrays are among them."""
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
    path = only_file(clip)
    values = load_npy(path)
    if not _fits(values.shape):
        raise ValueError(
            f"{path}: expected an array (frames, {POINTS}, 2 to 4), got {values.shape}: "
            "move files that are no recordings elsewhere"
        )
    points = values[..., :3]
    return checked(path, points[:, HANDS], body_of(points[:, POSE]))


def _fits(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[1] == POINTS and 2 <= shape[2] <= 4

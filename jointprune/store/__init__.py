"""`SignDataset`: recordings of signs as arrays, and the one format they have on disk.

A store is a folder of four files:

- `poses.npy`    float32 (clips, frames, joints, coords), in shoulder widths, 0 where missing
- `present.npy`  bool (clips, frames, joints): was this joint found in this frame?
- `clips.csv`    one row a clip, columns as in `COLUMNS`
- `meta.json`    version, shape, joint and class names, units, sources, checksum

An import leaves `report.json` beside them, what it found and left out.

A clip shorter than the longest is padded at its end with zeros that are not present; its
own length is `clips["frames"]`.
"""

from jointprune.store.dataset import SignDataset
from jointprune.store.files import arrays_on_disk, load_dataset, save_dataset

__all__ = ["SignDataset", "arrays_on_disk", "load_dataset", "save_dataset"]

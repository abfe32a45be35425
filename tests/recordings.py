"""Recordings as other people have them: one made-up motion of a signer, and folders full of it."""

import zipfile
from pathlib import Path

import numpy as np

from jointprune.paper.fingerspelling import FOLDER, read_index
from jointprune.skeleton import BONES

SHOULDERS = np.array([[0.6, 0.4], [0.4, 0.4]])  # left, right: shares of the picture, 0.2 apart
PALM = 0.054  # wrist to middle knuckle


def write_letters(wheel: Path, folder: Path, letters, languages: tuple = ()) -> Path:
    """The lexicon's recordings of letters (in some languages) as A/ase.pose in a folder."""
    with zipfile.ZipFile(wheel) as archive:
        index = archive.read(f"{FOLDER}index.csv").decode("utf-8")
        for row in read_index(index).itertuples():
            if row.label in letters and (row.group in languages or not languages):
                file = folder / row.label / f"{row.group}.pose"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(archive.read(FOLDER + row.source_file))
    return folder


def motion(frames: int = 6, seed: int = 0, missing: tuple = ()) -> np.ndarray:
    """Hands (frames, 42, 3) in shares of a picture, each on its side; z of the wrist is 0.

    `missing` are pairs (frame, hand) that are NaN.
    """
    rng = np.random.default_rng(seed)
    spread = np.linspace(-0.01, 0.01, 5)  # of the fingers
    hands = np.zeros((frames, 2, 21, 3))
    for joint, parent in BONES:
        step = rng.normal([spread[(joint - 1) // 4], -0.02, 0], 0.012, size=(frames, 2, 3))
        hands[:, :, joint] = [0, -PALM, 0.01] if joint == 9 else hands[:, :, parent] + step
    hands[..., :2] += np.array([[0.6, 0.6], [0.4, 0.6]])[:, None]
    hands[..., :2] += rng.normal(scale=0.02, size=(frames, 2, 1, 2))
    for frame, hand in missing:
        hands[frame, hand] = np.nan
    return hands.reshape(frames, 42, 3)


def in_shoulder_widths(hands: np.ndarray) -> np.ndarray:
    """The values that a store has to hold for `hands`: (frames, 42, 2), 0 where missing."""
    return np.nan_to_num((hands[..., :2] - SHOULDERS.mean(0)) / 0.2)


def body_of(hands: np.ndarray) -> np.ndarray:
    """Shoulders, and wrists at the hands, with visibility: (frames, 33, 4), zeros elsewhere."""
    body = np.zeros((len(hands), 33, 4))
    body[:, [11, 12], :2], body[:, [15, 16], :2] = SHOULDERS, np.nan_to_num(hands[:, [0, 21], :2])
    body[:, [11, 12, 15, 16], 3] = 0.9
    return body


def vectors(
    hands: np.ndarray, body: np.ndarray, width: int = 1662, hands_first: bool = False
) -> np.ndarray:
    """The frames of MP_Data (frames, width): body (frames, 33, 4), face, hands (frames, 42, 3),
    flattened; zeros where missing."""
    hands, body = (np.nan_to_num(part).reshape(len(part), -1) for part in (hands, body))
    face = np.full((len(hands), 468 * 3), 0.5)
    parts = {1662: [body, face, hands], 258: [body, hands], 126: [hands]}[width]
    return np.concatenate(parts[::-1] if hands_first else parts, axis=1)


def write_frames(folder: Path, frames, numbers=None) -> None:
    """One sequence with a file per frame: 0.npy, 1.npy, ..., 11.npy."""
    folder.mkdir(parents=True)
    for number, frame in zip(numbers or range(len(frames)), frames, strict=True):
        np.save(folder / f"{number}.npy", frame)


def write_mp_data(folder: Path, hands: np.ndarray, width: int = 1662) -> None:
    write_frames(folder, vectors(hands, body_of(hands), width))

"""Recordings as other people have them: one made-up motion of a signer, and folders full of it."""

from pathlib import Path

import numpy as np

SHOULDERS = np.array([[0.6, 0.4], [0.4, 0.4]])  # left, right: shares of the picture, 0.2 apart
PALM = 0.054  # wrist to middle knuckle


def motion(frames: int = 6, seed: int = 0, missing: tuple = ()) -> np.ndarray:
    """Hands (frames, 42, 3) in shares of a picture, each on its side; z of the wrist is 0.

    `missing` are pairs (frame, hand) that are NaN.
    """
    rng = np.random.default_rng(seed)
    hands = rng.normal(scale=0.02, size=(frames, 2, 21, 3))
    hands[:, :, 0] = 0
    hands[:, :, 9] = [0, -PALM, 0.01]
    hands[..., :2] += np.array([[0.6, 0.6], [0.4, 0.6]])[:, None]
    hands[..., :2] += rng.normal(scale=0.02, size=(frames, 2, 1, 2))
    for frame, hand in missing:
        hands[frame, hand] = np.nan
    return hands.reshape(frames, 42, 3)


def in_shoulder_widths(hands: np.ndarray) -> np.ndarray:
    """What a store has to hold of `hands`: (frames, 42, 2), 0 where missing."""
    return np.nan_to_num((hands[..., :2] - SHOULDERS.mean(0)) / 0.2)


def vectors(hands: np.ndarray, width: int = 1662) -> np.ndarray:
    """The frames of MP_Data (frames, width): pose, face, hands flattened; zeros where missing."""
    frames = len(hands)
    pose = np.zeros((frames, 33, 4))
    pose[:, [11, 12], :2], pose[:, [15, 16], :2] = SHOULDERS, np.nan_to_num(hands[:, [0, 21], :2])
    pose[:, [11, 12, 15, 16], 3] = 0.9
    face = np.zeros((frames, 0 if width < 1662 else 468 * 3))
    body = pose.reshape(frames, -1) if width > 126 else np.zeros((frames, 0))
    return np.concatenate([body, face, np.nan_to_num(hands).reshape(frames, -1)], axis=1)


def write_mp_data(folder: Path, hands: np.ndarray, width: int = 1662) -> None:
    """One sequence as a file a frame, 0.npy to 11.npy and on."""
    folder.mkdir(parents=True)
    for number, frame in enumerate(vectors(hands, width)):
        np.save(folder / f"{number}.npy", frame)

"""Generated hands: bones of fixed length driven by joint angles, seen from the front.

Arrays are (clips, frames, 2 hands, ...), the signer's left hand first; angles are degrees.
A hand's own axes are x towards the thumb, y along the middle finger, z out of the palm.
"""

from dataclasses import dataclass

import numpy as np

from jointprune.skeleton import JOINTS

FINGERS, LEVELS = 5, 4
# Bones from the wrist to the tip, shoulder widths: the lexicon's, less their foreshortening.
BONE_LENGTHS = np.array(
    [
        (0.13, 0.12, 0.09, 0.07),
        (0.30, 0.13, 0.08, 0.065),
        (0.28, 0.145, 0.09, 0.065),
        (0.26, 0.13, 0.08, 0.06),
        (0.23, 0.105, 0.065, 0.055),
    ]
)
# Towards the thumb from the middle finger's line, in the palm: first bone, then the finger.
PALM, SPREAD = np.array([48, 16, 2, -11, -23]), np.array([30, 8, 0, -6, -14])
# By how much each finger bends at its base, middle and far joint when at rest; and its limits.
REST, STRAIGHT, CLENCHED = np.array([40, 60, 55]), 10, 85
# Where the hands are, in shoulder widths from the shoulders' middle: x to the viewer's right, y up.
PLACE = np.array([(0.35, -0.45), (-0.35, -0.45)])
# Standard deviations: of a signer's size (log), bones (log), bend, turn and tempo (share), then
# of what one clip adds: all fingers' bend, each joint's bend, turn, and place (shoulder widths).
SIZE, BONE, HABIT, STANCE, TEMPO = 0.1, 0.05, 4, 4, 0.15
CURL, BEND, TURN, TRAVEL = 8, 3, 4, 0.15


@dataclass(frozen=True)
class Signers:
    """What stays with a person; indexed like an array."""

    bones: np.ndarray  # (signers, 2, 5, 4) shoulder widths
    bend: np.ndarray  # (signers, 2, 5, 3) at rest
    turn: np.ndarray  # (signers, 2, 3) about x, y and z
    tempo: np.ndarray  # (signers,) share of the longest clip, about 0.5

    @classmethod
    def draw(cls, count: int, rng: np.random.Generator) -> "Signers":
        size = np.exp(rng.normal(scale=SIZE, size=(count, 1, 1, 1)))
        own = np.exp(rng.normal(scale=BONE, size=(count, 1, FINGERS, LEVELS)))
        return cls(
            bones=np.broadcast_to(BONE_LENGTHS * size * own, (count, 2, FINGERS, LEVELS)),
            bend=REST + rng.normal(scale=HABIT, size=(count, 2, FINGERS, LEVELS - 1)),
            turn=rng.normal(scale=STANCE, size=(count, 2, 3)),
            tempo=0.5 + rng.normal(scale=TEMPO, size=count),
        )

    def __getitem__(self, which: np.ndarray) -> "Signers":
        return Signers(self.bones[which], self.bend[which], self.turn[which], self.tempo[which])


def moving_hands(
    signers: Signers, moment: np.ndarray, swivel: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Joints in space, (clips, frames, 2, 21, 3) in shoulder widths; y up, z to the viewer.

    Args:
        signers: one a clip.
        moment: (clips, frames) share of the clip that has passed.
        swivel: (clips, frames, 2, 5, 4) of each joint but the wrist.
    """
    bend = signers.bend[:, None] + BEND * slow(rng, moment, 2, FINGERS, LEVELS - 1)
    bend += CURL * slow(rng, moment, 2)[..., None, None]
    hands = swivelled(fingers(signers.bones[:, None], bend.clip(STRAIGHT, CLENCHED)), swivel)
    hands = hands @ rotation(signers.turn[:, None] + TURN * slow(rng, moment, 2, 3))
    hands[:, :, 1, :, 0] *= -1  # the thumbs are on the inside, palms to the viewer
    hands[..., :2] += (PLACE + TRAVEL * slow(rng, moment, 2, 2))[..., None, :]
    return hands


def slow(rng: np.random.Generator, moment: np.ndarray, *shape: int) -> np.ndarray:
    """Independent smooth paths of variance about 1: (clips, frames, *shape)."""
    waves = np.cos(np.pi * moment[..., None] * np.arange(3)) * (0.9, 0.4, 0.2)
    return np.einsum("ctw,cw...->ct...", waves, rng.normal(size=(len(moment), 3, *shape)))


def fingers(bones: np.ndarray, bend: np.ndarray) -> np.ndarray:
    """Forward kinematics: joints (..., 21, 3) about the wrist, of bones (..., 5, 4).

    The first bone lies in the palm; each other is bent from the one before by `bend` (..., 5, 3)
    about the finger's hinge.
    """
    bent = np.radians(np.cumsum(bend, axis=-1))
    along, out = np.cos(bent), np.sin(bent)
    side = np.radians(SPREAD)[:, None]
    rest = np.stack([along * np.sin(side), along * np.cos(side), out], axis=-1)
    palm = np.radians(np.stack([PALM, 90 - PALM], axis=-1))
    first = np.concatenate([np.sin(palm), np.zeros((FINGERS, 1))], axis=-1)[:, None]
    direction = np.concatenate([np.broadcast_to(first, (*rest.shape[:-2], 1, 3)), rest], axis=-2)
    chain = np.cumsum(direction * bones[..., None], axis=-2)
    joints = chain.reshape(*chain.shape[:-3], FINGERS * LEVELS, 3)
    return np.concatenate([np.zeros_like(joints[..., :1, :]), joints], axis=-2)


def swivelled(hands: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Each joint turned by `angle` (..., 5, 4) about the line through its finger's neighbours.

    A tip turns about the line of the bone before its own. Bones keep their lengths where no
    two neighbours turn. Source: Rodrigues' rotation formula.
    """
    own = hands[..., 1:, :].reshape(*hands.shape[:-2], FINGERS, LEVELS, 3)
    wrist = np.broadcast_to(hands[..., None, :1, :], own[..., :1, :].shape)
    before = np.concatenate([wrist, own[..., :-1, :]], axis=-2)
    after = np.concatenate([own[..., 1:, :], before[..., -1:, :]], axis=-2)
    line = after - np.concatenate([before[..., :-1, :], before[..., -2:-1, :]], axis=-2)
    line /= np.linalg.norm(line, axis=-1, keepdims=True)
    arm, turn = own - before, np.radians(angle)[..., None]
    still = line * (line * arm).sum(-1, keepdims=True)
    turned = still + (arm - still) * np.cos(turn) + np.cross(line, arm) * np.sin(turn)
    moved = (before + turned).reshape(*hands.shape[:-2], FINGERS * LEVELS, 3)
    return np.concatenate([hands[..., :1, :], moved], axis=-2)


def rotation(turn: np.ndarray) -> np.ndarray:
    """Matrices (..., 3, 3) that rotate rows about x, then y, then z by `turn` (..., 3)."""
    (cx, cy, cz), (sx, sy, sz) = (np.moveaxis(f(np.radians(turn)), -1, 0) for f in (np.cos, np.sin))
    one, zero = np.ones_like(cx), np.zeros_like(cx)

    def matrix(*entries: np.ndarray) -> np.ndarray:
        return np.stack(entries, axis=-1).reshape(*cx.shape, 3, 3)

    about_x = matrix(one, zero, zero, zero, cx, sx, zero, -sx, cx)
    about_y = matrix(cy, zero, -sy, zero, one, zero, sy, zero, cy)
    about_z = matrix(cz, sz, zero, -sz, cz, zero, zero, zero, one)
    return about_x @ about_y @ about_z


def place(joint: int) -> tuple[int, int, int]:
    """Hand, finger and level of a joint that is not a wrist."""
    hand, within = divmod(joint, len(JOINTS))
    return hand, *divmod(within - 1, LEVELS)


def touches(joint: int, others: list[int]) -> bool:
    """Whether the joint is, or is next in its finger to, one of the others."""
    hand, finger, level = place(joint)
    places = [place(other) for other in others]
    return any((h, f) == (hand, finger) and abs(v - level) < 2 for h, f, v in places)

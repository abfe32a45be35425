"""Generated hands: bones of fixed length, moved by joint angles and seen from the front.

Arrays are (clips, frames, 2 hands, ...), the signer's left hand first; angles are in degrees.
The axes of a hand are x towards the thumb, y along the middle finger, z out of the palm.
"""

from dataclasses import dataclass

import numpy as np

FINGERS, LEVELS = 5, 4
# Lengths of bones from the wrist to the tip, in shoulder widths, as in the fingerspelling lexicon
# but without its foreshortening.
BONE_LENGTHS = np.array([
    (0.13, 0.12, 0.09, 0.07),
    (0.30, 0.13, 0.08, 0.065),
    (0.28, 0.145, 0.09, 0.065),
    (0.26, 0.13, 0.08, 0.06),
    (0.23, 0.105, 0.065, 0.055),
])  # fmt: skip
# Angle in the palm between each finger and the middle finger's line, positive towards the thumb:
# of the first bone, then of the others.
PALM, SPREAD = np.array([48, 16, 2, -11, -23]), np.array([30, 8, 0, -6, -14])
# Bend of each finger at its base, middle and far joint at rest; and the limits of any bend.
REST, STRAIGHT, CLENCHED = np.array([40, 60, 55]), 10, 85
# Position of the hands, in shoulder widths from the shoulders' middle: x to the viewer's right and
# y up.
PLACE = np.array([(0.35, -0.45), (-0.35, -0.45)])
# Standard deviations between signers: size (log), bones (log), bend, turn, and tempo (share).
SIZE, BONE, HABIT, STANCE, TEMPO = 0.1, 0.05, 4, 4, 0.15
# Standard deviations within a clip: bend of all fingers, of each joint, turn, and place (shoulder
# widths).
CURL, BEND, TURN, TRAVEL = 8, 3, 4, 0.15


@dataclass(frozen=True)
class Signers:
    """Properties of the signers that stay the same in all their clips; indexed like an array."""

    bones: np.ndarray  # (signers, 2, 5, 4) shoulder widths
    bend: np.ndarray  # (signers, 2, 5, 3) at rest
    turn: np.ndarray  # (signers, 2, 3) about x, y and z
    tempo: np.ndarray  # (signers,) share of the longest clip, about 0.5

    @classmethod
    def draw(cls, count: int, rng: np.random.Generator) -> "Signers":
        """Draw `count` signers."""
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
    """Joints (clips, frames, 2, 21, 3) in shoulder widths; x to the right, y up, z to the viewer.

    There is one signer per clip; `moment` (clips, frames) is the share of the clip that has passed,
    `swivel` (clips, frames, 2, 5, 4) the angle by which each joint except the wrist swivels.
    """
    bend = signers.bend[:, None] + BEND * smooth_paths(rng, moment, 2, FINGERS, LEVELS - 1)
    bend += CURL * smooth_paths(rng, moment, 2)[..., None, None]
    hands = _finger_chains(signers.bones[:, None], bend.clip(STRAIGHT, CLENCHED))
    hands = swivel_joints(hands, swivel)
    hands = hands @ _rotations(signers.turn[:, None] + TURN * smooth_paths(rng, moment, 2, 3))
    hands[:, :, 1, :, 0] *= -1  # the right hand is the mirror image of the left one
    hands[..., :2] += (PLACE + TRAVEL * smooth_paths(rng, moment, 2, 2))[..., None, :]
    return hands


def smooth_paths(rng: np.random.Generator, moment: np.ndarray, *shape: int) -> np.ndarray:
    """Draw independent smooth paths of variance about 1: (clips, frames, *shape)."""
    waves = np.cos(np.pi * moment[..., None] * np.arange(3)) * (0.9, 0.4, 0.2)
    return np.einsum("ctw,cw...->ct...", waves, rng.normal(size=(len(moment), 3, *shape)))


def _finger_chains(bones: np.ndarray, bend: np.ndarray) -> np.ndarray:
    """Forward kinematics: joints (..., 21, 3) relative to the wrist, from bones (..., 5, 4).

    The first bone of a finger is in the palm. Each further bone is bent against the one before
    it by `bend` (..., 5, 3).
    """
    bent = np.radians(np.cumsum(bend, axis=-1))
    along, out = np.cos(bent), np.sin(bent)
    side = np.radians(SPREAD)[:, None]
    rest = np.stack([along * np.sin(side), along * np.cos(side), out], axis=-1)
    direction = np.empty((*rest.shape[:-2], LEVELS, 3))
    direction[..., 0, :] = np.sin(np.radians(np.stack([PALM, 90 - PALM, 0 * PALM], axis=-1)))
    direction[..., 1:, :] = rest
    chain = np.cumsum(direction * bones[..., None], axis=-2)
    joints = chain.reshape(*chain.shape[:-3], FINGERS * LEVELS, 3)
    return np.concatenate([np.zeros_like(joints[..., :1, :]), joints], axis=-2)


def swivel_joints(hands: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Joints (..., 21, 3) turned by `angle` (..., 5, 4) about the line through their neighbours.

    A fingertip turns about the line of the bone before its own. Bones keep their lengths where no
    two neighbours in a finger turn. Source: Rodrigues' rotation formula.
    """
    own = hands[..., 1:, :].reshape(*hands.shape[:-2], FINGERS, LEVELS, 3)
    wrist = np.broadcast_to(hands[..., None, :1, :], own[..., :1, :].shape)
    chain = np.concatenate([wrist, own], axis=-2)
    before, tip_line = chain[..., :-1, :], chain[..., 3:4, :] - chain[..., 2:3, :]
    line = np.concatenate([chain[..., 2:, :] - chain[..., :-2, :], tip_line], axis=-2)
    line /= np.linalg.norm(line, axis=-1, keepdims=True)
    arm, turn = own - before, np.radians(angle)[..., None]
    still = line * (line * arm).sum(-1, keepdims=True)
    turned = still + (arm - still) * np.cos(turn) + np.cross(line, arm) * np.sin(turn)
    moved = (before + turned).reshape(*hands.shape[:-2], FINGERS * LEVELS, 3)
    return np.concatenate([hands[..., :1, :], moved], axis=-2)


def _rotations(turn: np.ndarray) -> np.ndarray:
    """Matrices (..., 3, 3) that rotate rows about x, then y, then z by `turn` (..., 3)."""
    cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    about = np.zeros((3, *turn.shape[:-1], 3, 3))
    for axis, (i, j) in enumerate([(1, 2), (2, 0), (0, 1)]):
        about[axis, ..., axis, axis] = 1
        about[axis, ..., i, i] = about[axis, ..., j, j] = cos[..., axis]
        about[axis, ..., i, j], about[axis, ..., j, i] = sin[..., axis], -sin[..., axis]
    return about[0] @ about[1] @ about[2]

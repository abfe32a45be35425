"""Synthetic truth: generated hand motion in which known joints alone carry what is signed.

Two hands of bones move without regard to the sign: fingers curl together, hands turn, travel
and leave the picture, and every signer has a size, a resting pose and a tempo. On top, some joints
swivel about the line through their two neighbours in the finger (a tip: about the line of the
bone before its own). That keeps every bone's length and moves no other joint, which turning a
knuckle would do. An informative joint swivels as the sign says; the others, the decoys, as
drawn anew for every clip. So all joints but the informative ones are independent of the sign.

Signs come in families of four that differ in the swivels of two informative joints, and every
informative joint is one of some family's two: without it, minimal pairs fall together.

What it costs in plausibility: finger joints are hinges, and no hand swivels so. Neighbours in a
finger never swivel in the same clip, so the neighbours of an informative joint never do, nor does
the wrist, which has five. What stays with the method: a joint that tells nothing can still help to
read one that does, as the wrist shows how the hand is turned.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from jointprune.dataset import SignDataset
from jointprune.paper.synthetic_hands import (
    FINGERS,
    LEVELS,
    Signers,
    moving_hands,
    place,
    slow,
    touches,
)
from jointprune.skeleton import HANDS, JOINT_NAMES, JOINTS
from jointprune.store import arrays_on_disk, open_dataset, save_dataset
from jointprune.workspace import Workspace

# Raise it when the same parameters would give other clips.
VERSION = 1
# Clips made at a time; bounds the memory, and is part of what a seed means.
CHUNK = 256
# Degrees: a swivel that tells signs apart; a decoy's, and what difficulty 1 adds to it; and how
# far execution slips from either at difficulty 1 (s.d.).
SWIVEL, DECOY, MORE_DECOY, SLIP = 75, 80, 10, 25
# Noise of each coordinate (s.d., shoulder widths), and what difficulty 1 adds.
NOISE, MORE_NOISE = 0.003, 0.03


@dataclass(frozen=True)
class SyntheticParameters:
    """Parameters of the generator; it makes signs x signers x clips recordings.

    `informative` is a number of joints, spread over hands, fingers and levels by the seed, or
    their names. Raises ValueError for what cannot be.
    """

    signs: int = 20
    signers: int = 20
    clips: int = 2  # of each sign by each signer
    frames: tuple[int, int] = (16, 40)  # of the shortest and the longest clip
    informative: int | tuple[str, ...] = 8
    difficulty: float = 0.5  # 0 to 1: noise, and decoys' size against the signal's
    missing: float = 0.15  # share of frames with the left hand away
    seed: int = 0

    def __post_init__(self):
        named = not isinstance(self.informative, int)
        object.__setattr__(self, "frames", tuple(self.frames))
        if named:
            object.__setattr__(self, "informative", tuple(self.informative))
            _check_names(self.informative)
        count = len(self.informative) if named else self.informative
        fewest = 2 * (count + count % 2)
        most = len(HANDS) * FINGERS * LEVELS // 2
        wrong = {
            "1 signer and 1 clip or more": min(self.signers, self.clips) < 1,
            "frames as (shortest, longest), 2 or more": not 2 <= self.frames[0] <= self.frames[-1],
            f"6 to {most} informative joints": not 6 <= count <= most,
            # Every joint has a family, and there is always a free one left to draw.
            f"{fewest} to {2**count // 4} signs": not fewest <= self.signs <= 2**count // 4,
            "a difficulty of 0 to 1": not 0 <= self.difficulty <= 1,
            "a missing share of 0 to 0.5": not 0 <= self.missing <= 0.5,
            "a seed of 0 or more": self.seed < 0,
        }
        for wanted, is_wrong in wrong.items():
            if is_wrong:
                raise ValueError(f"expected {wanted}, got {self}")

    @property
    def generator(self) -> dict:
        """The parameters with the generator's version, as meta.json notes them."""
        return json.loads(json.dumps({"version": VERSION, **asdict(self)}))

    @property
    def name(self) -> str:
        """The store's name: "synthetic" for the defaults, else with a hash of the parameters."""
        if self == SyntheticParameters():
            return "synthetic"
        content = json.dumps(self.generator, sort_keys=True)
        return f"synthetic-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def open_synthetic(parameters: SyntheticParameters, workspace: Workspace) -> SignDataset:
    """The store of these parameters in a workspace, generated unless it is there."""
    folder = workspace.processed / parameters.name
    try:
        data = open_dataset(folder)
    except (FileNotFoundError, ValueError):  # absent, damaged or of an older format
        return generate(parameters, folder)
    same = data.meta.get("generator") == parameters.generator
    return data if same else generate(parameters, folder)


def generate(parameters: SyntheticParameters, folder: Path | str) -> SignDataset:
    """Generate the recordings and store them in `folder`; the same parameters give the same."""
    return record(parameters, _table(parameters), Path(folder))


def record(
    p: SyntheticParameters, rows: pd.DataFrame, folder: Path, name: str = "", **more
) -> SignDataset:
    """The store of one recording for each row of `rows`: columns sign and signer (numbers), split.

    `name` takes the place of the parameters' own; `more` goes into the store's meta.
    """
    truth = np.random.default_rng([p.seed, 0])
    informative = informative_joints(p.informative, truth)
    codes = sign_codes(p.signs, len(informative), truth)
    signers = Signers.draw(p.signers, np.random.default_rng([p.seed, 1]))
    sign, signer = rows["sign"].to_numpy(), rows["signer"].to_numpy()
    with arrays_on_disk(folder, len(rows), p.frames[1], len(JOINT_NAMES)) as (poses, present):
        for chunk, start in enumerate(range(0, len(rows), CHUNK)):
            part = slice(start, start + CHUNK)
            rng = np.random.default_rng([p.seed, 2, chunk])
            ways = np.full((len(sign[part]), len(JOINT_NAMES)), -1)
            ways[:, informative] = codes[sign[part]]
            poses[part], present[part] = _record(p, signers[signer[part]], ways, rng)
        meta = {
            "name": name or p.name,
            "units": "shoulder widths, origin midway between the shoulders, y down",
            "normalisation": "none: generated in these units; x and y of hands in space",
            "informative": [JOINT_NAMES[j] for j in informative],
            "generator": p.generator,
            **more,
        }
        lengths = np.concatenate([
            present[start : start + CHUNK].any(axis=2).sum(axis=1)
            for start in range(0, len(rows), CHUNK)
        ])  # fmt: skip
        clips = _named(p, rows, lengths)
        names = {"classes": _names("sign", p.signs), "joints": JOINT_NAMES}
        return save_dataset(folder, poses=poses, present=present, clips=clips, meta=meta, **names)


def informative_joints(wanted: int | tuple[str, ...], rng: np.random.Generator) -> list[int]:
    """Indices of the joints that carry the sign, ascending: those named, or so many drawn.

    Each draw goes where fewest were drawn before, by finger, then hand, then level, and never
    next to a joint that was.
    """
    if not isinstance(wanted, int):
        return sorted(map(JOINT_NAMES.index, wanted))
    order = [j for j in rng.permutation(len(JOINT_NAMES)).tolist() if j % len(JOINTS)]
    chosen: list[int] = []

    def crowding(joint: int) -> list[int]:
        parts = (slice(0, 2), slice(0, 1), slice(2, 3))
        return [sum(place(joint)[p] == place(other)[p] for other in chosen) for p in parts]

    for _ in range(wanted):
        chosen.append(min((j for j in order if not touches(j, chosen)), key=crowding))
    return sorted(chosen)


def sign_codes(signs: int, joints: int, rng: np.random.Generator) -> np.ndarray:
    """Which way each informative joint swivels in each sign, 0 or 1: int (signs, joints).

    No two signs are alike. Four signs in a row are a family: alike but for two joints, which take
    all four combinations; the next family's are the next two joints.
    """
    codes = np.empty((0, joints), dtype=np.int64)
    while len(codes) < signs:
        varied = (len(codes) // 2 + np.arange(2)) % joints
        family = np.tile(rng.integers(2, size=joints), (4, 1))
        family[:, varied] = np.indices((2, 2)).reshape(2, 4).T
        if not (family[:, None] == codes).all(-1).any():
            codes = np.concatenate([codes, family])
    return codes[:signs]


def _record(
    p: SyntheticParameters, signers: Signers, ways: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Poses (clips, frames, 42, 2) and present (clips, frames, 42) of clips made together."""
    shortest, longest = p.frames
    tempo = (signers.tempo + 0.1 * rng.normal(size=len(ways))).clip(0, 1)
    last = np.rint(shortest + tempo * (longest - shortest)).astype(np.int64)[:, None] - 1
    frame = np.arange(longest)
    moment = np.minimum(frame / last, 1)
    hands = moving_hands(signers, moment, _swivels(p, moment, ways, rng), rng)
    poses = hands[..., :2].reshape(*moment.shape, len(JOINT_NAMES), 2) * (1, -1)
    poses += rng.normal(scale=NOISE + p.difficulty * MORE_NOISE, size=poses.shape)
    present = np.repeat((frame <= last)[..., None], len(HANDS), axis=-1)
    present[..., 0] &= ~_away(p.missing, moment, rng)
    present = np.repeat(present, len(JOINTS), axis=-1)
    return poses * present[..., None], present


def _swivels(
    p: SyntheticParameters, moment: np.ndarray, ways: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Degrees by which joints swivel: (clips, frames, 2, 5, 4).

    `ways` (clips, 42) holds the sign's way of each informative joint, -1 for the others. In
    every finger and clip either the base and far, or the middle joint and the tip swivel.
    """
    ways = ways.reshape(len(ways), len(HANDS), -1)[..., 1:].reshape(-1, len(HANDS), FINGERS, LEVELS)
    told = ways >= 0
    odd = np.arange(LEVELS) % 2 == rng.integers(2, size=(*ways.shape[:3], 1))
    taken = told | told[..., [2, 3, 0, 1]]
    swivels = np.where(told.any(-1, keepdims=True), taken, odd)
    way = np.where(told, ways, rng.integers(2, size=ways.shape))
    size = np.where(told, SWIVEL, DECOY + p.difficulty * MORE_DECOY)
    warp = rng.uniform(-0.3, 0.3, size=(len(ways), 1))
    held = np.sqrt(np.sin(np.pi * (moment + warp * np.sin(np.pi * moment))).clip(0))
    path = held[..., None, None, None] * np.where(way, -size, size)[:, None]
    slip = p.difficulty * SLIP * slow(rng, moment, *ways.shape[1:])
    return (path + slip) * swivels[:, None]


def _away(share: float, moment: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Frames in which the left hand has not come yet, or has left: bool (clips, frames)."""
    away = rng.uniform(0, 2 * share, size=(len(moment), 1))
    late = rng.random((len(moment), 1)) < 0.5
    return np.where(late, moment, 1 - moment) < away


def _table(p: SyntheticParameters) -> pd.DataFrame:
    """Every sign by every signer, so many times."""
    signer, sign, _ = (axis.ravel() for axis in np.indices((p.signers, p.signs, p.clips)))
    return pd.DataFrame({"sign": sign, "signer": signer, "split": ""})


def _named(p: SyntheticParameters, rows: pd.DataFrame, lengths: np.ndarray) -> pd.DataFrame:
    """The store's table: a clip is signer/sign/take, its takes counted from 0."""
    labels = np.array(_names("sign", p.signs))[rows["sign"]]
    people = np.array(_names("signer", p.signers))[rows["signer"]]
    takes = rows.groupby(["signer", "sign"]).cumcount()
    clip = [f"{s}/{c}/{t}" for s, c, t in zip(people, labels, takes, strict=True)]
    names = {"clip": clip, "label": labels, "signer": people, "group": people}
    known = {"split": rows["split"].to_numpy(), "source_file": "", "fps": 25.0}
    return pd.DataFrame({**names, **known, "frames": lengths, "original_frames": lengths})


def _names(word: str, count: int) -> tuple[str, ...]:
    """Numbered names that sort as their numbers do: sign-00, sign-01, ..."""
    return tuple(f"{word}-{i:0{len(str(count - 1))}}" for i in range(count))


def _check_names(names: tuple[str, ...]) -> None:
    """Refuse names that no swivel can be synthetic in."""
    if unknown := [n for n in names if n not in JOINT_NAMES or n.endswith("wrist")]:
        raise ValueError(f"expected joints such as 'left.thumb_tip' and no wrist, got {unknown}")
    joints = [JOINT_NAMES.index(name) for name in names]
    for i, joint in enumerate(joints):
        if touches(joint, joints[:i]):
            got = f"{names[i]!r} beside its neighbour, or twice, in {list(names)}"
            raise ValueError(f"expected joints that are no neighbours in a finger, got {got}")

"""Synthetic data: generated hand motion whose informative joints are known.

The sign decides in which direction an informative joint swivels, that is, turns about the line
through its neighbours in the finger. Other joints, the decoys, swivel at random. See
data/README.md.
"""

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from jointprune.dataset import SignDataset
from jointprune.paper.synthetic_hands import FINGERS, LEVELS, Signers, moving_hands, smooth_paths
from jointprune.skeleton import FINGER_OF, HANDS, JOINT_NAMES, JOINTS, bone_distance
from jointprune.store import arrays_on_disk, open_dataset, save_dataset
from jointprune.workspace import Workspace

# Raise it when the same parameters would give other clips.
VERSION = 1
# Clips generated at a time; bounds the memory. Another value gives other clips for the same seed.
CHUNK = 256
# Degrees: the swivel of an informative joint; that of a decoy, and its increase at difficulty 1;
# and the random deviation from either at difficulty 1 (s.d.).
SWIVEL, DECOY, MORE_DECOY, SLIP = 75, 80, 10, 25
# Noise of each coordinate (s.d., shoulder widths), and its increase at difficulty 1.
NOISE, MORE_NOISE = 0.003, 0.03

# AUTSL's signs, signers and splits: clips; signers; fewest, median and most clips of a sign.
# Source: Sincan and Keles 2020, IEEE Access 8.
SIGNS, SIGNERS = 226, 43
VAL, TEST = (1, 11, 16, 18, 25, 35), (6, 14, 27, 30, 34, 39)
AUTSL = {
    "train": (28142, tuple(sorted({*range(SIGNERS)} - {*VAL, *TEST})), (90, 126, 127)),
    "val": (4418, VAL, (12, 20, 20)),
    "test": (3742, TEST, (10, 17, 17)),
}
ASSUMED_FRAMES = (32, 96)  # not published


@dataclass(frozen=True)
class SyntheticParameters:
    """Parameters of the generator, which makes signs x signers x clips recordings."""

    signs: int = 20
    signers: int = 20
    clips: int = 2  # of each sign by each signer
    frames: tuple[int, int] = (16, 40)  # of the shortest and of the longest clip
    informative: int = 8  # joints, spread over hands, fingers and levels by the seed
    difficulty: float = 0.5  # 0 to 1: noise, and decoys' swivels relative to informative ones
    missing: float = 0.15  # share of frames without the left hand
    seed: int = 0

    def __post_init__(self):
        object.__setattr__(self, "frames", tuple(self.frames))
        fewest = 2 * (self.informative + self.informative % 2)
        most = len(HANDS) * FINGERS * LEVELS // 2
        wrong = {
            "1 signer and 1 clip or more": min(self.signers, self.clips) < 1,
            "frames as (shortest, longest), 2 or more": len(self.frames) != 2
            or not 2 <= self.frames[0] <= self.frames[1],
            f"6 to {most} informative joints": not 6 <= self.informative <= most,
            # So many signs that each joint has its family, and so few that codes are never used up.
            f"{fewest} to {2**self.informative // 4} signs": not (
                fewest <= self.signs <= 2**self.informative // 4
            ),
            "a difficulty of 0 to 1": not 0 <= self.difficulty <= 1,
            "a missing share of 0 to 0.5": not 0 <= self.missing <= 0.5,
            "a seed of 0 or more": self.seed < 0,
        }
        for expected, is_wrong in wrong.items():
            if is_wrong:
                raise ValueError(f"expected {expected}, got {self}")

    @property
    def generator(self) -> dict:
        """The parameters and the generator's version, as in meta.json."""
        return json.loads(json.dumps({"version": VERSION, **asdict(self)}))

    @property
    def name(self) -> str:
        """The store's name: "synthetic" for the defaults, else with a hash of the parameters."""
        if self == SyntheticParameters():
            return "synthetic"
        content = json.dumps(self.generator, sort_keys=True)
        return f"synthetic-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def open_synthetic(parameters: SyntheticParameters, workspace: Workspace) -> SignDataset:
    """Open a workspace's synthetic data set; generate it if it is absent, damaged or outdated."""
    folder = workspace.processed / parameters.name
    with suppress(FileNotFoundError, ValueError):
        data = open_dataset(folder)
        if data.meta.get("generator") == parameters.generator:
            return data
    return generate(parameters, folder)


def generate(parameters: SyntheticParameters, folder: Path | str) -> SignDataset:
    """Generate a data set and store it in `folder`; equal parameters give equal bits."""
    counts = (parameters.signers, parameters.signs, parameters.clips)
    signer, sign, _ = np.indices(counts).reshape(3, -1)
    rows = pd.DataFrame({"sign": sign, "signer": signer, "split": ""})
    return generate_rows(parameters, rows, Path(folder))


def autsl_like(workspace: Workspace, share: float = 1.0) -> SignDataset:
    """Generate a data set of AUTSL's size, or with a share (up to 1) of each sign's clips.

    Use it to measure memory and time without AUTSL, which cannot be distributed.
    """
    if not 0 < share <= 1:
        raise ValueError(f"expected a share of the clips above 0 and up to 1, got {share}")
    name = "synthetic-autsl" + ("" if share == 1 else f"-{share:g}")
    parameters = SyntheticParameters(
        signs=SIGNS, signers=SIGNERS, clips=1, frames=ASSUMED_FRAMES, informative=10
    )
    splits = []
    for split, (clips, signers, per_sign) in AUTSL.items():
        counts = np.ceil(_clips_per_sign(clips, *per_sign) * share).astype(np.int64)
        sign = np.repeat(np.arange(SIGNS), counts)
        signer = np.resize(signers, len(sign))  # signers take turns
        splits.append(pd.DataFrame({"sign": sign, "signer": signer, "split": split}))
    like = {"like": "AUTSL: its counts; lengths assumed", "groups_by": "signer"}
    return generate_rows(parameters, pd.concat(splits), workspace.processed / name, name, **like)


def _clips_per_sign(total: int, fewest: int, median: int, most: int) -> np.ndarray:
    """Clips of each of the 226 signs, ascending, with this sum, minimum, median and maximum.

    Half of the signs have the median or the most; the others are spread evenly below.
    """
    half = SIGNS // 2
    counts = np.full(SIGNS, median)
    counts[-1], counts[0] = most, fewest
    lower = total - counts.sum() + median * (half - 2)
    counts[1 : half - 1] = np.diff(np.linspace(0, lower, half - 1).round())
    return np.sort(counts)


def generate_rows(
    p: SyntheticParameters, rows: pd.DataFrame, folder: Path, name: str = "", **more
) -> SignDataset:
    """Generate one clip for each row: columns sign and signer (numbers from 0) and split."""
    truth = np.random.default_rng([p.seed, 0])
    informative = _informative_joints(p.informative, truth)
    codes = _sign_codes(p.signs, len(informative), truth)
    signers = Signers.draw(p.signers, np.random.default_rng([p.seed, 1]))
    sign, signer = rows["sign"].to_numpy(), rows["signer"].to_numpy()
    lengths = np.empty(len(rows), dtype=np.int64)
    with arrays_on_disk(folder, len(rows), p.frames[1], len(JOINT_NAMES)) as (poses, present):
        for chunk, start in enumerate(range(0, len(rows), CHUNK)):
            part = slice(start, start + CHUNK)
            rng = np.random.default_rng([p.seed, 2, chunk])
            directions = np.full((len(sign[part]), len(JOINT_NAMES)), -1)
            directions[:, informative] = codes[sign[part]]
            poses[part], seen = _chunk(p, signers[signer[part]], directions, rng)
            present[part], lengths[part] = seen, seen.any(axis=2).sum(axis=1)
        meta = {
            "name": name or p.name,
            "units": "shoulder widths, origin midway between the shoulders, y down",
            "normalisation": "none: generated in these units; x and y of hands in space",
            "informative": [JOINT_NAMES[j] for j in informative],
            "generator": p.generator,
            **more,
        }
        return save_dataset(
            folder, poses=poses, present=present, clips=_clip_table(p, rows, lengths),
            classes=_numbered("sign", p.signs), joints=JOINT_NAMES, meta=meta)  # fmt: skip


def _informative_joints(wanted: int, rng: np.random.Generator) -> list[int]:
    """Indices of `wanted` joints, spread evenly without two neighbours."""
    order = [j for j in rng.permutation(len(JOINT_NAMES)).tolist() if FINGER_OF[JOINT_NAMES[j]]]
    hand, within = np.divmod(np.arange(len(JOINT_NAMES)), len(JOINTS))
    finger, level = np.divmod(within - 1, LEVELS)
    places = np.stack([FINGERS * hand + finger, hand, level], axis=1)
    distance, drawn = bone_distance(JOINT_NAMES), []
    for _ in range(wanted):
        free = [j for j in order if not (distance[j, drawn] < 2).any()]
        drawn.append(min(free, key=lambda j: (places[drawn] == places[j]).sum(axis=0).tolist()))
    return sorted(drawn)


def _sign_codes(signs: int, joints: int, rng: np.random.Generator) -> np.ndarray:
    """Direction, 0 or 1, in which each informative joint swivels in each sign: (signs, joints).

    No two signs have the same code. Four signs in a row are a family: they differ in two joints
    alone, which take all four combinations; the next family differs in the next two joints.
    """
    codes = np.empty((0, joints), dtype=np.int64)
    while len(codes) < signs:
        varied = (len(codes) // 2 + np.arange(2)) % joints
        family = np.tile(rng.integers(2, size=joints), (4, 1))
        family[:, varied] = np.indices((2, 2)).reshape(2, 4).T
        if not (family[:, None] == codes).all(-1).any():
            codes = np.concatenate([codes, family])
    return codes[:signs]


def _chunk(
    p: SyntheticParameters, signers: Signers, directions: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Poses (clips, frames, 42, 2) and present (clips, frames, 42) of clips generated together."""
    shortest, longest = p.frames
    tempo = (signers.tempo + 0.1 * rng.normal(size=len(directions))).clip(0, 1)
    last = np.rint(shortest + tempo * (longest - shortest)).astype(np.int64)[:, None] - 1
    frame = np.arange(longest)
    moment = np.minimum(frame / last, 1)
    hands = moving_hands(signers, moment, _swivels(p, moment, directions, rng), rng)
    poses = hands[..., :2].reshape(*moment.shape, len(JOINT_NAMES), 2) * (1, -1)
    poses += rng.normal(scale=NOISE + p.difficulty * MORE_NOISE, size=poses.shape)
    present = np.repeat((frame <= last)[..., None], len(HANDS), axis=-1)
    # The left hand comes late or leaves early.
    away = rng.uniform(0, 2 * p.missing, size=(len(moment), 1))
    comes_late = rng.random((len(moment), 1)) < 0.5
    present[..., 0] &= np.where(comes_late, moment, 1 - moment) >= away
    present = np.repeat(present, len(JOINTS), axis=-1)
    return poses * present[..., None], present


def _swivels(
    p: SyntheticParameters, moment: np.ndarray, directions: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Degrees by which joints swivel: (clips, frames, 2, 5, 4).

    `directions` (clips, 42) is 0 or 1 for informative joints, -1 for the others. Neighbours in a
    finger never swivel in the same clip: either levels 0 and 2 do, or levels 1 and 3.
    """
    fingers = directions.reshape(len(directions), len(HANDS), -1)[..., 1:]
    directions = fingers.reshape(-1, len(HANDS), FINGERS, LEVELS)
    informative = directions >= 0
    drawn = np.arange(LEVELS) % 2 == rng.integers(2, size=(*directions.shape[:3], 1))
    fixed = informative | informative[..., [2, 3, 0, 1]]
    swivels = np.where(informative.any(-1, keepdims=True), fixed, drawn)
    direction = np.where(informative, directions, rng.integers(2, size=directions.shape))
    size = np.where(informative, SWIVEL, DECOY + p.difficulty * MORE_DECOY)
    warp = rng.uniform(-0.3, 0.3, size=(len(directions), 1))
    held = np.sqrt(np.sin(np.pi * (moment + warp * np.sin(np.pi * moment))).clip(0))
    path = held[..., None, None, None] * np.where(direction, -size, size)[:, None]
    slip = p.difficulty * SLIP * smooth_paths(rng, moment, *directions.shape[1:])
    return (path + slip) * swivels[:, None]


def _clip_table(p: SyntheticParameters, rows: pd.DataFrame, lengths: np.ndarray) -> pd.DataFrame:
    """The store's table; a clip is called signer/sign/take, takes counted from 0."""
    labels = np.array(_numbered("sign", p.signs))[rows["sign"]]
    signers = np.array(_numbered("signer", p.signers))[rows["signer"]]
    takes = rows.groupby(["signer", "sign"]).cumcount()
    return pd.DataFrame({
        "clip": [f"{s}/{c}/{t}" for s, c, t in zip(signers, labels, takes, strict=True)],
        "label": labels, "signer": signers, "group": signers,
        "split": rows["split"].to_numpy(), "leading_hand": "right", "source_file": "",
        "fps": 25.0,
        "frames": lengths, "original_frames": lengths,
    })  # fmt: skip


def _numbered(word: str, count: int) -> tuple[str, ...]:
    """Numbered names that sort as their numbers do: sign-00, sign-01, ..."""
    return tuple(f"{word}-{i:0{len(str(count - 1))}}" for i in range(count))

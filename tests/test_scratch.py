"""Half-made files: gone with their maker, however it ends, and with nobody else."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jointprune import scratch
from jointprune.scratch import scratch_folder

HOLDER = """
import sys, time
from pathlib import Path
from jointprune.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "half").write_text("x")
    print(flush=True)
    time.sleep(60)
"""


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


def test_it_is_inside_its_parent_and_gone_afterwards(tmp_path):
    parent = tmp_path / "a" / "b"
    with scratch_folder(parent) as folder:
        assert folder.is_dir() and parent in folder.parents and list(folder.iterdir()) == []
        (folder / "made").write_text("x")
        (folder / "made").rename(parent / "made")
    assert [path.name for path in parent.iterdir()] == ["made"]


def test_it_is_gone_after_an_error(tmp_path):
    with pytest.raises(KeyboardInterrupt), scratch_folder(tmp_path):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path, holder):
    (left,) = tmp_path.iterdir()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (left / "new" / "half").is_file()
    with scratch_folder(tmp_path) as folder:
        assert [path for path in tmp_path.iterdir()] == [folder.parent]


def test_what_a_living_process_uses_stays(tmp_path, holder):
    (used,) = tmp_path.iterdir()
    with scratch_folder(tmp_path):
        pass
    assert [path for path in tmp_path.iterdir()] == [used]
    assert (used / "new" / "half").is_file()


def test_one_process_can_use_several(tmp_path):
    with scratch_folder(tmp_path) as first:
        with scratch_folder(tmp_path) as second:
            assert first != second
        assert first.is_dir()


def test_a_folder_taken_for_dead_while_it_is_made_is_made_again(tmp_path, monkeypatch):
    """Another process removes it between its making and its locking."""
    made, removed = scratch.tempfile.mkdtemp, []

    def removed_at_once(**where):
        folder = made(**where)
        if not removed:
            removed.append(folder)
            os.rmdir(folder)
        return folder

    monkeypatch.setattr(scratch.tempfile, "mkdtemp", removed_at_once)
    with scratch_folder(tmp_path) as folder:
        assert folder.is_dir() and folder.parent != Path(removed[0])


def test_without_locks_nothing_is_taken_for_dead(tmp_path, monkeypatch, holder):
    def no_locks(*_):
        raise OSError("No locks available")

    monkeypatch.setattr(scratch.fcntl, "lockf", no_locks)
    with scratch_folder(tmp_path) as folder:
        assert folder.is_dir() and len(list(tmp_path.iterdir())) == 2
    assert len(list(tmp_path.iterdir())) == 1

"""Things that go wrong around a run, each on a copy of the reference: a clear error, and back."""

import re
import shutil
import time
from pathlib import Path

from children import Child, Ended, full_disk, notebooks, numbers, without_privilege
from compare import copied, differences
from trials import Bench, Trial, harmed

from jointprune.paper.report import PARTS
from jointprune.paper.results import read_facts, write_facts
from jointprune.workspace import ROOT, Workspace

LARGEST_FILE = 100_000  # bytes on the full disk: settings and tables of gates fit, no model does
BASELINE = "02"  # the notebook that trains fewest runs
WITHOUT_FONT = """
import os, matplotlib.font_manager as f
left = f.fontManager
left.ttflist = [font for font in left.ttflist if font.name != "DejaVu Sans"]
name = f"fontlist-v{f.FontManager.__version__}.json"
f.json_dump(left, os.path.join(os.environ["MPLCONFIGDIR"], name))
"""


def untrained(bench: Bench, name: str) -> Path:
    """A copy of the reference whose runs are to be trained again."""
    workspace = copied(bench.reference, name)
    for path in (workspace / "data/runs").glob("*/run.json"):
        shutil.rmtree(path.parent)
    return workspace


def fixed(bench: Bench, workspace: Path, name: str, words: str, failed: Ended) -> Trial:
    """The trial, once the same notebook ran again."""
    again = notebooks(workspace, "again", BASELINE).wait(bench.left())
    return harmed(
        name, words, failed, again, differences(bench.reference, workspace, every_run=False)
    )


def full(bench: Bench) -> Trial:
    workspace = untrained(bench, "full")
    child = notebooks(workspace, "full", BASELINE, before=full_disk(LARGEST_FILE))
    return fixed(bench, workspace, "full disk", "File too large", child.wait(bench.left()))


def read_only(bench: Bench) -> Trial:
    workspace = untrained(bench, "readonly")
    (workspace / "data/runs").chmod(0o555)
    child = notebooks(workspace, "readonly", BASELINE, before=without_privilege)
    failed = child.wait(bench.left())
    (workspace / "data/runs").chmod(0o755)
    return fixed(bench, workspace, "read-only folder", "Permission denied", failed)


def stopped_kernel(bench: Bench) -> Trial:
    """kill -9 for the kernel alone, while it trains."""
    workspace = untrained(bench, "kernel")
    child = notebooks(workspace, "kernel", BASELINE)
    while child.alive and "all joints" not in child.log.read_text(errors="replace"):
        time.sleep(0.1)
    for kernel in child.kernels():
        kernel.kill()
    return fixed(bench, workspace, "stopped kernel", "its kernel stopped", child.wait(bench.left()))


def truncated_checkpoint(bench: Bench) -> Trial:
    """Every checkpoint cut in half; the folder that the error names is removed, as it says."""
    workspace = copied(bench.reference, "checkpoint")
    for path in (workspace / "data/runs").glob("*/model.ckpt"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    words = "remove that folder"
    failed = notebooks(workspace, "cut", BASELINE).wait(bench.left())
    for folder in set(re.findall(r"(\S+): expected a run's folder", failed.text)):
        shutil.rmtree(folder, ignore_errors=True)
    return fixed(bench, workspace, "truncated checkpoint", words, failed)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    if old not in text:
        raise ValueError(f"{path}: expected {old!r} to edit, got none")
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


STORE = {
    "a bit flipped in poses.npy": ("poses.npy", flip),
    "present.npy cut": ("present.npy", cut),
    "clips.csv edited": ("clips.csv", lambda path: edit(path, ",ase,ase,", ",ase,bzs,")),
    "meta.json cut": ("meta.json", cut),
}


def corrupted_store(bench: Bench, damage: str) -> Trial:
    """The store is refused by the next notebook; the first one makes it again."""
    workspace = copied(bench.reference, f"store{list(STORE).index(damage)}")
    name, spoil = STORE[damage]
    spoil(workspace / "data/processed/fingerspelling" / name)
    code = (
        "import sys, jointprune as jp; jp.load_dataset(*sys.argv[1:2], jp.Workspace(sys.argv[2]))"
    )
    arguments = ("-c", code, "fingerspelling", str(workspace))
    failed = Child(*arguments, log=workspace / "logs" / "load.log").wait(bench.left())
    again = notebooks(workspace, "again", "01").wait(bench.left())
    other = differences(bench.reference, workspace)
    return harmed(f"store: {damage}", "expected the dataset that was saved", failed, again, other)


def paper(bench: Bench) -> Path:
    """The repository's results and figures in a workspace of their own, written, published."""
    workspace = bench.folder / "paper"
    if workspace.is_dir():
        return workspace
    for folder in ("data/results", "figures"):
        shutil.copytree(ROOT / folder, workspace / folder)
    shutil.copy(ROOT / "README.md", workspace)
    place = Workspace(str(workspace))
    for name in PARTS:  # those of before results were sealed get their seals
        facts = read_facts(place, f"{name}.json")
        history = {key: facts.pop(key) for key in ("data_sha256", "config", "smoke")}
        for key in ("commit", "tables"):
            facts.pop(key, None)
        write_facts(place, f"{name}.json", facts, **history)
    for step in ((), ("--publish",)):
        ended = numbers(workspace, "made", *step).wait(bench.left())
        if ended.code:
            raise ValueError(ended.last)
    return workspace


EDITS = {
    "tampered table": ("data/results/baseline_predictions.csv", ",0.", ",1.", "changed or damaged"),
    "tampered facts": ("data/results/ablation.json", '"runs": ', '"runs": 1', "changed or damaged"),
    "edited numbers.tex": ("figures/numbers.tex", "{410}", "{411}", "run `make numbers`"),
}


def edited(bench: Bench, name: str) -> Trial:
    """`make check` says which file was edited; what it says to do brings it back."""
    workspace = paper(bench)
    file, old, new, words = EDITS[name]
    path = workspace / file
    before = path.read_bytes()
    edit(path, old, new)
    failed = numbers(workspace, "edited", "--check").wait(bench.left())
    if path.suffix == ".tex":
        numbers(workspace, "written").wait(bench.left())
    else:
        path.write_bytes(before)
    again = numbers(workspace, "again", "--check").wait(bench.left())
    other = [] if path.read_bytes() == before else [path.name]
    named = path.name in failed.text
    trial = harmed(name, words, failed, again, other)
    return trial._replace(ok=trial.ok and named)


def missing_font(bench: Bench) -> Trial:
    """Matplotlib's list of fonts does not know the one that figures are set in."""
    workspace = copied(bench.reference, "font")
    fonts = workspace / "fonts"
    fonts.mkdir()
    where = {"MPLCONFIGDIR": str(fonts)}
    Child("-c", WITHOUT_FONT, log=workspace / "logs" / "list.log", **where).wait(bench.left())
    shutil.rmtree(workspace / "figures")
    failed = notebooks(workspace, "failed", "05", **where).wait(bench.left())
    for path in fonts.glob("fontlist*"):
        path.unlink()  # as the error says
    again = notebooks(workspace, "again", "05", **where).wait(bench.left())
    other = differences(bench.reference, workspace)
    return harmed("missing font", "expected the font DejaVu Sans", failed, again, other)

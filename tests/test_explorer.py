"""The explorer shows what the results hold, at every place of its slider."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from IPython.display import HTML
from paper_facts import predictions as made_up

from jointprune.paper import explorer
from jointprune.paper.results import write_facts, write_table
from jointprune.paper.tables import accuracy_table, changes_by
from jointprune.selection import METHODS
from jointprune.skeleton import JOINT_NAMES
from jointprune.store import save_dataset
from jointprune.workspace import Workspace

GROUPS, LETTERS, SEEDS = ("ga", "gb", "gc", "gd"), tuple("ABCDEFGHIJKLMNOP"), 3
ACCURACY = {
    ("full", 42, "retrained"): 0.9, ("learned", 4, "retrained"): 0.2,
    ("learned", 12, "retrained"): 0.7, ("learned", 12, "gated"): 0.6,
    ("greedy", 4, "retrained"): 0.3, ("greedy", 12, "retrained"): 0.6,
    ("variance", 12, "retrained"): 0.5,
}  # fmt: skip


def kept(k: int, fold: int, seed: int) -> list[str]:
    """The first K joints, shifted by the fold; the last of them is also shifted by the seed."""
    names = [JOINT_NAMES[(j + 5 * fold) % 42] for j in range(k)]
    return [*names[:-1], JOINT_NAMES[(k - 1 + 5 * fold + seed) % 42]]


def dataset_in(folder):
    rows = [(group, letter) for group in GROUPS for letter in LETTERS]
    groups, letters = zip(*rows, strict=True)
    poses = np.random.default_rng(0).normal(size=(len(rows), 5, 42, 2)).astype(np.float32)
    present = np.ones(poses.shape[:3], bool)
    present[:, 4] = False  # every clip has four frames
    poses[~present] = 0
    clips = pd.DataFrame({
        "clip": [f"{group}/{letter}" for group, letter in rows], "label": letters,
        "signer": groups, "group": groups, "split": "",
        "leading_hand": "", "source_file": "made up", "frames": 4, "original_frames": 4,
        "fps": 25.0,
    })  # fmt: skip
    return save_dataset(folder, poses=poses, present=present, clips=clips, classes=LETTERS,
                        joints=JOINT_NAMES, meta={"name": "made up"})  # fmt: skip


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    """A store and its results on disk: 4 groups of 16 signs, 3 seeds, two methods at two K."""
    made = Workspace(str(tmp_path_factory.mktemp("explored")))
    data = dataset_in(made.processed / made.dataset)
    table = made_up(ACCURACY, GROUPS, LETTERS, SEEDS)
    chosen = [
        {"method": m, "k": k, "fold": f, "seed": s, "joints": kept(k, f, s)}
        for m, k, regime in ACCURACY if regime == "retrained" and m != "full"
        for f in range(4) for s in range(SEEDS)
    ]  # fmt: skip
    facts = {"accuracy": accuracy_table(table).to_dict("records"), "selections": chosen}
    history = {"data_sha256": data.sha256, "config": {}, "smoke": True}
    write_facts(made, "ablation.json", facts, **history)
    words = {"description": "made up", "group_word": "language", "class_word": "sign"}
    write_facts(made, "dataset.json", words, **history)
    full = table["method"] == "full"
    write_table(made, "baseline_predictions.csv.xz", table[full])
    write_table(made, "ablation_predictions.csv.xz", table[~full])
    return made


@pytest.fixture
def results(workspace):
    yield explorer.load(workspace)
    plt.close("all")


def test_results_of_other_recordings_are_refused(workspace, tmp_path):
    other = Workspace(str(tmp_path))
    facts = {"accuracy": [], "selections": []}
    write_facts(other, "ablation.json", facts, data_sha256="ab" * 32, config={}, smoke=True)
    dataset_in(other.processed / other.dataset)
    with pytest.raises(ValueError, match=r"expected results of the store .* got those of abababab"):
        explorer.load(other)


def test_the_picture_is_of_this_method_at_this_k(results):
    method, k = "greedy", 4
    left, right, accuracy, signs = explorer.picture(results, method, k).axes
    shares = np.concatenate([ax.collections[0].get_array() for ax in (left, right)])
    runs = [kept(k, f, s) for f in range(4) for s in range(SEEDS)]
    assert np.allclose(shares, [np.mean([name in run for run in runs]) for name in JOINT_NAMES])
    row = explorer.of(results.accuracy, method, k).iloc[0]
    ring = accuracy.get_lines()[-1]
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (k, row["mean"])
    assert f"{100 * row['mean']:.1f} % [{100 * row['low']:.1f}, " in accuracy.get_title()
    rows = changes_by(results.with_full(method, k), (method, k), ("full", 42), "class")
    names = [row["name"] for row in rows[:6] + rows[-6:]]
    assert [label.get_text() for label in signs.get_xticklabels()] == names
    drawn = [bars[0].get_xydata() for bars in signs.containers]
    points = dict(np.concatenate(drawn).tolist())
    assert points == {i: pytest.approx(100 * row["difference"])
                      for i, row in enumerate(rows[:6] + rows[-6:])}  # fmt: skip


def test_the_texts_of_a_picture_do_not_overlap(results):
    fig = explorer.picture(results, "learned", 12)
    fig.canvas.draw()
    texts = [*(ax.title for ax in fig.axes), *fig.texts]
    boxes = [text.get_window_extent() for text in texts if text.get_text()]
    boxes += [ax.yaxis.get_tightbbox() for ax in fig.axes[2:]]
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])


def test_the_clip_that_changes_most_loses_more_right_answers_than_any_other(results):
    table = results.predictions.assign(right=lambda t: t["label"] == t["predicted"])
    counts = table.pivot_table("right", "clip", ["method", "k"], aggfunc="sum")
    lost = counts["full", 42] - counts["learned", 4]
    assert lost[explorer.most_changed(results, "learned", 4)] == lost.max()


def test_the_film_shows_the_joints_of_the_run_that_was_tested_on_the_clip(results, monkeypatch):
    shown = {}
    monkeypatch.setattr(explorer, "film", lambda panels, fps: shown.update(panels) or HTML(""))
    explorer.clip_film(results, "learned", 4, "gc/B")
    (full, of_full), (pruned, of_pruned) = shown.items()
    assert of_full[0].shape == (4, 42, 2)  # without padding
    assert of_full[1].all()
    own = np.isin(JOINT_NAMES, kept(4, fold=2, seed=0))
    assert (of_pruned[1] == own).all()
    table = results.predictions.query("clip == 'gc/B' and predicted == label")
    for title, (method, k) in ((full, ("full", 42)), (pruned, ("learned", 4))):
        right = len(explorer.of(table, method, k))
        assert title == f"gc/B\n{k} joints: {right} of 3 runs are right"


def test_moving_the_slider_and_the_menus_shows_their_values(results, monkeypatch):
    shown = []
    for name, empty in (("picture", plt.figure), ("clip_film", lambda: HTML(""))):
        monkeypatch.setattr(
            explorer, name, lambda found, *what, empty=empty: shown.append(what) or empty()
        )
    method, k, clip = explorer.controls(results).children[0].children
    assert [name for _, name in method.options] == ["learned", "greedy"]  # those with a curve
    assert k.options == (4, 12)
    assert shown == [("learned", 12), ("learned", 12, clip.value)]
    k.value = 4
    method.value = "greedy"
    clip.value = "gd/P"
    assert shown[2::2] == [("learned", 4), ("greedy", 4), ("greedy", 4)]
    assert shown[-1] == ("greedy", 4, "gd/P")
    assert plt.get_fignums() == []


def test_the_page_holds_what_the_notebooks_explorer_shows(workspace, results):
    (found,) = explorer.page_facts([workspace])
    labels = {METHODS[name].label: name for name in ("learned", "greedy")}
    assert {method["label"] for method in found["methods"]} == set(labels)
    for method in found["methods"]:
        assert [*method["at"]] == [4, 12]
        for k, seen in method["at"].items():
            fig = explorer.picture(results, labels[method["label"]], k)
            title = fig.axes[2].get_title()
            assert title.startswith(f"{100 * seen['mean']:.1f} % [{100 * seen['low']:.1f}, ")
            assert sum(seen["share"].values()) == pytest.approx(k)
            names = [text.get_text() for text in fig.axes[3].get_xticklabels()]
            assert names == [row["name"] for row in seen["changes"]]

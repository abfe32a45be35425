"""Figures: drawn at print size, the same bytes each time, nothing lost on the way."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import paper_facts
import pytest

from jointprune import figures
from jointprune.evaluation import by_group
from jointprune.skeleton import BONES, JOINT_NAMES, JOINTS


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def table():
    return paper_facts.predictions()


def draw(stem, table):
    """The figure of the paper with this stem, from made-up results."""
    facts = paper_facts.results(table=table)
    shown = table[table["method"].isin(["full", "learned"]) & table["k"].isin([42, 12])]
    return {
        "fig1": lambda: figures.kept_joints(facts["pruning"]["frequency"]["12"], 12),
        "fig2": lambda: figures.accuracy_against_k(facts["ablation"]["accuracy"]),
        "fig3": lambda: figures.gates(paper_facts.gate_paths()),
        "fig4": lambda: figures.leave_out(facts["ablation"]["leave_out"]),
        "fig5": lambda: figures.languages(by_group(shown)),
    }[stem]()


@pytest.mark.parametrize("stem", ["fig1", "fig2", "fig3", "fig4", "fig5"])
def test_a_figure_drawn_twice_has_the_same_bytes(stem, table, tmp_path):
    for folder in ("once", "again"):
        figures.save(draw(stem, table), stem, tmp_path / folder)
    for kind in ("pdf", "png"):
        name = f"{stem}.{kind}"
        once = (tmp_path / "once" / name).read_bytes()
        assert once == (tmp_path / "again" / name).read_bytes()
        assert b"CreationDate" not in once


@pytest.mark.parametrize("stem", ["fig1", "fig2", "fig3", "fig4", "fig5"])
def test_a_figure_is_a_column_or_a_page_wide_and_its_words_do_not_overlap(stem, table):
    fig = draw(stem, table)
    assert fig.get_figwidth() in (figures.COLUMN, figures.PAGE)
    fig.canvas.draw()
    for ax in fig.axes:
        if not ax.axison:
            continue
        for axis in (ax.xaxis, ax.yaxis):
            labels = [tick.label1 for tick in axis.get_major_ticks() if tick.label1.get_visible()]
            boxes = [label.get_window_extent() for label in labels if label.get_text()]
            assert all(box.width < fig.bbox.width / 2 for box in boxes)
            for i, box in enumerate(boxes):
                assert not any(box.overlaps(other) for other in boxes[i + 1 :])


def test_fonts_are_embedded_as_truetype(table, tmp_path):
    pdf = figures.save(draw("fig1", table), "fig1", tmp_path)[0].read_bytes()
    assert b"/FontFile2" in pdf or b"/CIDFontType2" in pdf
    assert b"/Subtype /Type3" not in pdf


def test_a_missing_joint_is_left_out_with_its_bones():
    _, ax = plt.subplots()
    present = np.ones(21, bool)
    present[JOINTS.index("index_mcp")] = False
    drawn = figures.draw_hand(ax, figures.HAND_LAYOUT, present)
    assert len(drawn.get_offsets()) == 20
    assert len(ax.lines) == len(BONES) - 2
    assert ax.yaxis_inverted()


def test_points_of_another_shape_are_refused():
    _, ax = plt.subplots()
    with pytest.raises(ValueError, match=r"expected points \(21, 2\), got \(42, 2\)"):
        figures.draw_hand(ax, np.zeros((42, 2)))


def test_the_resting_hand_is_a_right_hand_seen_from_its_palm():
    tip = {name: figures.HAND_LAYOUT[JOINTS.index(f"{name}_tip")] for name in
           ("thumb", "index", "middle", "ring", "pinky")}  # fmt: skip
    across = [tip[name][0] for name in tip]
    assert across == sorted(across, reverse=True)
    assert tip["middle"][1] < 0  # y down: fingers point up
    palm = figures.HAND_LAYOUT[JOINTS.index("middle_mcp")]
    assert np.hypot(*palm) == pytest.approx(1.0)


def test_the_colour_of_a_joint_is_its_share():
    fig = figures.kept_joints({name: i / 41 for i, name in enumerate(JOINT_NAMES)}, 12)
    left, right = (ax.collections[0].get_array() for ax in fig.axes[:2])
    assert np.allclose(np.concatenate([left, right]), np.arange(42) / 41)


def test_every_left_out_part_is_drawn(table):
    fig = draw("fig4", table)
    masked = [sum(len(bars[0].get_xdata()) for bars in ax.containers) for ax in fig.axes]
    assert masked == [42, 12]


def test_an_unknown_method_is_not_dropped_in_silence():
    rows = [{"method": "full", "k": 42, "mean": 0.6, "low": 0.5, "high": 0.7},
            {"method": "guess", "k": 12, "mean": 0.6, "low": 0.5, "high": 0.7}]  # fmt: skip
    with pytest.raises(ValueError, match="guess"):
        figures.accuracy_against_k(rows)

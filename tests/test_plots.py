"""Figures: drawn at print size, the same bytes each time, every number shown."""

from functools import cache

import matplotlib.pyplot as plt
import numpy as np
import paper_facts
import pytest
from matplotlib import font_manager
from matplotlib.collections import FillBetweenPolyCollection
from paper_facts import FIGURES

from jointprune.paper import plots
from jointprune.paper.comparisons import UNTESTED
from jointprune.paper.plots import style
from jointprune.selection import METHODS, Method, curve_methods
from jointprune.skeleton import BONES, JOINT_NAMES, JOINTS


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def draw(stem):
    """The figure with this stem, from made-up results."""
    return FIGURES[stem](paper_facts.results())


drawn_once = cache(draw)  # for tests that only look


@pytest.mark.parametrize("stem", [stem for stem in FIGURES if stem[:3] == "fig"])
def test_a_figure_drawn_twice_has_the_same_bytes_and_truetype_fonts(stem, tmp_path):
    plots.save(drawn_once(stem), stem, tmp_path / "once")
    plots.save(draw(stem), stem, tmp_path / "again")
    for kind in ("pdf", "png"):
        once = (tmp_path / "once" / f"{stem}.{kind}").read_bytes()
        assert once == (tmp_path / "again" / f"{stem}.{kind}").read_bytes()
        assert b"CreationDate" not in once and b"/Subtype /Type3" not in once


@pytest.mark.parametrize("stem", FIGURES)
def test_a_figure_is_a_column_or_a_page_wide_and_its_labels_do_not_overlap(stem):
    fig = draw(stem)  # not saved before: a figure keeps extents of the resolution it was saved in
    assert fig.get_figwidth() in (plots.COLUMN, plots.PAGE)
    fig.canvas.draw()
    for ax in filter(lambda ax: ax.axison, fig.axes):
        for axis in (ax.xaxis, ax.yaxis):
            labels = [tick.label1 for tick in axis.get_major_ticks() if tick.label1.get_visible()]
            boxes = [label.get_window_extent() for label in labels if label.get_text()]
            assert all(box.width < fig.bbox.width / 2 for box in boxes)
            for i, box in enumerate(boxes):
                assert not any(box.overlaps(other) for other in boxes[i + 1 :])


def test_a_missing_joint_is_left_out_with_its_bones():
    _, ax = plt.subplots()
    present = np.ones(21, bool)
    present[JOINTS.index("index_mcp")] = False
    drawn = plots.draw_hand(ax, plots.HAND_LAYOUT, present)
    assert len(drawn.get_offsets()) == 20
    assert len(ax.lines) == len(BONES) - 2
    assert ax.yaxis_inverted()


def test_the_text_of_a_step_stays_in_its_box(facts):
    """With the longer words and numbers of an import of AUTSL's size, too."""
    autsl = {"clips": 36302, "classes": 226, "groups": 43}
    autsl |= {"group_word": "signer", "class_word": "sign"}
    fig = plots.plot_pipeline({**facts, "dataset": {**facts["dataset"], **autsl}}, 12)
    fig.canvas.draw()
    steps = fig.axes[0]
    boxes = [patch.get_window_extent() for patch in steps.patches]
    texts = [text for text in steps.texts if text.get_text()]
    assert len(texts) == 2 * len(boxes) == 10
    for i, text in enumerate(texts):
        inside, box = text.get_window_extent(), boxes[i // 2]
        assert box.x0 < inside.x0 < inside.x1 < box.x1
        assert box.y0 < inside.y0 < inside.y1 < box.y1
    assert steps.texts[1].get_text() == "36302 clips,\n226 signs,\n43 signers"


def test_the_pipeline_shows_all_joints_and_then_those_kept(facts):
    hands = [*drawn_once("fig1_pipeline").axes[1:5], *drawn_once("kept").axes[:2]]
    shares = np.concatenate([ax.collections[0].get_array() for ax in hands])
    frequency = facts["pruning"]["frequency"]["12"]
    kept = [frequency[name] for name in JOINT_NAMES]
    assert np.allclose(shares, [1.0] * 42 + kept + kept)


def test_every_left_out_part_is_drawn_in_the_row_and_look_of_its_hand(facts):
    left, joints, parts, right, bar = drawn_once("fig4_leave_out").axes
    assert [len(bars[0].get_xdata()) for bars in joints.containers] == [21, 21]
    losses = {row["name"]: 100 * row["loss"] for row in facts["ablation"]["leave_out"]}
    for bars, (name, row) in zip(
        parts.containers, (("left", 5 - 0.17), ("index", 1), ("right", 5 + 0.17)), strict=True
    ):
        points = dict(zip(bars[0].get_ydata(), bars[0].get_xdata(), strict=True))
        assert points[row] == pytest.approx(losses[name])
    most = float(bar.get_yticklabels()[-1].get_text())  # the colour bar's end
    shown = np.concatenate([ax.collections[0].get_array() for ax in (left, right)])
    assert np.allclose(most * shown, [max(losses[name], 0) for name in JOINT_NAMES])


def test_every_curve_is_drawn_at_every_budget_in_a_colour_and_marker_of_its_own(facts):
    curves, masked, _ = drawn_once("fig2_accuracy_against_k").axes
    means = {}
    for row in facts["ablation"]["accuracy"]:
        means.setdefault((row["method"], row["regime"]), set()).add(round(row["mean"], 9))
    for method, bars in zip(curve_methods(), curves.containers, strict=True):
        assert set(np.round(bars[0].get_ydata(), 9)) == means[method, "retrained"]
    looks = [(bars[0].get_color(), bars[0].get_marker()) for bars in curves.containers]
    assert len(set(looks)) == len(looks)
    drawn = [set(np.round(line.get_ydata(), 9)) for line in masked.get_lines()]
    for key in (("learned", "gated"), ("greedy", "masked"), ("greedy", "retrained")):
        assert means[key] in drawn


def test_a_panel_shows_the_curves_and_all_joints_of_its_own_stratum(facts):
    rows, (*panels, _) = facts["ablation"]["strata"], drawn_once("fig9_handedness").axes
    titles = ["one-handed\n13 languages, 332 clips", "two-handed\n3 languages, 78 clips"]
    assert [ax.get_title() for ax in panels] == titles
    for ax, stratum in zip(panels, ("one-handed", "two-handed"), strict=True):
        means = {}
        for row in rows:
            if row["stratum"] == stratum:
                means.setdefault(row["method"], set()).add(row["mean"])
        for method, bars in zip(curve_methods(), ax.containers, strict=True):
            assert set(bars[0].get_ydata()) == means[method]
        assert {ax.get_lines()[0].get_ydata()[0]} == means["full"]
    two_handed = [row for row in rows if row["stratum"] == "two-handed"]
    alone, _ = plots.plot_handedness(two_handed, facts["ablation"]["k_star"]).axes
    assert alone.get_title() == titles[1]


def test_the_test_of_k_star_is_drawn_as_bounds_and_filled_where_it_passes(facts):
    """A K that loses more than 10 points is left out."""
    star = facts["ablation"]["k_star"][0] | {"k": 21}
    star["steps"][-1]["difference"] = -0.11
    shown = [step for step in star["steps"] if step["difference"] > -0.1]
    ax = plots.plot_handedness(facts["ablation"]["strata"], [star]).axes[-1]
    lines = [line for line in ax.get_lines() if len(line.get_xdata())]
    points = {line.get_xdata()[0]: line for line in lines
              if line.get_marker() == "o" and len(line.get_xdata()) == 1}  # fmt: skip
    bounds = {
        line.get_xdata()[0]: line.get_ydata()[0] for line in lines if line.get_marker() == "_"
    }
    assert points.keys() == bounds.keys() == {step["k"] for step in shown}
    for step in shown:
        assert points[step["k"]].get_ydata()[0] == 100 * step["difference"]
        assert bounds[step["k"]] == 100 * step["lower_bound"]
        assert (points[step["k"]].get_markerfacecolor() != "white") == step["passes"]
    assert any(list(line.get_ydata()) == [-100 * star["margin"]] * 2 for line in lines)
    strata = {line.get_label(): dict(zip(*line.get_data(), strict=True)) for line in lines}
    beside = {"one-handed": 0.93, "two-handed": 1.07}  # not on the mark of all clips
    for step in shown:
        for row in step["strata"]:
            x = beside[row["stratum"]] * step["k"]
            assert strata[row["stratum"]][x] == 100 * row["difference"]
    seeds = {text.xy[0]: text.get_text() for text in ax.texts}
    assert seeds == {step["k"]: str(step["seeds_alone"]) for step in shown}
    assert f"seeds of {len(star['by_seed'])} that pass alone" in ax.get_title()
    assert {*strata["K*"]} == {star["k"]}


def test_without_a_k_that_loses_little_the_panel_of_changes_is_empty(facts):
    star = facts["ablation"]["k_star"][0]
    for step in star["steps"]:
        step["difference"] = -0.2
    assert plots.plot_handedness(facts["ablation"]["strata"], [star]).axes[-1].texts[:] == []


@pytest.mark.parametrize(("width", "shown"), [(1.0, ["", "12"]), (7.0, ["10", "12"])])
def test_a_number_without_room_is_left_out(width, shown):
    _, ax = style.page(width, 2)
    style.budget_axis(ax, [1, 2, 10, 12, 42])
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert labels[2:4] == shown and labels[0] == "1" and labels[-1] == "42"


def test_no_line_is_drawn_for_a_k_star_of_all_joints(facts):
    star = facts["ablation"]["k_star"][0] | {"k": 42, "joints": 42}
    ax = plots.plot_handedness(facts["ablation"]["strata"], [star]).axes[-1]
    assert "K*" not in [line.get_label() for line in ax.get_lines()]
    tested = plots.plot_pipeline(facts | {"ablation": facts["ablation"] | {"k_star": [star]}}, 12)
    said = [text.get_text() for text in tested.axes[0].texts]
    assert any(text.endswith("no K* (loss < 2 pt)") for text in said)


def test_names_of_words_stand_upright_in_a_narrow_panel_and_letters_do_not():
    for names, rotation in ((["Land"] * 12, 90), ("ABCDEFGHIJKL", 0)):
        _, axes = style.page(style.PAGE, 2.6, 1, 4, width_ratios=[3, 3, 5, 5])
        style.name_ticks(axes[3], [*names])
        assert {tick.get_rotation() for tick in axes[3].get_xticklabels()} == {rotation}


def test_joints_carried_over_have_a_panel_for_each_data_set_and_k():
    axes = drawn_once("fig10_transfer").axes
    assert [ax.get_title() for ax in axes] == ["letters", "words", "", ""]
    for place, (ax, own) in enumerate(zip(axes, ("letters", "words") * 2, strict=True)):
        names = [tick.get_text() for tick in axes[place - place % 2].get_yticklabels()]
        assert names == ["stratified random", "words", "letters", "its own"]
        marks = {int(bars[0].get_ydata()[0]): bars[0].get_xdata()[0] for bars in ax.containers}
        expected = {"stratified random": 0.7, "words": 0.8, "letters": 0.8, "its own": 0.9}
        del expected[own]  # not carried over to itself
        assert {names[row]: mark for row, mark in marks.items()} == pytest.approx(expected)
        assert sorted(line.get_xdata()[0] for line in ax.get_lines()[:2]) == [0.7, 0.95]
        ticks = 100 * ax.get_xticks()  # shown without decimals
        assert ticks == pytest.approx(ticks.round())


def test_a_method_added_to_the_table_is_found_in_figure_2(facts, monkeypatch):
    row = Method("by-height", "highest joints", "made up for this test", color="#123456",
                 marker="P", dash="-", budgets=None)  # fmt: skip
    monkeypatch.setitem(METHODS, "by-height", row)
    accuracy = facts["ablation"]["accuracy"]
    greedy = [row for row in accuracy if (row["method"], row["regime"]) == ("greedy", "retrained")]
    rows = [row | {"method": "by-height", "mean": row["mean"] - 0.1} for row in greedy]
    fig = plots.plot_accuracy_against_k([*accuracy, *rows], facts["ablation"]["k_star"])
    curves, _, every = fig.axes
    (line,) = (bars[0] for bars in curves.containers if bars.get_label() == "highest joints")
    assert (line.get_color(), line.get_marker()) == ("#123456", "P")
    assert line.get_ydata().tolist() == [row["mean"] for row in rows]
    assert "highest joints" in [text.get_text() for text in fig.legends[0].get_texts()]
    assert "highest joints" in [label.get_text() for label in every.get_yticklabels()]


@pytest.mark.parametrize(
    "spread", [{"low": 8, "median": 12, "high": 42}, UNTESTED["bootstrap"]], ids=["tested", "not"]
)
def test_the_mark_at_k_star_says_when_no_smaller_set_is_shown(facts, spread):
    record = {"k": 42, "joints": 42, "bootstrap": spread}
    ax = plots.plot_accuracy_against_k(facts["ablation"]["accuracy"], [record]).axes[0]
    assert [text.get_text().strip() for text in ax.texts] == ["K* = 42:\nno smaller set shown"]


def test_selections_of_one_seed_are_drawn_without_a_floor(facts):
    rows = [{**row, "floor": None} for row in facts["ablation"]["stability"]]
    ax = plots.plot_stability(rows).axes[0]
    hollow = [line for line in ax.get_lines() if line.get_markerfacecolor() == "white"]
    assert np.isnan(np.concatenate([line.get_ydata() for line in hollow])).all()


def test_the_band_of_stability_is_the_range_of_draws_matched_by_hand(facts):
    rows = facts["ablation"]["stability"]
    ax = plots.plot_stability(rows).axes[0]
    filled = [part for part in ax.collections if isinstance(part, FillBetweenPolyCollection)]
    shown = [name for name in curve_methods() if METHODS[name].seeded]
    bands = [part.get_datalim(ax.transData) for part in filled[: len(shown)]]
    for band, method in zip(bands, shown, strict=True):
        mine = [row for row in rows if row["method"] == method]
        assert band.y0 == pytest.approx(min(row["matched_low"] for row in mine))
        assert band.y1 == pytest.approx(max(row["matched_high"] for row in mine))


def test_filled_marks_are_the_changes_that_remain_after_holms_correction():
    rows = [{"name": name, "difference": 0.1, "low": 0.05, "high": 0.15, "p_holm": p}
            for name, p in (("A", 0.01), ("B", 0.5), ("C", 0.04))]  # fmt: skip
    untested = [{key: row[key] for key in row if key != "p_holm"} for row in rows]
    axes = plots.plot_changes({"class": rows, "group": untested}).axes
    assert [*axes[0].containers[-1][0].get_xdata()] == [0, 1, 2]
    filled, hollow = axes[1].containers
    assert list(filled[0].get_xdata()) == [0, 2]
    assert list(hollow[0].get_xdata()) == [1]
    assert hollow[0].get_markerfacecolor() == "white" != filled[0].get_markerfacecolor()


def test_cost_is_drawn_relative_to_all_joints(facts):
    panels = drawn_once("fig8_cost").axes
    rows = [row for row in facts["cost"]["rows"] if row["encoder"] == "graph"]
    for ax, key in zip(panels, ("latency_ms", "flops", "parameters"), strict=True):
        line = ax.get_lines()[1]  # encoders in their order in the facts
        assert np.allclose(line.get_ydata(), [row[key] / rows[-1][key] for row in rows])
    legend = [text.get_text() for text in panels[0].get_legend().get_texts()]
    assert "transformer: 1.9 ms" in legend


def test_a_missing_font_is_an_error_and_nothing_is_written(tmp_path, monkeypatch):
    fig, _ = style.page(1, 1)
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [])
    font_manager.fontManager._findfont_cached.cache_clear()
    with pytest.raises(ValueError, match="DejaVu Sans"):
        style.save(fig, "x", tmp_path)
    font_manager.fontManager._findfont_cached.cache_clear()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "own",
    [{"font.family": "serif"}, {"axes.grid": True, "savefig.transparent": True}, "dark_background"],
)
def test_the_users_settings_change_no_byte(tmp_path, own):
    drawn = []
    for name, settings in (("plain", {}), ("own", own)):
        with plt.style.context(settings):
            fig, ax = style.page(1, 1)
            ax.plot([0, 1])
            ax.set_title("K")
            drawn.append(style.save(fig, name, tmp_path)[1].read_bytes())
    assert drawn[0] == drawn[1]

"""Numbers reach the paper once, by name, and only from a full run."""

import json
import re
import shutil
import subprocess
import sys
import tomllib

import matplotlib.pyplot as plt
import numpy as np
import paper_facts
import pytest
import yaml

from jointprune.paper import numbers
from jointprune.paper import plots as figures
from jointprune.paper.claims import ENCODER_WORDS, MAIN, claims_tex, letters, retrained
from jointprune.paper.claims.words import METHOD_WORDS
from jointprune.paper.numbers.__main__ import main
from jointprune.paper.results import read_facts, write_facts
from jointprune.skeleton import HANDS, JOINT_NAMES
from jointprune.workspace import ROOT, Workspace

FILES = ("numbers.tex", "claims.md", "claims.tex", "joints.json")
README = "# x\n" + "".join(
    f"<!-- {name}:begin -->\nold\n<!-- {name}:end -->\nafter {name}\n" for name in numbers.BLOCKS
)


@pytest.fixture(scope="module")
def facts():
    return paper_facts.results()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A workspace with full results, the paper's files and published numbers; tests leave it so."""
    workspace = Workspace(str(tmp_path_factory.mktemp("paper")))
    paper_facts.write(workspace)
    readme = workspace.path / "README.md"
    readme.write_text(README, encoding="utf-8")
    results = numbers.load_results(workspace)
    numbers.write_paper(results, workspace)
    numbers.publish(results, workspace)
    return workspace


def value_at(results, source):
    """What stands at a source such as "data/results/x.json:rows[method=a, b; k=2].mean".

    A source can be a difference of two, or count the rows that hold: "rows[left=1.0].count".
    """
    if " - " in source:
        whole, part = (value_at(results, each) for each in source.split(" - "))
        return whole - part
    name, path = re.fullmatch(r"data/results/(\w+)\.json:(.*)", source).groups()
    found = results[name]
    for step in re.findall(r"\w+\[[^]]*\]|\w+", path):
        key, _, where = step.rstrip("]").partition("[")
        found = found[key]
        if where:
            wanted = dict(pair.split("=", 1) for pair in where.split("; "))
            rows = found.values() if isinstance(found, dict) else found
            matches = [r for r in rows if {k: str(r[k]) for k in wanted} == wanted]
            if source.endswith("].count"):
                return len(matches)
            assert len(matches) == 1, source
            found = matches[0]
    return len(found) if isinstance(found, list) else found


def test_macro_names_hold_letters_only_and_are_unique(facts):
    names = re.findall(r"^\\JPdefine\{(.*?)\}", numbers.tex(facts), re.MULTILINE)
    assert names
    assert all(re.fullmatch("[A-Z][A-Za-z]+", name) for name in names)
    assert len(names) == len(set(names)) == len(numbers.collect(facts))


def test_two_numbers_of_one_name_are_refused():
    changed = paper_facts.results()
    twins = changed["ablation"]["calibration"]
    twins.append({**twins[0], "method": f"({twins[0]['method']})"})
    with pytest.raises(ValueError, match=r"got .'JPCalibrationErrorFullFortyTwo'. twice"):
        numbers.collect(changed)


def test_a_number_in_a_name_is_spelled():
    assert letters("learned-12 vs full") == "LearnedTwelveVsFull"
    assert [letters(k) for k in (0, 19, 20, 42)] == ["Zero", "Nineteen", "Twenty", "FortyTwo"]
    assert letters(226) == "TwoTwoSix"
    spelled = numbers.facts.distinct_letters(["go", "Go", "stop", "?"])
    assert spelled == {"?": "NumberZero", "Go": "GoNumberOne", "go": "GoNumberTwo", "stop": "Stop"}
    assert letters("Ağ") == "ALatinSmallLetterGWithBreve" != letters("Ag")


def test_a_macro_stands_beside_its_source_and_dataset(facts):
    lines = numbers.tex(facts).splitlines()
    alphabets = "; 16 manual alphabets (fingerspelling lexicon)"
    assert rf"\JPdefine{{Clips}}{{410}}% data/results/dataset.json:clips{alphabets}" in lines
    k_star = next(line for line in lines if "{KStarOfFortyTwoAtTwo}" in line)
    assert k_star.endswith(
        f"% data/results/ablation.json:k_star[joints=42; margin=0.02].k{alphabets}"
    )
    of = {number.source: numbers.dataset_of(number, facts)
          for number in numbers.collect(facts).values()}  # fmt: skip
    assert {source.split(":")[0][13:] for source, text in of.items() if text in alphabets} == {
        "dataset.json", "baseline.json", "pruning.json", "ablation.json",
    }  # fmt: skip


def test_a_macro_is_a_bare_number_for_siunitx(facts):
    texts = re.findall(r"^\\JPdefine\{\w+\}\{(.*?)\}%", numbers.tex(facts), re.MULTILINE)
    assert len(texts) == len(numbers.collect(facts))
    assert [text for text in texts if not re.fullmatch(r"[<+-]?\d+(\.\d+)?(e[+-]\d+)?", text)] == []


def numbers_in(text):
    """Every number in a text as it is written, without its sign."""
    return re.findall(r"(?<![\w.])\d+(?:\.\d+)?", text)


# Written in sentences, and no result: the test's level, a hand's joints, AUTSL's size, the
# index's scale.
CONSTANTS = {"5", "21", "226", "43", "0", "1"}


@pytest.mark.parametrize("committed", [False, True])
def test_every_number_that_the_readme_prints_is_a_macro(facts, committed):
    """In tables the macro of that method and K; in sentences some macro."""
    facts = numbers.load_results(Workspace(".")) if committed else facts
    macros = {name: number.text for name, number in numbers.collect(facts).items()}
    methods = {words: letters(method) for method, words in reversed(METHOD_WORDS.items())}
    curves, others = (
        [[cell.strip() for cell in line.split("|")[1:-1]] for line in block(facts).splitlines()
         if re.match(r"\| [^-]", line)]
        for block in numbers.BLOCKS.values()
    )  # fmt: skip
    cells = {(words, k): cell for k, *row in curves[1:]
             for words, cell in zip(curves[0][1:], row, strict=True)}  # fmt: skip
    cells |= {(words, "12"): f"{cell} {runs}" for words, cell, runs in others[1:]}
    printed = [
        row
        for row in facts["ablation"]["accuracy"]
        if row["method"] in MAIN or (row["k"] == 12 and retrained(row["method"]))
    ]
    assert len(cells) == len(printed) + 4  # all joints stand in each of the four columns
    for (words, k), cell in cells.items():
        name = (
            f"JPAccuracy{'Full' if k == '42' else methods.get(words, letters(words))}{letters(k)}"
        )
        found = [macros[name + end] for end in ("", "Low", "High", "Runs")]
        assert numbers_in(cell) == found[: len(numbers_in(cell))], (name, cell)
    texts = {text.lstrip("+-<") for text in macros.values()} | CONSTANTS
    lines = numbers.headline(facts).splitlines()
    sentences = [line for line in lines if line.startswith(("- ", "For your paper"))]
    assert [n for n in numbers_in("\n".join(sentences)) if n not in texts] == []


def words_with_digits(fig):
    """What a figure says beside the ticks of its axes."""
    legends = [*fig.legends, *(ax.get_legend() for ax in fig.axes if ax.get_legend())]
    texts = [text for legend in legends for text in legend.get_texts()]
    for ax in fig.axes:
        texts += [ax.title, ax.xaxis.label, ax.yaxis.label, *ax.texts]
    plt.close(fig)
    lines = [text.get_text().split(":\n")[0].strip() for text in (*texts, *fig.texts)]
    return {line for line in lines if re.search(r"\d", line)}


def test_every_number_that_a_figure_prints_is_a_macro(facts):
    ablation, synthetic = facts["ablation"], facts["synthetic"]
    drawn = (
        plots.plot_pipeline(facts, 12),
        plots.plot_accuracy_against_k(ablation["accuracy"], ablation["k_star"]),
        plots.plot_leave_out(ablation["leave_out"]),
        plots.plot_changes(ablation["changes"]),
        plots.plot_stability(ablation["stability"]),
        plots.plot_synthetic(synthetic["recovery"], synthetic["k"]),
        plots.plot_cost(facts["cost"]),
    )
    macro = {name[2:]: number.text for name, number in numbers.collect(facts).items()}
    of_design = {"runs that keep the joint (K = 12)", "every method at K = 12",
                 "all 42 joints", "relative to 42 joints", "language (ISO 639-3)"}  # fmt: skip
    groups, total = facts["dataset"]["group_word"], macro["Joints"]
    expected = {
        f"{macro['Clips']} clips of\n{macro['Classes']} signs, {macro['Groups']} {groups}s",
        f"{total} gates", "12 joints kept", "gates close until\n12 joints are left",
        f"from scratch on these\nin {macro['AccuracyLearnedTwelveRuns']} runs",
        f"on {groups}s held out,\n{macro['AccuracyLearnedTwelve']} % "
        f"(all {total}: {macro['AccuracyFullFortyTwo']} %)",
    }  # fmt: skip
    expected |= {f"{hand} hand: all 21" for hand in HANDS}
    expected |= {f"{hand} hand: {macro[f'Hand{hand.title()}Twelve']} of 21" for hand in HANDS}
    expected |= {f"K* = {macro['KStarOfFortyTwoAtTwo']}", f"{macro['SyntheticK']} synthetic"}
    for stop in (name for name in macro if re.match("Synthetic.*StopPrecision", name)):
        recall = macro[stop.replace("Precision", "Recall")]
        expected.add(f"precision {macro[stop]}, recall {recall}")
    for encoder, words in ENCODER_WORDS.items():
        for end, unit in (("Latency", "ms"), ("MegaFlops", "MFLOP"), ("KiloParameters", "k")):
            value = macro[f"Cost{encoder.title()}FortyTwo{end}"]
            expected.add(f"{words}: {value} {unit}")
    assert set.union(*map(words_with_digits, drawn)) - of_design == expected


def test_every_source_points_at_its_value(facts):
    for number in numbers.collect(facts).values():
        assert number.value == value_at(facts, number.source), number.source


def test_every_row_of_the_results_reaches_the_paper(facts):
    """Each list of facts gives at least one macro a row; what a row holds is checked above."""
    sources = [number.source for number in numbers.collect(facts).values()]
    ablation = facts["ablation"]
    rows = {
        f"ablation.json:{key}[": ablation[key]
        for key in ("accuracy", "paired", "k_star", "stability", "calibration", "hands", "encoders")
    }
    rows |= {f"ablation.json:changes.{key}[": ablation["changes"][key] for key in ("sign", "group")}
    rows |= {"cost.json:rows[": facts["cost"]["rows"],
             "synthetic.json:recovery[": facts["synthetic"]["recovery"],
             "failures.json:cases[": facts["failures"]["cases"]}  # fmt: skip
    for start, expected in rows.items():
        places = {source.split("]")[0] for source in sources if start in source}
        assert len(places) == len(expected), start


def test_smoke_results_are_refused_in_the_paper(tmp_path):
    smoke = paper_facts.results(smoke=True)
    for write in (numbers.write_paper, numbers.publish):
        with pytest.raises(ValueError, match="got a smoke run"):
            write(smoke, Workspace("."))
    elsewhere = Workspace(str(tmp_path))
    assert [path.name for path in numbers.write_paper(smoke, elsewhere)] == list(FILES)


@pytest.mark.parametrize(("changed", "refused"), [("baseline", True), ("synthetic", False)])
def test_results_of_two_runs_are_not_mixed(made, tmp_path, changed, refused):
    workspace = Workspace(str(tmp_path))
    for path in made.results.glob("*.json"):
        workspace.results.mkdir(parents=True, exist_ok=True)
        (workspace.results / path.name).write_bytes(path.read_bytes())
    old = json.loads((workspace.results / f"{changed}.json").read_text(encoding="utf-8"))
    old["data_sha256"] = "ef" * 32
    del old["sha256"]  # of before results were sealed
    (workspace.results / f"{changed}.json").write_text(json.dumps(old), encoding="utf-8")
    if refused:
        with pytest.raises(ValueError, match="expected results of one run, got data_sha256"):
            numbers.load_results(workspace)
    else:
        assert numbers.load_results(workspace)["synthetic"]["data_sha256"] == "ef" * 32


def test_results_come_back_as_written(made, facts):
    back = numbers.load_results(made)
    assert numbers.collect(back) == numbers.collect(facts)
    commit = read_facts(made, "pruning.json")["commit"]
    facts = {**facts, "pruning": {**facts["pruning"], "commit": commit}}
    assert numbers.paper_texts(back, made) == numbers.paper_texts(facts, made)


def test_only_what_stands_between_the_markers_changes(made, facts):
    text = (made.path / "README.md").read_text(encoding="utf-8")
    expected = README
    for name, block in numbers.BLOCKS.items():
        expected = expected.replace(
            f"<!-- {name}:begin -->\nold", f"<!-- {name}:begin -->\n{block(facts)}"
        )
    assert text == expected
    assert numbers.with_results(text, facts) == text


@pytest.mark.parametrize("marker", re.findall("<!-- .*? -->", README))
@pytest.mark.parametrize("instead", ["", "twice"])
def test_a_readme_whose_markers_are_not_there_once_each_is_refused(facts, marker, instead):
    text = README.replace(marker, instead and f"{marker}{marker}")
    with pytest.raises(ValueError, match="once each"):
        numbers.with_results(text, facts)


def test_published_numbers_agree_with_themselves(made):
    results = numbers.load_results(made)
    assert numbers.differences(results, read_facts(made, "published.json")) == []
    assert numbers.stale_files(results, made) == []


def raise_baseline(facts, by):
    facts["baseline"]["accuracy"]["mean"] += by


@pytest.mark.parametrize(
    ("move", "named"),
    [
        (lambda f: raise_baseline(f, 0.02), ()),
        (lambda f: raise_baseline(f, 0.04), ("JPBaselineAccuracy",)),
        (lambda f: f["dataset"].update(clips=411, data_sha256="other"), ("data_sha256", "JPClips")),
        (lambda f: f["cost"]["rows"][0].update(latency_ms=1e3), ()),
        (lambda f: f["cost"]["rows"][0].update(flops=1), ("JPCostTransformerTwoFlops",)),
        (lambda f: f["ablation"]["paired"][0].update(p_holm=1.0), ()),
        (lambda f: f["ablation"]["stability"][0].update(index=0.9), ("JPStabilityLearnedTwo",)),
        (lambda f: f["ablation"]["k_star"][0].update(k=2), ("JPKStarOfFortyTwoAtTwo",)),
        (lambda f: f["ablation"]["calibration"].pop(0), ("JPCalibrationErrorFullFortyTwo",)),
    ],
)  # fmt: skip
def test_a_number_may_move_as_far_as_its_kind_allows(made, move, named):
    moved = paper_facts.results()
    move(moved)
    found = numbers.differences(moved, read_facts(made, "published.json"))
    assert tuple(line.split(":")[0] for line in found) == named


@pytest.mark.parametrize("name", FILES)
def test_a_stale_file_is_named_and_written_again_byte_for_byte(made, name):
    results, path = numbers.load_results(made), made.figures / name
    content = path.read_bytes()
    for stale in (lambda: path.write_text("by hand", encoding="utf-8"), path.unlink):
        stale()
        found = numbers.stale_files(results, made)
        assert [line.split(" ")[0] for line in found] == [f"figures/{name}"]
    numbers.write_paper(results, made)
    assert path.read_bytes() == content


def test_the_headline_shows_every_retrained_method_and_tested_claim(facts):
    text = numbers.headline(facts)
    full = next(row for row in facts["ablation"]["accuracy"] if row["method"] == "full")
    assert f"| 42     | {100 * full['mean']:.1f} [" in text
    rows = [line for line in text.splitlines() if re.match(r"\| \d", line)]
    assert [line.split()[1] for line in rows] == "42 30 21 16 12 8 6 4 2".split()
    for words in ("concrete top-K", "LassoNet", "learned, hands tied", "hand-matched random"):
        assert text.count(f"| {words} ") == 1
    assert "not retrained" not in text
    suffices = [line for line in numbers.opening(facts).splitlines() if line.startswith("- ")]
    assert len(suffices) == 2 and all("margin" in line for line in suffices)
    claims, limits = numbers.evidence(facts).split("\nLimits:\n")
    assert claims.count("\n- ") == 14  # all joints, 8 + 2 comparisons, stability, 2 of changes
    assert limits.count("\n- ") == 6
    assert "Keeping 12 learned joints is more accurate" in text


def test_a_published_selection_is_a_run_s_own_and_not_the_vote_of_all(facts):
    """Every run keeps two tips and another joint of the left hand: a vote would lose that hand."""
    tips = ["right.thumb_tip", "right.index_tip", "right.middle_tip", "right.ring_tip"]
    runs = [["left.wrist", *tips[:3]], ["left.thumb_tip", *tips[:2], tips[3]],
            ["left.pinky_tip", *tips[:3]]]  # fmt: skip
    changed = paper_facts.results()
    changed["pruning"]["selections"] = [
        row for row in changed["pruning"]["selections"] if row["k"] != 4
    ] + [{"method": "learned", "k": 4, "fold": 0, "seed": s, "joints": j}
         for s, j in enumerate(runs)]  # fmt: skip
    found = json.loads(numbers.joints_json(changed))
    assert [row["k"] for row in found["selections"]] == list(paper_facts.BUDGETS)
    four = found["selections"][1]
    assert four["joints"] == runs[0]
    assert four["indices"] == [0, 25, 29, 33]
    assert four["hands"] == ["left", "right", "right", "right"]
    assert four["accuracy"]["mean"] == value_at(
        facts, "data/results/ablation.json:accuracy[method=learned; k=4].mean"
    )
    assert found["dataset"] == facts["dataset"]["description"]


def test_a_selection_is_applied_with_two_lines_of_plain_python(made):
    """The two lines of figures/README.md, run as they stand there."""
    readme = (ROOT / "figures" / "README.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", readme, re.DOTALL).group(1)
    landmarks = np.arange(3 * 42 * 2).reshape(3, 42, 2)
    scope = {"landmarks": landmarks}
    exec(code.replace("figures/joints.json", str(made.figures / "joints.json")), scope)
    names = next(
        row["joints"]
        for row in json.loads((made.figures / "joints.json").read_text(encoding="utf-8"))[
            "selections"
        ]
        if row["k"] == 12
    )
    assert (scope["kept"] == landmarks[:, [JOINT_NAMES.index(n) for n in names]]).all()
    assert scope["kept"].shape == (3, 12, 2)


def test_a_macro_that_no_result_defines_fails_the_check(made, monkeypatch, capsys):
    monkeypatch.setattr("jointprune.paper.numbers.__main__.Workspace", lambda *_: made)
    paper = made.figures / "paper.tex"
    used = (
        r"\JPClips, \JPClaimBaseline and \JPprefix; % \JPOnlyInAComment"
        "\n" + r"\renewcommand{\JPprefix}{JPSecond} \JPSecondClips"
    )
    paper.write_text(used, encoding="utf-8")
    assert main(["--check"]) == 0
    paper.write_text(used.replace(r"\JPClips", r"\JPClipz"), encoding="utf-8")
    assert main(["--check"]) == 1
    assert r"figures/paper.tex uses \JPClipz, which no result defines" in capsys.readouterr().out
    paper.unlink()


def test_the_command_line_shows_writes_and_checks(made, monkeypatch, capsys):
    monkeypatch.setattr("jointprune.paper.numbers.__main__.Workspace", lambda *_: made)
    (made.figures / "claims.md").unlink()
    assert main(["--show"]) == 0
    assert not (made.figures / "claims.md").exists()
    assert main(["--check"]) == 1
    assert main([]) == 0
    assert main(["--check"]) == 0
    assert "agree with those published" in capsys.readouterr().out


def test_committed_files_say_what_the_committed_results_say():
    facts = numbers.load_results(Workspace("."))
    assert facts["dataset"]["smoke"] is False
    assert numbers.stale_files(facts, Workspace(".")) == []
    assert numbers.undefined_macros(facts, Workspace(".")) == []


def has_latex():
    """Whether pdflatex is here with the package that example.tex wants."""
    if not shutil.which("pdflatex"):
        return False
    found = subprocess.run(["kpsewhich", "siunitx.sty"], capture_output=True)
    return found.returncode == 0


needs_latex = pytest.mark.skipif(not has_latex(), reason="no pdflatex with siunitx here")


def pdflatex(folder, name):
    """The exit status and what was said; the PDF lies in `folder`."""
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", name]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    return done.returncode, done.stdout


@needs_latex
def test_the_example_compiles(tmp_path):
    for path in (ROOT / "figures").iterdir():
        if path.suffix in (".tex", ".pdf"):
            shutil.copy(path, tmp_path)
    status, said = pdflatex(tmp_path, "example.tex")
    assert status == 0, said[-2000:]
    assert (tmp_path / "example.pdf").stat().st_size > 50_000


DOCUMENT = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage{siunitx}
\begin{document}
%s
\end{document}
"""
SECOND = r"\renewcommand{\JPprefix}{JPSecond}"


@needs_latex
@pytest.mark.parametrize(
    ("body", "fails"),
    [
        (r"\input{a/numbers}\num{\JPClips} \input{c/numbers}\num{\JPMineClips}", None),
        (rf"\input{{a/numbers}}{SECOND}\input{{b/numbers}}\JPClips\JPSecondClips", None),
        (r"\input{a/numbers}\input{b/numbers}", "already defined"),
        (r"\input{a/numbers}\JPNoSuchNumber", "Undefined control sequence"),
        (r"\input{a/claims}\JPClaimForYourPaper", None),
        (r"\input{b/claims}\JPClaimForYourPaper", "jointprune Error"),
        (r"\input{c/claims}\JPMineClaimChangesSign", None),
    ],
)
def test_two_runs_stand_in_one_document_and_what_is_not_there_stops_it(tmp_path, body, fails):
    """a is a run, b another of the same recordings whose K* fails, c one of an import."""
    for name in "abc":
        facts = paper_facts.results()
        facts["ablation"]["k_star"][0]["k"] = 42 if name == "b" else 12
        if name == "c":
            facts["dataset"] |= {"dataset": "mine", "description": "mine, Ağaç 字 (imported)",
                                 "left_out": 0, "leaks": 0, "by_palm": 0, "unseen": 0}  # fmt: skip
            facts["ablation"]["changes"]["sign"][0] |= {"name": "Ağaç_字 & ж", "low": 0.1,
                                                        "p_holm": 0.001}  # fmt: skip
        (tmp_path / name).mkdir()
        (tmp_path / name / "numbers.tex").write_text(numbers.tex(facts), encoding="utf-8")
        (tmp_path / name / "claims.tex").write_text(claims_tex(facts), encoding="utf-8")
    (tmp_path / "paper.tex").write_text(DOCUMENT % body, encoding="utf-8")
    status, said = pdflatex(tmp_path, "paper.tex")
    assert (status != 0) == bool(fails), said[-2000:]
    assert fails is None or fails in said


def test_the_citation_is_valid_and_of_this_version():
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema",
         "vendor.citation-file-format", "CITATION.cff"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (cited["version"], cited["license"]) == (project["version"], project["license"])


@pytest.fixture
def own(made, tmp_path):
    """A copy of `made`, to be spoiled."""
    shutil.copytree(made.path, tmp_path / "own")
    return Workspace(str(tmp_path / "own"))


def check(workspace, capsys) -> tuple[int, str]:
    status = main(["--check", "--workspace", str(workspace.path)])
    return status, "".join(capsys.readouterr())


def test_a_check_names_a_table_that_was_edited(own, capsys):
    assert check(own, capsys)[0] == 0
    history = {"data_sha256": "", "config": {}, "smoke": False}  # its own stand in the facts
    write_facts(
        own, "baseline.json", read_facts(own, "baseline.json"), **history
    )  # notes the table
    table = own.results / "baseline_predictions.csv"
    table.write_text(table.read_text().replace("full,", "full ,", 1))
    status, told = check(own, capsys)
    assert status == 2 and "baseline_predictions.csv: expected the content that" in told


def test_a_check_names_a_macro_file_that_was_edited(own, capsys):
    macros = own.figures / "numbers.tex"
    macros.write_text(macros.read_text().replace("{410}", "{411}"))
    assert check(own, capsys) == (
        1, "figures/numbers.tex differs from what data/results says: run `make numbers`\n"
    )  # fmt: skip

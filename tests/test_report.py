"""Numbers and sentences reach the paper once, by key, and only from a full run."""

import json
import operator
import re
import shutil
import subprocess

import matplotlib.pyplot as plt
import numpy as np
import paper_facts
import pytest
from bs4 import BeautifulSoup
from markdown_it import MarkdownIt

from jointprune.paper import report
from jointprune.paper.claims import all_claims, one_row, percent
from jointprune.paper.results import read_facts, write_facts
from jointprune.selection import METHODS, Method
from jointprune.skeleton import JOINT_NAMES
from jointprune.workspace import ROOT, Workspace

PAIR = "paired.learned-12.stratified-random-12"
FILES = ("numbers.tex", "claims.md", "claims.tex", "joints.json")
README = (
    "# x\n<!-- vocabularies:begin -->\nrows\n<!-- vocabularies:end -->\n"
    "<!-- results:begin -->\nold\n<!-- results:end -->\nafter\n"
)
BLOCKS = {"REPRODUCING.md": "claims", "jointprune/README.md": "methods"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A workspace with full results, the paper's files and published numbers; tests leave it so."""
    workspace = Workspace(str(tmp_path_factory.mktemp("paper")))
    paper_facts.write(workspace)
    (workspace.path / "README.md").write_text(README, encoding="utf-8")
    (workspace.path / "jointprune").mkdir()
    for place, name in BLOCKS.items():
        block = f"<!-- {name}:begin -->\n<!-- {name}:end -->\n"
        (workspace.path / place).write_text(block, encoding="utf-8")
    results = report.load_results(workspace)
    report.write_paper(results, workspace)
    report.publish(results, workspace)
    return workspace


@pytest.fixture
def own(made, tmp_path):
    """A copy of `made` that a test may spoil."""
    shutil.copytree(made.path, tmp_path / "own")
    return Workspace(str(tmp_path / "own"))


def run(workspace, capsys, *options):
    """Exit status and output of the command."""
    status = report.main([*options, "--workspace", str(workspace.path)])
    return status, "".join(capsys.readouterr())


# Keys.


def test_a_reader_can_guess_a_key(facts):
    found, ablation = report.numbers(facts), facts["ablation"]
    learned = one_row(ablation["accuracy"], method="learned", k=12, regime="retrained")
    masked = one_row(ablation["accuracy"], method="greedy", k=8, regime="masked")
    pair = one_row(ablation["paired"], name="learned-12 vs stratified-random-12")
    two, one = ablation["k_star"]
    expected = {
        "dataset.clips": "410",
        "dataset.one-handed": "13",
        "accuracy.learned.12": percent(learned["mean"]),
        "accuracy.learned.12.low": percent(learned["low"]),
        "accuracy.masked.greedy.8": percent(masked["mean"]),
        "kstar.42.1": str(one["k"]),
        "kstar.42.2.bootstrap.low": str(two["bootstrap"]["low"]),
        "kstar.42.2.by-seed.0": str(two["by_seed"][0]),
        "kstar.42.2.step.21.p": f"{one_row(two['steps'], k=21)['p']:.4f}",
        "kstar.42.2.leave-one-group-out.0": str(two["leave_one_group_out"][0]),
        f"{PAIR}.difference": f"{100 * pair['difference']:+.1f}",
        f"{PAIR}.p-holm": f"{pair['p_holm']:.4f}",
        "course.learned.pruning-ratio.end": "71.4",
        "failures.softmax-over-joints.fixed": "1",
        "synthetic.l0-penalty.stop-k": "8.3",
        "encoders.graph.learned.12": "60.0",
    }
    assert {key: found[key].text for key in expected} == expected


def test_classes_whose_names_differ_only_in_other_letters_keep_keys_of_their_own(facts):
    names = ["a b", "a#b", "a.low", "a", "Ağaç", "go", "Go"]
    rows = facts["ablation"]["changes"]["class"]
    del rows[len(names) :]
    for row, name in zip(rows, names, strict=True):
        row["name"] = name
    found = report.numbers(facts)
    keys = [key for key in found if key.startswith("changes.class")]
    assert len(keys) == 4 * len(names)
    for name in ("a-b", "a-b-2", "Ağaç"):
        assert f"changes.class.{name}.low" in keys
    assert all(re.fullmatch(r"[\w.-]+", key) for key in found)  # what LaTeX takes in a name


def value_at(results, source):
    """The value at a source such as "data/results/x.json:rows[method=a; k=2].mean"."""
    if " - " in source:
        return operator.sub(*(value_at(results, each) for each in source.split(" - ")))
    name, path = re.fullmatch(r"data/results/(\w+)\.json:(.*)", source).groups()
    found = results[name]
    for step in re.findall(r"[\w-]+\[[^]]*\]|[\w-]+", path):
        key, _, where = step.rstrip("]").partition("[")
        found = found[int(key)] if isinstance(found, list) else found[key]
        if where:
            wanted = dict(pair.split("=", 1) for pair in where.split("; "))
            (found,) = (row for row in found if {k: str(row[k]) for k in wanted} == wanted)
    return len(found) if isinstance(found, list) else found


def test_every_source_points_at_its_value_and_every_row_has_a_number(facts):
    numbers = report.numbers(facts).values()
    for number in numbers:
        assert number.value == value_at(facts, number.source), number.source
    places = """ablation:accuracy ablation:paired ablation:one_set ablation:k_star cost:rows
        ablation:stability ablation:calibration ablation:hands ablation:leave_out failures:cases
        ablation:encoders ablation:changes.class ablation:changes.group synthetic:recovery
        ablation:strata ablation:reduction ablation:overlap ablation:deciding"""
    for place in places.split():
        source = f"data/results/{place.replace(':', '.json:')}"
        rows = {n.source.split("]")[0] for n in numbers if n.source.startswith(f"{source}[")}
        assert len(rows) == value_at(facts, source), place


def test_a_number_is_on_one_line_with_its_source_and_data_set(facts):
    lines = report.numbers_tex(facts).splitlines()
    assert (
        r"\jpdefine{dataset.clips}{410}% data/results/dataset.json:clips; 16 manual alphabets "
        "(fingerspelling lexicon)"
    ) in lines
    texts = [re.fullmatch(r"\\jpdefine\{[\w.-]+\}\{(.*?)\}% data/results/.*; .*", line)[1]
             for line in lines if line.startswith(r"\jpdefine{")]  # fmt: skip
    assert len(texts) == len(report.numbers(facts))
    assert all(re.fullmatch(r"[<+-]?\d+(\.\d+)?(e[+-]\d+)?", text) for text in texts)


def test_keys_of_an_import_begin_with_its_name(facts):
    paper_facts.import_as_mine(facts)
    assert r"\jpdefine{mine.dataset.clips}{410}" in report.numbers_tex(facts)
    assert r"\jpdefine{mine.hands.sentence}{" in report.claims_tex(facts)
    assert "`mine.hands.12`" in report.claims_text(facts)


# One table of methods.


def test_a_method_is_added_in_one_place(facts, monkeypatch):
    """Its row of METHODS and its predictions are enough for numbers, claims and the README."""
    own = Method("by-height", "joints by height", "a test", budgets=None)
    monkeypatch.setitem(METHODS, "by-height", own)
    monkeypatch.setitem(paper_facts.ACCURACY, ("by-height", 12, "retrained"), 0.9)
    table = paper_facts.predictions(seeds=3)
    facts["ablation"]["accuracy"] = paper_facts.accuracy_table(table).to_dict("records")
    row = one_row(facts["ablation"]["accuracy"], method="by-height")
    mean, low, high = (percent(row[key]) for key in ("mean", "low", "high"))
    assert report.numbers(facts)["accuracy.by-height.12"].text == mean
    (line,) = re.findall(r"\| `accuracy.by-height.12` *\|.*", report.claims_text(facts))
    assert [cell.strip() for cell in line.split("|")[2:-1]] == [mean, low, high, "12"]
    assert f"{mean} % (95 % CI {low} to {high}), by joints by height" in report.claims_text(facts)
    cells = {line.split("|")[1].strip(): line.split("|")[-2].strip()
             for line in report.by_k(facts).splitlines() if line[0:1] == "|"}  # fmt: skip
    assert cells["K"] == "joints by height"
    assert (cells["12"], cells["8"]) == (mean, "")


# Markdown and JSON.


def test_the_readme_shows_the_headline_in_a_few_sentences(facts):
    claims = {claim.key: claim for claim in all_claims(facts)}
    shown = ("kstar.42.2", "kstar.42.2.step.12", "strata", "control")
    lines = report.headline(facts).splitlines()
    against = lines.pop(2)
    assert lines == [f"- {claims[key].sentence}" for key in shown]
    said = "- 12 learned joints against others, in points: a difference is established from "
    assert against == (
        f"{said}stratified random (+9.8), hand-matched random (+5.1) and anatomical order (+3.0), "
        "and not established from greedy elimination (+1.0)."
    )
    for record in facts["ablation"]["paired"]:
        record["p_holm"] = 1.0
    said = "- 12 learned joints against others, in points: no difference is established, from "
    assert f"{said}stratified random (" in report.headline(facts)
    assert claims["kstar.42.2"].verdict == "not established"
    paper_facts.with_firm_k_star(facts, by_seed=[42, 21, 42])
    firm, *rest = report.headline(facts).splitlines()
    assert rest[-2:] == lines[-2:]
    assert firm == (
        "- With 21 of 42 joints accuracy changes by -0.2 points (one-sided 95 % lower bound -1.9): "
        "a loss below 2 points is shown (p = 0.0498; 2 of 3 seeds pass alone). By the test alone "
        "K* is 21; resampled languages give 16 to 30, single seeds 21 to 42 and all languages but "
        "one 21 to 30."
    )
    facts["ablation"]["k_star"][0]["by_test"] = 16
    assert " Without the rule on seeds K* is 16; resampled languages give 16" in report.headline(
        facts
    )


def test_accuracy_by_k_is_in_the_claims(facts):
    text = report.by_k(facts)
    assert text in report.claims_text(facts)
    full = one_row(facts["ablation"]["accuracy"], method="full")
    assert f"| 42 | {percent(full['mean'])} [" in text
    rows = [line for line in text.splitlines() if re.match(r"\| \d", line)]
    assert [line.split()[1] for line in rows] == "42 30 21 16 12 8 6 4 2".split()


def test_accuracy_by_k_has_columns_for_strata_only_if_there_are_two(facts):
    def table():
        lines = [line for line in report.by_k(facts).splitlines() if line.startswith("|")]
        return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]

    def mean(method, k, stratum):
        return percent(one_row(strata, method=method, k=k, stratum=stratum)["mean"])

    strata = facts["ablation"]["strata"]
    head, _, full, *rows = table()
    assert head[:6] == ["K", "learned gates", "... one-handed", "... two-handed",
                        "stratified random", "... two-handed"]  # fmt: skip
    (twelve,) = (row for row in rows if row[0] == "12")
    shown = {2: ("learned", "one-handed"), 3: ("learned", "two-handed"),
             5: ("stratified-random", "two-handed")}  # fmt: skip
    for column, (method, stratum) in shown.items():
        assert twelve[column] == mean(method, 12, stratum)
        assert full[column] == mean("full", 42, stratum)
    facts["ablation"]["strata"] = [row for row in strata if row["stratum"] == "one-handed"]
    assert not any(cell.startswith("...") for cell in table()[0])
    assert len(table()[0]) == len(head) - 3


def numbers_in(text):
    """Every number of a text as printed, without its sign."""
    return re.findall(r"(?<![\w.])\d+(?:\.\d+)?", text)


# Numbers that are no results: levels, margins, scales, a hand's joints.
CONSTANTS = {"95", "5", "0", "1", "2", "21"} | {str(k) for k in paper_facts.BUDGETS}


def test_every_number_of_the_readme_and_of_tested_claims_has_a_key(facts):
    texts = {number.text.lstrip("+-<") for number in report.numbers(facts).values()} | CONSTANTS
    tested = [found.sentence for found in all_claims(facts) if found.verdict != "described"]
    said = numbers_in("\n".join([report.headline(facts), report.by_k(facts), *tested]))
    assert len(said) > 100
    assert [number for number in said if number not in texts] == []


def test_every_number_that_a_figure_prints_has_a_key(facts):
    """In titles, labels, legends and notes; ticks of axes are left out."""
    printed = set()
    for stem in paper_facts.FIGURES.keys() - {"fig10_transfer"}:  # which has results of its own
        fig = paper_facts.FIGURES[stem](facts)
        legends = [*fig.legends, *(ax.get_legend() for ax in fig.axes if ax.get_legend())]
        texts = [*fig.texts, *(text for legend in legends for text in legend.get_texts())]
        for ax in fig.axes:
            texts += [ax.title, ax.xaxis.label, ax.yaxis.label, *ax.texts]
        printed |= {number for text in texts for number in numbers_in(text.get_text())}
        plt.close(fig)
    known = {number.text.lstrip("+-<") for number in report.numbers(facts).values()}
    known |= {f"{row[key] / unit:.3g}" for row in facts["cost"]["rows"] for unit in (1, 1e3, 1e6)
              for key in ("latency_ms", "parameters", "flops")}  # fmt: skip
    assert len(printed) > 20 and printed - known - {"2", "21", "95", "639"} == set()


def test_claims_md_says_every_claim_once_and_links_it_to_its_evidence(facts):
    text, found = report.claims_text(facts), all_claims(facts)
    page = BeautifulSoup(MarkdownIt("commonmark").enable("table").render(text), "html.parser")
    assert [title.get_text() for title in page.find_all("h2")] == [
        "Established", "Not established", "Refused: do not use", "Described, without a test",
        "Accuracy by K", "Limits", "Tests and numbers",
    ]  # fmt: skip
    lists = {title.get_text(): title.find_next("ul").find_all("li") for title in page("h2")}
    del lists["Accuracy by K"]
    assert len(lists.pop("Limits")) == 12 and lists.pop("Tests and numbers")
    said = sorted(item.get_text() for items in lists.values() for item in items)
    assert said == sorted(f"{claim.sentence} ({claim.key})" for claim in found)
    for title, verdict in ("Established", "established"), ("Refused: do not use", "refused"):
        keys = [claim.key for claim in found if claim.verdict == verdict]
        assert [item.a.get_text() for item in lists[title]] == keys != []

    parts = dict(zip([c.key for c in found], text.split("\n### ")[1:], strict=True))
    rows = report.number_rows(facts)
    for claim in found:
        part = parts[claim.key]
        assert part.startswith(f"{claim.key}\n\n- verdict: {claim.verdict}\n- data set: ")
        assert f"\n- test: {claim.test}\n" in part
        printed = set(re.findall(r"^\| `(.*?)`", part, re.MULTILINE))
        assert printed == {key for p in claim.numbers for key in report._matching(p, rows)}
    heads = [line for line in text.splitlines() if line.startswith("| key ")]
    assert len(heads) < sum(len(claim.numbers) for claim in found)  # equal columns share a table


def test_only_the_block_between_the_markers_changes(made, facts):
    text = (made.path / "README.md").read_text(encoding="utf-8")
    side_by_side = report.vocabularies_table(made, "published.json")
    assert text == README.replace("old", report.headline(facts)).replace("rows", side_by_side)
    assert report.with_block(text, "results", report.headline(facts)) == text
    for marker in re.findall("<!-- results:.*? -->", README):
        for times in (0, 2):
            with pytest.raises(ValueError, match="once each"):
                report.with_block(README.replace(marker, times * marker), "results", "new")


def test_a_published_selection_is_a_run_s_own_and_not_a_vote(facts):
    """Every run keeps one joint of the left hand, no two the same: a vote would lose that hand."""
    tips = [f"right.{finger}_tip" for finger in ("thumb", "index", "middle")]
    runs = [[f"left.{joint}", *tips] for joint in ("wrist", "thumb_tip", "pinky_tip")]
    rows = [row for row in facts["pruning"]["selections"] if row["k"] != 4]
    facts["pruning"]["selections"] = rows + [{"k": 4, "joints": joints} for joints in runs]
    found = json.loads(report.joints_json(facts))["selections"]
    assert [row["k"] for row in found] == list(paper_facts.BUDGETS)
    four = found[1]
    assert (four["joints"], four["indices"]) == (runs[0], [0, 25, 29, 33])
    assert four["hands"] == ["left", "right", "right", "right"]
    accuracy = one_row(facts["ablation"]["accuracy"], method="learned", k=4, regime="retrained")
    assert four["accuracy"]["mean"] == accuracy["mean"]


def test_a_published_set_holds_the_test_of_these_joints_or_says_why_there_is_none(facts):
    found = {row["k"]: row for row in json.loads(report.joints_json(facts))["selections"]}
    for k, row in found.items():
        assert (row["test"] is None) == (k not in (12, 21)) == ("reason" in row)
    ablation = facts["ablation"]
    for k in (12, 21):
        row, test = found[k], found[k]["test"]
        retrained = one_row(ablation["selections"], method="one-set", k=k, fold=0, seed=0)
        assert row["joints"] == retrained["joints"]
        for tested in (test, test["typical"]):
            where = {"method": tested["method"], "k": k, "regime": "retrained"}
            accuracy = one_row(ablation["accuracy"], **where)
            assert tested["accuracy"]["mean"] == accuracy["mean"] and tested["runs"] == 12
            change = one_row(ablation["one_set"], name=f"{tested['method']}-{k} vs full")
            assert tested["difference"]["low"] == change["low"]
        assert (test["method"], test["typical"]["method"]) == ("one-set", "typical")
        assert test["test_clips_seen"] and not test["typical"]["test_clips_seen"]
        assert test["note"].endswith("the choice is the same in 2 of 4 folds.")
    one_fold = [row for row in ablation["selections"] if row["fold"] == 3]
    facts["ablation"]["selections"] = one_fold  # of a published split, whose test clips stay unseen
    rows = json.loads(report.joints_json(facts))["selections"]
    assert not one_row(rows, k=12)["test"]["test_clips_seen"]


def test_a_published_set_is_never_given_the_test_of_another(facts):
    rows = facts["ablation"]["selections"]
    rows[0] = rows[0] | {"joints": [*rows[0]["joints"][:-1], "left.wrist"]}
    with pytest.raises(ValueError, match="expected the 12 joints to publish to be those that were"):
        report.joints_json(facts)


def test_a_selection_is_applied_with_the_lines_of_figures_readme(made):
    readme = (ROOT / "figures" / "README.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", readme, re.DOTALL).group(1)
    path = made.figures / "joints.json"
    scope = {"landmarks": np.arange(3 * 42 * 2).reshape(3, 42, 2)}
    exec(code.replace("figures/joints.json", str(path)), scope)
    names = one_row(json.loads(path.read_text(encoding="utf-8"))["selections"], k=12)["joints"]
    kept = scope["landmarks"][:, [JOINT_NAMES.index(name) for name in names]]
    assert (scope["kept"] == kept).all()


# Reading, writing and checking.


def test_smoke_results_are_refused_in_the_paper(tmp_path):
    smoke = paper_facts.results(smoke=True)
    for write in (report.write_paper, report.publish):
        with pytest.raises(ValueError, match="got a smoke run"):
            write(smoke, Workspace("."))
    elsewhere = Workspace(str(tmp_path))
    assert [path.name for path in report.write_paper(smoke, elsewhere)] == list(FILES)


def test_results_of_two_runs_are_not_mixed_but_synthetic_data_has_its_own_checksum(own):
    for changed in ("synthetic", "baseline"):
        assert report.load_results(own)["baseline"]["data_sha256"] == paper_facts.SHA
        facts = read_facts(own, f"{changed}.json")
        content = {key: facts[key] for key in facts.keys() - set(paper_facts.HISTORY)}
        write_facts(own, f"{changed}.json", content, data_sha256="ef" * 32, config={}, smoke=False)
    with pytest.raises(ValueError, match="expected results of one run, got data_sha256"):
        report.load_results(own)


@pytest.mark.parametrize(
    ("move", "named"),
    [
        (lambda f: None, ()),
        (lambda f: f["pruning"]["course"]["learned"]["accuracy"].update(mean=0.66), ()),
        (lambda f: f["pruning"]["course"]["learned"]["accuracy"].update(mean=0.68),
         ("course.learned.accuracy",)),  # from 0.64
        (lambda f: f["pruning"]["course"]["learned"]["accuracy"].update(mean=float("nan")),
         ("course.learned.accuracy",)),
        (lambda f: f["dataset"].update(clips=411, data_sha256="other"),
         ("data_sha256", "dataset.clips")),
        (lambda f: f["cost"]["rows"][0].update(latency_ms=1e3), ()),
        (lambda f: f["cost"]["rows"][0].update(flops=1), ("cost.transformer.2.flops",)),
        (lambda f: f["ablation"]["paired"][0].update(p=1.0), (f"{PAIR}.p",)),
        (lambda f: f["ablation"]["paired"][0].update(difference=1.0), (f"{PAIR}.difference",)),
        (lambda f: f["ablation"]["stability"][0].update(index=0.9), ("stability.learned.2.index",)),
        (lambda f: f["ablation"]["k_star"][0].update(k=21),
         ("verdict of kstar.42.2", "verdict of paper", "kstar.42.2")),
        (lambda f: f["ablation"]["k_star"][0]["steps"][1].update(passes=True),
         ("kstar.42.2.step.21.passes",)),
        (lambda f: f["cost"]["rows"].pop(0), tuple(
            f"cost.transformer.2.{field}" for field in
            ("flops", "input-bytes", "latency-high", "latency-low", "latency-ms", "parameters"))),
    ],
)  # fmt: skip
def test_a_number_may_move_as_far_as_its_kind_allows(made, move, named):
    moved = paper_facts.results()
    move(moved)
    found = report.differences(moved, read_facts(made, "published.json"))
    assert tuple(line.split(":")[0] for line in found) == named


def test_a_stale_file_is_named_and_written_again_byte_for_byte(own, capsys):
    agree = "results and the paper's files agree with those published\n"
    content = {name: (own.figures / name).read_bytes() for name in FILES}
    (own.figures / FILES[0]).unlink()
    for name in FILES[1:]:
        (own.figures / name).write_text("by hand", encoding="utf-8")
    assert run(own, capsys, "--show")[0] == 0
    status, printed = run(own, capsys, "--check")
    assert status == 1
    assert printed.splitlines() == [
        f"figures/{name} does not match data/results: run `make numbers`" for name in FILES
    ]
    assert run(own, capsys)[0] == 0
    assert {name: (own.figures / name).read_bytes() for name in FILES} == content
    assert run(own, capsys, "--check") == (0, agree)
    (own.results / "cost.json").unlink()
    assert run(own, capsys, "--check")[0] == 2


def test_committed_files_match_the_committed_results():
    facts = report.load_results(Workspace("."))
    assert facts["dataset"]["smoke"] is False
    assert report.stale_files(facts, Workspace(".")) == []


# LaTeX.


def test_latex_special_letters_are_escaped():
    assert report.latex("50 % of a_b & {c} $ # ~ ^ -1.5, 10-20, p < 0.1") == (
        r"50 \% of a\_b \& \{c\} \$ \# \textasciitilde{} \textasciicircum{} \ensuremath{-}1.5, "
        r"10-20, p \ensuremath{<} 0.1"
    )
    assert report.latex("Ağaç 字 ж ħ") == r"Ağaç \texttt{U+5B57} \texttt{U+0436} \texttt{U+0127}"


HAS_LATEX = shutil.which("pdflatex") and not subprocess.call(
    ["kpsewhich", "siunitx.sty"], stdout=subprocess.DEVNULL
)
needs_latex = pytest.mark.skipif(not HAS_LATEX, reason="no pdflatex with siunitx here")


def pdflatex(folder, name):
    """Exit status and output; the PDF is in `folder`."""
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", name]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    return done.returncode, done.stdout


@needs_latex
def test_the_example_compiles(own):
    for path in (ROOT / "figures").iterdir():
        if path.name == "example.tex" or path.suffix == ".pdf":
            shutil.copy(path, own.figures)
    status, said = pdflatex(own.figures, "example.tex")
    assert status == 0, said[-2000:]


DOCUMENT = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage{siunitx}
\begin{document}
%s
\end{document}
"""
UNKNOWN = r"\jpUnknownKey"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """a is a run, b another of the same recordings whose K* fails, c one of an import."""
    folder = tmp_path_factory.mktemp("latex")
    for name in "abc":
        facts = paper_facts.results()
        facts["ablation"]["k_star"][0]["k"] = 42 if name == "b" else 30
        if name == "c":
            paper_facts.import_as_mine(facts)
            changes = {"name": "Ağaç_字 & ж", "low": 0.1, "p_holm": 0.001}
            facts["ablation"]["changes"]["class"][0] |= changes
        (folder / name).mkdir()
        for file, text in (("numbers", report.numbers_tex), ("claims", report.claims_tex)):
            (folder / name / f"{file}.tex").write_text(text(facts), encoding="utf-8")
    return folder


@needs_latex
@pytest.mark.parametrize(
    ("body", "fails"),
    [
        (
            r"\input{a/numbers}\num{\jp{dataset.clips}} \input{c/numbers}\jp{mine.dataset.clips} "
            r"\jp{mine.changes.class.Ağaç_字-ж.low} \input{c/claims}\jpclaim{mine.changes.class}",
            "",
        ),
        (r"\input{a/numbers}\jpload{second}{b/numbers}\jp{kstar.42.2}\jp{second.kstar.42.2}", ""),
        (r"\def\jpprefix{first.}\input{a/numbers}\num{\jp{first.dataset.clips}}", ""),
        (r"\input{a/numbers}\input{b/numbers}", "already defined"),
        (r"\input{a/numbers}\jp{no.key}", UNKNOWN),
        (r"\input{a/numbers}\begin{tabular}{S}\jp{no.key}\\\end{tabular}", UNKNOWN),
        (r"\input{a/numbers}\begin{tabular}{S}\jp{kstar.42.2}\\\end{tabular}", ""),
        (r"\input{a/claims}\jpclaim{no.key}", UNKNOWN),
        (r"\input{a/claims}\jpclaim{paper}", ""),
        (r"\input{b/claims}\jpclaim{paper}", "jointprune Error"),
    ],
)
def test_latex_takes_known_keys_anywhere_and_stops_at_others(inputs, body, fails):
    (inputs / "paper.tex").write_text(DOCUMENT % body, encoding="utf-8")
    status, said = pdflatex(inputs, "paper.tex")
    assert (status != 0) == bool(fails), said[-2000:]
    assert fails in said


def test_a_reader_finds_every_method_with_its_rule(made):
    text = (made.path / "jointprune" / "README.md").read_text(encoding="utf-8")
    for name, method in METHODS.items():
        assert re.search(rf"^\| `{name}` +\| {re.escape(method.label)} +\| ", text, re.MULTILINE)
        assert method.source in text


def test_a_reader_finds_every_tested_claim_with_its_value_and_tolerance(made, facts):
    text = (made.path / "REPRODUCING.md").read_text(encoding="utf-8")
    lines = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    rows = {cells[0]: cells[1:] for cells in lines if len(cells) == 6}
    tested = {c.key: c for c in all_claims(facts) if c.verdict != "described" and c.numbers}
    assert set(rows) - {"claim"} - {name for name in rows if set(name) == {"-"}} == set(tested)
    known = report.numbers(facts)
    for key, claim in tested.items():
        verdict, number, value, _, made_by = rows[key]
        assert (verdict, value) == (claim.verdict, known[number].text)
        assert (ROOT / "notebooks" / f"{made_by}.ipynb").is_file()
    change = rows[PAIR]
    assert change[1] == f"{PAIR}.difference" and change[3] == "0.9 points"

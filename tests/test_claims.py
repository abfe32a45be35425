"""Each sentence claims no more than its test allows."""

import dataclasses
import re

import paper_facts
import pytest
from matplotlib.text import Text

from jointprune.paper import plots, report
from jointprune.paper.claims import all_claims, limits, one_row, percent, points
from jointprune.paper.comparisons import DECLARED, UNTESTED, compare_declared, declared, k_star
from jointprune.selection import METHODS


def claim(facts, key):
    return next(found for found in all_claims(facts) if found.key == key)


@pytest.mark.parametrize("passes", [True, False])
def test_the_loss_with_12_joints_has_the_verdict_of_its_step(facts, passes):
    step = one_row(facts["ablation"]["k_star"][0]["steps"], k=12)
    step |= {"difference": -0.0302, "low": -0.0551, "high": -0.0078, "passes": passes}
    verdict = "established" if passes else "not established"
    found = claim(facts, "kstar.42.2.step.12")
    assert found.verdict == verdict
    assert found.sentence == (
        "With 12 learned joints accuracy falls by 3.0 points (95 % CI 0.8 to 5.5; one-handed -1.2, "
        f"two-handed +0.9). Non-inferiority at a 2-point margin is {verdict}."
    )
    for low, said in ((-0.0078, "changes by +3.0 points (95 % CI -0.8"), (0.0078, "rises by 3.0")):
        step |= {"difference": 0.0302, "low": low, "high": 0.0551}
        assert f"accuracy {said}" in claim(facts, found.key).sentence


@pytest.mark.parametrize(
    ("name", "a", "said", "verdict"),
    [
        ("learned-12 vs stratified-random-12", 0.70, "points higher than with", "established"),
        ("learned-12 vs stratified-random-12", 0.55, "is not established", "not established"),
        ("learned-12 vs stratified-random-12", 0.40, "points lower than", "opposite established"),
        ("learned-12 vs greedy-12", 0.40, "points lower than", "established"),
    ],
)
def test_a_difference_reads_as_measured(facts, name, a, said, verdict):
    terms = next(comparison for comparison in declared([12]) if comparison.name == name)
    rates = {(*terms.a, "retrained"): a, (*terms.b, "retrained"): 0.55}
    (record,) = compare_declared(paper_facts.predictions(rates, seeds=3), (terms,))
    facts["ablation"]["paired"] = [record]
    found = next(found for found in all_claims(facts) if found.key.startswith("paired.learned-"))
    assert said in found.sentence
    assert found.verdict == verdict
    size = points(abs(record["difference"])).removeprefix("+")
    assert verdict == "not established" or f"is {size} points" in found.sentence


@pytest.mark.parametrize(
    ("method", "full", "of"),
    [("learned", ("full", 42), "42 joints"),
     ("signing-hand", ("anatomical-signing-hand", 21), "21 joints of the leading hand")],
)  # fmt: skip
def test_k_star_is_claimed_only_if_the_sequence_of_tests_reaches_it(facts, method, full, of):
    """Otherwise the quick start's sentence for a paper is refused."""

    def claims(accuracy):
        rates = {(*full, "retrained"): 0.60}
        rates |= {(method, k, "retrained"): accuracy for k in (12, 6)}
        table = paper_facts.predictions(rates, seeds=2)
        record = k_star(table, (6, 12), 0.02, method, full, paper_facts.STRATA)
        facts["ablation"]["k_star"] = [record]
        return claim(facts, f"kstar.{full[1]}.2"), claim(facts, "paper")

    star, paper = claims(0.66)
    assert star.sentence.startswith(f"With 6 of {of} a loss of 2 points or more is excl")
    assert star.verdict == paper.verdict == "established"
    assert paper.sentence.startswith("We reduced data requirements by discovering that")
    assert f"only 6 of {full[1]} hand joints suffice at a 2-point margin" in paper.sentence
    assert "a 85.7 % reduction of joints and 42.9 % of observed joint-frames in" in paper.sentence
    star, paper = claims(0.50)
    assert star.sentence.startswith(
        f"With fewer than {of} non-inferiority to all of these (57.1 %) "
    )
    assert (star.verdict, paper.verdict) == ("not established", "refused")


@pytest.mark.parametrize("shown", [0, 1, 2])
def test_overlap_is_claimed_for_the_pairs_that_pass_holm_alone(facts, shown):
    row = {"k": 12, "shared": 8, "expected": 3.857, "ours": 9, "theirs": 9, "p": 0.001,
           "anatomical": 7}  # fmt: skip
    facts["ablation"]["overlap"] = [
        {**row, "source": source, "p_holm": 0.01 if place < shown else 0.06}
        for place, source in enumerate(("gsl", "autsl"))
    ]
    found = claim(facts, "overlap")
    shared = "at K = 12 (8 joints; 3.9 by chance, 7 of the anatomical order)"
    pairs = (f"GSL {shared}", f"AUTSL {shared}")
    assert [pair in found.sentence for pair in pairs] == [shown > 0, shown > 1]
    assert (f"in {shown} of 2 pairs" in found.sentence) == (shown > 0)
    assert found.verdict == ("established" if shown else "not established")


def test_a_set_whose_choice_saw_test_clips_is_called_so_in_its_sentence(facts):
    for k in (12, 21):
        one, typical = (claim(facts, f"paired.{name}-{k}.full") for name in ("one-set", "typical"))
        assert f"one set of {k} joints for all folds" in one.sentence
        assert "rests on trainings that saw a fold's test clips. The one-" in one.sentence
        assert "It was chosen in each fold from training clips alone. The" in typical.sentence
        for found, name in ((one, "one-set"), (typical, "typical")):
            record = one_row(facts["ablation"]["one_set"], name=f"{name}-{k} vs full")
            bound = points(record["lower_bound"])
            assert found.sentence.endswith(f"lower bound is {bound} points.")
        assert "Holm's correction over the sets to publish" in one.test
    facts["ablation"]["accuracy"].append(
        {"method": "one-set", "k": 12, "regime": "retrained", "mean": 0.99, "low": 0.9, "high": 1.0}
    )
    assert "99.0" not in claim(facts, "methods").sentence  # it is not called the best method
    facts["dataset"]["folds"] = [["a"]]  # a published split: no other fold that saw test clips
    assert "test clips" not in claim(facts, "paired.one-set-12.full").sentence


def test_the_headline_says_how_fragile_it_is(facts):
    """p, the bound with seeds resampled, and K* of other languages and seeds."""
    star = paper_facts.with_firm_k_star(
        facts, by_seed=[21, 30, 42], leave_one_seed_out=[30, 21, 30], moved_by_one_group=2
    )
    start = (
        "With 21 of 42 joints a loss of 2 points or more is excluded (fixed-sequence "
        "non-inferiority test, p = 0.0498, 2 of {} seeds pass alone; lower bound -1.9 points, with "
        "seeds resampled too -2.1; power 71.2 % if nothing is lost, 23.4 % if 1 point is). "
        "Weighting all languages equally, accuracy changes by -0.4 points. This drops 50.0 % of "
        "all joints and 25.0 % of the observed joint-frames.{} The test alone gives, without one "
        "language, 21 to 30 (2 of 6 languages change it); with the languages resampled 16 to 30; "
    )
    said = claim(facts, "kstar.42.2").sentence
    alone = "without one seed 21 to 30; from one seed 21, 30 and 42."
    assert said == start.format(3, "") + alone
    star["by_test"] = 16
    said = claim(facts, "kstar.42.2").sentence
    by_test = " Without the rule on seeds K* would be 16."
    assert said == start.format(3, by_test) + alone
    star |= {"by_seed": [21], "leave_one_seed_out": [], "by_test": 21}
    assert claim(facts, "kstar.42.2").sentence == start.format(1, "") + "one seed was trained."
    star["leave_one_group_out"] = [42] * 5  # with four groups p is at least 1/16
    said = claim(facts, "kstar.42.2").sentence
    assert "without one language, no K (4 languages are too few for the test); with the" in said
    assert "but one" not in report.headline(facts)


@pytest.mark.parametrize(
    ("loss", "groups", "verdict"),
    [(0.0533, 3, "refused"), (0.0533, 1, "refused"), (0.0199, 3, "established")],
)
def test_no_sentence_says_that_joints_suffice_where_a_stratum_loses_more(
    facts, loss, groups, verdict
):
    star = facts["ablation"]["k_star"][0]
    star["k"] = 21
    one_row(star["steps"], k=12)["passes"] = True
    for k in (21, 12):
        one_handed, two_handed = one_row(star["steps"], k=k)["strata"]
        one_handed |= {"difference": 0.01}
        two_handed |= {"groups": groups, "difference": -loss, "low": -0.07, "high": 0.001}
    found = {key: claim(facts, key) for key in ("kstar.42.2", "kstar.42.2.step.12", "paper")}
    assert {record.verdict for record in found.values()} == {verdict}
    interval = "95 % CI -0.1 to 7.0" if groups > 1 else "no interval from one language"
    said = (
        f"Refused: in two-handed alphabets 21 joints lose 5.3 points ({interval}), more than the "
        "margin of 2."
    )
    refused = verdict == "refused"
    assert (found["paper"].sentence == said) == refused
    star_said = found["kstar.42.2"].sentence
    assert star_said.startswith(f"{said} Over all clips, with 21 of 42") == refused
    assert "(not tested: with 3 languages p is at least 0.125)" in found["kstar.42.2"].test
    sentences = " ".join(record.sentence for record in found.values())
    assert ("suffice" in sentences) != refused
    if refused:
        assert "12 joints lose 5.3 points" in found["kstar.42.2.step.12"].sentence
        assert r"\PackageError{jointprune}{Refused: in two-handed" in report.claims_tex(facts)


def test_a_stratum_in_which_learned_gates_are_below_random_joints_is_named(facts):
    rows = facts["ablation"]["strata"]
    assert claim(facts, "strata").sentence.endswith(
        "random joints at no K in one-handed alphabets and at no K in two-handed alphabets; no "
        "test compares them."
    )
    for k in (8, 21):
        row, drawn = (one_row(rows, method=method, k=k, stratum="two-handed")
                      for method in ("learned", "stratified-random"))  # fmt: skip
        row["mean"] = drawn["mean"] - 0.001
    assert claim(facts, "strata").sentence.endswith(
        "random joints at K = 8 and 21 in two-handed alphabets and at no K in one-handed "
        "alphabets; no test compares them."
    )
    paper_facts.import_as_mine(facts)
    facts["ablation"]["strata"] = [row for row in rows if row["stratum"] == "one-handed"]
    assert claim(facts, "strata").sentence.endswith(
        "random joints at no K in one-handed clips; no test compares them."
    )


@pytest.mark.parametrize(
    ("bound", "said"),
    [
        (0.0212, "1.9 %, lower bound 2.1 %, p = 0.2500"),
        (None, "1.9 %, no lower bound from one language, p = 0.2500"),
    ],
)
def test_no_sentence_says_that_joints_suffice_where_all_joints_are_at_chance(facts, bound, said):
    for star in facts["ablation"]["k_star"]:
        star |= UNTESTED | {"k": 42}
        star["reference"] = {"accuracy": 0.0187, "lower_bound": bound, "chance": 1 / 60,
                             "p": 0.25, "works": False}  # fmt: skip
    found = {record.key: record for record in all_claims(facts)}
    stars = [record for key, record in found.items() if key.startswith("kstar.")]
    assert len(stars) == 3
    for record in (*stars, found["paper"]):
        assert record.verdict == "refused"
        assert f"with all 42 joints accuracy ({said}) is not shown to be above" in record.sentence
    assert found["kstar.42.2"].sentence.startswith("No smaller number of joints is reported: with")
    assert found["kstar.42.2"].sentence.endswith("above chance (1.7 %) by more than 2 points.")
    assert found["kstar.42.2.step.12"].sentence.startswith("No loss with 12 learned joints is rep")
    text = " ".join(record.sentence for record in found.values())
    assert not any(word in text for word in ("suffice", "on-inferiority", "falls by"))
    numbers = report.numbers(facts)
    assert numbers["kstar.42.2.reference.works"].value == 0
    assert not any(re.search("bootstrap|by-seed|leave-one", key) for key in numbers)
    assert report.claims_text(facts).count("verdict: refused") == 4


@pytest.mark.parametrize(
    "changed", [{"accuracy": {"mean": 0.05, "low": 0.03, "high": 0.07}}, {"p": 0.0625}]
)
def test_accuracy_is_above_chance_only_by_its_interval_and_by_sign_flips(facts, changed):
    assert claim(facts, "baseline").verdict == "established"
    facts["baseline"] |= changed
    found = claim(facts, "baseline")
    assert "is not shown to be above chance" in found.sentence
    assert found.verdict == "not established"


@pytest.mark.parametrize(
    ("changed", "said", "verdict"),
    [
        ({}, "Both are below chance plus 2 points; no K*", "established"),
        ({"high": 0.06}, "That both are below chance plus 2", "not established"),
        ({"leaks": True}, "more than chance allows: test labels leak", "opposite established"),
    ],
)
def test_shuffled_labels_read_chance_or_the_claim_says_otherwise(facts, changed, said, verdict):
    control = facts["ablation"]["control"]
    row = one_row(control["rows"], method="learned")
    row |= changed
    found = claim(facts, "control")
    assert found.verdict == verdict and said in found.sentence
    assert found.sentence.startswith(
        "With labels shuffled within each language (3 times) accuracy is 3.9 % (95 % CI 3.2 to "
        f"4.5) with all joints and 4.1 % (95 % CI 3.5 to {percent(row['high'])}) with 12 learned "
        "joints; chance is 3.9 %."
    )
    assert found.sentence in report.headline(facts)


@pytest.mark.parametrize(
    ("index", "half", "said", "verdict"),
    [
        (0.41, 0.05, "agree more than random selections with as many", "established"),
        (0.39, 0.05, "are not shown to agree more than random selections", "not established"),
        (0.29, 0.05, "agree less than random selections", "opposite established"),
        (0.41, 0.50, "agree more than random selections", "established"),
    ],
)
def test_selections_agree_only_if_the_index_lies_above_draws_matched_by_hand(
    facts, index, half, said, verdict
):
    """Above chance they are in three of these four cases, which decides nothing."""
    row = one_row(facts["ablation"]["stability"], method="learned", k=12)
    row |= {"matched": 0.35, "matched_low": 0.30, "matched_high": 0.40}
    row |= {"index": index, "low": index - half, "high": index + half}
    found = claim(facts, "stability")
    assert found.sentence.startswith(f"Learned selections of 12 joints {said}")
    ends = f"{index:.2f}, 95 % CI {index - half:.2f} to {index + half:.2f}"
    assert f"(stability index {ends}, against 0.35, 95 % of" in found.sentence
    chance = "agree" if half < index else "are not shown to agree"
    assert found.sentence.endswith(
        f"They {chance} more than chance (index 0; 1 is identical selections)."
    )
    assert found.verdict == verdict
    row["index"] = None
    assert "is unknown: there is one selection only" in claim(facts, "stability").sentence
    assert claim(facts, "stability").verdict == "not established"


@pytest.mark.parametrize(
    ("p_of_a", "of_b", "said"),
    [
        (0.01, (-0.3, 0.2), "the letter A is recognised better than"),
        (0.01, (-0.3, 0.01), "the letter A is recognised better and the letters B and C are rec"),
        (0.06, (-0.01, 0.01), "No letter is shown to be recognised"),
    ],
)
def test_letters_are_named_only_where_their_test_bears_it(facts, p_of_a, of_b, said):
    facts["ablation"]["changes"]["class"] = [
        {"name": name, "difference": x, "low": x - 0.02, "high": x + 0.02, "p": p, "p_holm": p}
        for name, x, p in (("A", 0.3, p_of_a), ("B", *of_b), ("C", *of_b))
    ]
    found = claim(facts, "changes.class")
    assert said in found.sentence
    assert found.verdict == ("established" if p_of_a < 0.05 else "not established")


def test_every_method_at_12_is_counted_and_the_best_and_worst_are_named(facts):
    """Methods that hold out training clips are apart, and no claim's table mixes both."""
    at_12 = [row for row in facts["ablation"]["accuracy"]
             if row["k"] == 12 and row["regime"] == "retrained"
             and row["method"] != "one-set"]  # fmt: skip
    one_row(at_12, method="stg")["mean"] = 0.9
    apart = claim(facts, "methods.held-out")
    importance = {"greedy", "permutation", "integrated-gradients", "any-subset"}
    assert {key.split(".")[1] for key in apart.numbers} == importance
    assert apart.sentence.startswith("4 methods hold out a quarter of the training groups")
    assert apart.sentence.endswith(f"by {METHODS['integrated-gradients'].label}.")
    said = claim(facts, "methods").sentence
    assert said.startswith(f"{len(at_12) - 4} methods hold out no training group (w")
    assert "accuracy is 90.0 % (95 % CI" in said
    assert f"by {METHODS['stg'].label}, and the lowest" in said
    assert said.endswith(f"by {METHODS['variance'].label}.")


@pytest.mark.parametrize(
    ("quarter", "end", "how"),
    [
        (0.0, 0.0, "later than"),
        (0.12, 0.714, "more than"),
        (0.12, 0.45, "as"),
        (0.3, 0.45, "sooner than"),
        (0.15, 0.3, "fewer than"),
    ],
)
def test_the_pace_of_closing_is_compared_with_the_quick_start_s(facts, quarter, end, how):
    for name, label in (("learned", "Learned gates"), ("quick-start", "Quick-start mask")):
        facts["pruning"]["course"][name]["pruning_ratio"] = {"quarter": quarter, "end": end}
        assert claim(facts, f"course.{name}").sentence == (
            f"{label}: {percent(quarter)} % of joints are closed after a quarter of training and "
            f"{percent(end)} % at its end, {how} the quick start "
            "(the guide quoted in notebook 03) expects (10-20 % and 40-50 %)."
        )


def test_joints_count_as_found_only_above_the_declared_share(facts):
    rows = facts["synthetic"]["recovery"]
    one_row(rows, method="learned")["recall"] = 0.95
    said = claim(facts, "synthetic").sentence
    assert "Given K = 8, learned gates find the informative joints" in said
    assert "The most typical selection of 5 trainings finds them: precision 0.99" in said
    others = "Of 11 other methods, these find them: greedy elimination, any-subset surrogate and L0"
    assert others in said
    one_row(rows, method="learned")["recall"] = 0.94
    one_row(rows, method="typical")["precision"] = 0.94
    said = claim(facts, "synthetic").sentence
    assert "learned gates do not find the informative joints" in said
    assert "trainings does not find them: precision 0.94" in said


def test_methods_that_choose_k_are_separate_from_those_given_k(facts):
    said = claim(facts, "synthetic.stop").sentence
    assert "Of 3 methods" in said and "L0 penalty (8.3 joints on average)." in said
    for row in facts["synthetic"]["recovery"]:
        row["stop_k"] = None
    assert "informative joints: none. The other 13" in claim(facts, "synthetic.stop").sentence


def test_joints_suit_another_encoder_only_if_they_beat_random_ones(facts):
    assert "have higher accuracy" in claim(facts, "encoders.graph").sentence
    said = claim(facts, "encoders.recurrent").sentence
    assert "have no higher accuracy than" in said and "54.0 % against 55.0 %" in said


def test_fewer_joints_are_faster_only_if_they_save_a_tenth_of_the_time(facts):
    few, full = (one_row(facts["cost"]["rows"], encoder="transformer", k=k) for k in (2, 42))
    for ratio, verb in ((0.95, "do not make"), (0.85, "make"), (1.2, "do not make")):
        few["latency_ms"] = ratio * full["latency_ms"]
        said = claim(facts, "cost.transformer").sentence
        assert said.startswith(f"Fewer joints {verb} the transformer faster: with 2 of")
    assert "1.2 % of the operations" in said


def test_every_claim_is_a_whole_record_of_its_own_key(facts):
    found = all_claims(facts)
    assert len({claim.key for claim in found}) == len(found)
    for record in found:
        told = dataclasses.asdict(record)
        told.pop("numbers")
        assert all(told.values()), record.key
    assert {claim.dataset.split(" ")[0] for claim in found} == {"16", "synthetic", "one"}
    # A claim is tested or described, never both.
    assert all((claim.test == "none") == (claim.verdict == "described") for claim in found)


def test_what_an_import_found_is_a_limit(facts):
    mine = paper_facts.import_as_mine(facts)
    before = "\n".join(limits(mine))
    for found, said in (
        ({"group_word": "part"}, "no accuracy here is signer-independent"),
        ({"official_split": True, "folds": [["6", "14"]]}, "one fold: 16 signers in all, 2 tested"),
        ({"leaks": 2}, "2 recordings occur in several signers"),
        ({"by_palm": 5}, "5 of 410 clips lack shoulders"),
        ({"unseen": 1}, "1 signs are tested in a fold that never trains them"),
    ):
        assert said not in before
        assert said in "\n".join(limits(mine | {"dataset": mine["dataset"] | found}))


def test_an_import_has_signs_and_signers_and_the_lexicon_letters_and_languages(facts):
    def every_sentence():
        return "\n".join([*(found.sentence for found in all_claims(facts)), *limits(facts)])

    lexicon = every_sentence()
    assert "held-out languages" in lexicon and "letter" in lexicon
    assert "13 of 16 alphabets are one-handed, and in 10 alphabets" in lexicon
    assert DECLARED in lexicon  # other recordings came after it
    paper_facts.import_as_mine(facts)
    said = every_sentence()
    assert "held-out signers" in said and "3 were left out at import" in said
    assert not any(word in said.lower() for word in ("language", "alphabet", "letter"))


def test_with_few_groups_nothing_can_be_established_and_the_limits_say_so(facts):
    """Four comparisons need a p below 0.05 / 4: 2^-6 is above it, 2^-15 below; K* needs 2^-4."""

    def said(groups):
        facts["dataset"]["folds"] = [list("abcdefghijklmnop"[:groups])]
        return "\n".join(limits(facts))

    assert "no two-sided p value can be below" not in said(16)
    assert "with 7 languages no two-sided p value can be below 0.0156" in said(7)
    assert "means nothing here" in said(7) and "no K can pass" not in said(7)
    assert "With 4 languages no K can pass the test of K*" in said(4)
    assert "Power of the steps" in said(7) and "Power of the steps" not in said(4)


@pytest.mark.parametrize(
    ("passed", "said"),
    [
        (2, "K = 21 (passed), power 92.0 % if nothing is lost, 41.0 % if 1 point is; K = 16 (fai"),
        (0, "): K = 30 (failed), power 91.0 % if nothing is lost, 42.0 % if 1 point is. A K that"),
        (8, "): K = 2 (passed), power 97.0 % if nothing is lost, 36.0 % if 1 point is. A K that "),
    ],
)
def test_the_limits_give_the_power_of_the_steps_that_decide_k_star(facts, passed, said):
    star = facts["ablation"]["k_star"][0]
    for place, step in enumerate(star["steps"]):
        step |= {"passes": place < passed, "power_at_0": 0.91 + place / 100 - (place > 6) / 100,
                 "power_at_1": 0.42 - place / 100 + (place > 6) / 100}  # fmt: skip
    assert said in "\n".join(limits(facts))
    star["reference"]["works"] = False
    assert "Power of the steps" not in "\n".join(limits(facts))


def test_letters_are_called_letters_wherever_results_are_rendered(facts):
    """Claims, limits, README block, keys and figure labels of the lexicon never say "sign"."""
    figures = (paper_facts.FIGURES[stem](facts)
               for stem in ("fig1_pipeline", "fig2_accuracy_against_k", "changes"))  # fmt: skip
    drawn = [text.get_text() for figure in figures for text in figure.findobj(Text)]
    written = [report.claims_text(facts), report.headline(facts), *report.numbers(facts)]
    text = "\n".join([*drawn, *written])
    # Letters are not signs; synthetic data and AUTSL hold signs.
    others = (
        r"to signs of a vocabulary|20 signs, 16 signers|synthetic\.signs"
        r"|\| signs \||sign (language|recognition|flip)s?"
    )
    text = re.sub(others, "", text)
    assert "26 letters" in text and "letter" in drawn
    assert re.findall(r".*\bsigns?\b.*", text, re.IGNORECASE) == []
    facts["dataset"]["class_word"] = "sign"
    assert "26 signs" in plots.plot_pipeline(facts, 12).axes[0].texts[1].get_text()


def test_a_missing_result_names_the_notebooks_to_run():
    with pytest.raises(ValueError, match=r"'k': 3.* got 0 of 1: run notebooks 03"):
        one_row([{"k": 2}], k=3)


def test_percent_and_points_have_one_digit_and_zero_no_sign():
    assert [points(x) for x in (-0.0004, 0.0, 0.0123, -0.02)] == ["0.0", "0.0", "+1.2", "-2.0"]
    assert percent(0.6224) == "62.2"


def test_what_committers_cost_and_what_scales_clips_without_shoulders_is_said(facts):
    assert not any("committer" in limit for limit in limits(facts))
    rows = [
        {"method": "full", "k": 42, "mean": 0.963},
        {"method": "learned", "k": 12, "mean": 0.937},
    ]
    facts["committers"] = {"rows": rows}
    assert "change accuracy by -2.6 points, from 96.3 to 93.7 %" in "\n".join(limits(facts))
    paper_facts.with_firm_k_star(facts, by_seed=[21, 21, 21])
    alone = claim(facts, "paper").sentence
    clips = facts["dataset"]["clips"]
    for palms, said in ((7, f"7 of {clips} clips"), (clips, "every clip")):
        facts["dataset"]["by_palm"] = palms
        placed = f"2-point margin (position and scale of {said} come from all 42), repr"
        assert claim(facts, "paper").sentence == alone.replace("2-point margin, repr", placed)


def test_what_is_known_of_a_public_data_set_is_among_its_own_limits_alone(facts):
    before = limits(facts)
    facts["dataset"]["dataset"] = "dgs30"
    said = "\n".join(limits(facts))
    assert "How hands are told apart was changed" in said and "one wave of uploads" in said
    assert not any("told apart" in limit or "committers" in limit for limit in before)
    assert "three committers" not in said


def test_with_too_few_groups_no_class_can_be_shown_to_change(facts):
    facts["dataset"]["folds"] = [list("abc"), list("de")]
    for row in facts["ablation"]["changes"]["class"]:
        row["p_holm"] = 1.0
    said = claim(facts, "changes.class").sentence
    assert said.startswith("With 5 languages no letter can be shown, whatever the effect, to be")

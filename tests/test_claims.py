"""Each sentence says what its test allows and no more."""

import dataclasses

import paper_facts
import pytest

from jointprune.paper.claims import all_claims, class_word, limits, one_row, percent, points
from jointprune.paper.comparisons import COMPARISONS, compare_declared, k_star
from jointprune.selection import METHODS, Method


def claim(facts, key):
    return next(found for found in all_claims(facts) if found.key == key)


def compared(name, a, b, **changed):
    """The claim of one declared comparison on made-up predictions with accuracies `a` and `b`."""
    terms = next(comparison for comparison in COMPARISONS if comparison.name == name)
    rates = {(*terms.a, "retrained"): a, (*terms.b, "retrained"): b}
    (record,) = compare_declared(paper_facts.predictions(rates, seeds=3), (terms,))
    facts = paper_facts.results()
    facts["ablation"]["paired"] = [record | changed]
    found = [found for found in all_claims(facts) if found.key.startswith("paired.learned-")]
    return found[0], record


@pytest.mark.parametrize(
    ("a", "changed", "said", "verdict"),
    [
        (0.70, {}, "Non-inferiority at a 2-point margin is established.", "established"),
        (0.64, {}, "Non-inferiority at a 2-point margin is not established.", "not established"),
        (0.50, {}, "A loss of more than 2 points is established.", "opposite established"),
        (0.70, {"p_holm": 0.2}, "established by this test alone, but after Holm's correction it "
         "is not established.", "not established"),
        (0.50, {"p_worse_holm": 0.2}, "margin is not established.", "not established"),
    ],
)  # fmt: skip
def test_a_non_inferiority_test_words_its_sentence(a, changed, said, verdict):
    """A loss is established by its own test: an interval below the margin is not enough."""
    found, record = compared("learned-12 vs full", a, 0.65, **changed)
    assert found.sentence.endswith(said)
    assert found.verdict == verdict
    assert found.key == "paired.learned-12.full.2"
    assert ("alone" in found.sentence) == (changed == {"p_holm": 0.2})
    if a == 0.50:
        assert record["high"] < -0.02


def test_a_loss_reads_as_in_the_style_guide():
    measured = {"difference": -0.0302, "low": -0.0551, "high": -0.0078, "p_holm": 1.0}
    found, _ = compared("learned-12 vs full", 0.64, 0.65, **measured)
    assert found.sentence == (
        "With 12 learned joints accuracy falls by 3.0 points (95 % CI 0.8 to 5.5). "
        "Non-inferiority at a 2-point margin is not established."
    )
    gained = {"difference": 0.0302, "low": -0.0078, "high": 0.0551}
    found, _ = compared("learned-12 vs full", 0.64, 0.65, **gained)
    assert "accuracy rises by 3.0 points (95 % CI -0.8 to 5.5)." in found.sentence


def test_a_margin_of_one_point_is_singular():
    found, _ = compared("learned-12 vs full at 1 point", 0.40, 0.65)
    assert found.sentence.endswith("A loss of more than 1 point is established.")
    assert found.key == "paired.learned-12.full.1"


@pytest.mark.parametrize(
    ("name", "a", "said", "verdict"),
    [
        ("learned-12 vs stratified-random-12", 0.70, "points higher than with", "established"),
        ("learned-12 vs stratified-random-12", 0.55, "is not established", "not established"),
        ("learned-12 vs stratified-random-12", 0.40, "points lower than", "opposite established"),
        ("learned-12 vs greedy-12", 0.40, "points lower than", "established"),
    ],
)
def test_a_difference_reads_as_measured(name, a, said, verdict):
    found, record = compared(name, a, 0.55)
    assert said in found.sentence
    assert found.verdict == verdict
    size = points(abs(record["difference"])).removeprefix("+")
    assert verdict == "not established" or f"is {size} points" in found.sentence


def with_k_star(accuracy, *, method="learned", full=("full", 42), paired=()):
    """Results whose one K* is that of made-up predictions: 12 and 6 joints of this accuracy."""
    rates = {(*full, "retrained"): 0.60}
    rates |= {(method, k, "retrained"): accuracy for k in (12, 6)}
    facts = paper_facts.results()
    table = paper_facts.predictions(rates, seeds=2)
    facts["ablation"]["k_star"] = [k_star(table, (6, 12), 0.02, method, full)]
    facts["ablation"]["paired"] = list(paired)
    return facts


@pytest.mark.parametrize(
    ("method", "full", "of"),
    [("learned", ("full", 42), "42 joints"),
     ("signing-hand", ("anatomical-signing-hand", 21), "21 joints of the signing hand")],
)  # fmt: skip
def test_k_star_is_claimed_only_where_the_sequence_of_tests_gets_there(method, full, of):
    key = f"kstar.{full[1]}.2"
    found = claim(with_k_star(0.66, method=method, full=full), key)
    assert found.sentence.startswith(f"With 6 of {of} accuracy falls by less than 2 points (fixed-")
    assert found.verdict == "established"
    found = claim(with_k_star(0.50, method=method, full=full), key)
    assert found.sentence.startswith(f"With fewer than {of} non-inferiority at a 2-point margin is")
    assert found.verdict == "not established"


def test_the_headline_says_how_fragile_it_is():
    """p, the resampled languages, each seed alone, and the corrected family."""
    facts = paper_facts.results()
    star = facts["ablation"]["k_star"][0]
    for step in star["steps"]:
        step |= {"passes": step["k"] >= 21, "p": 0.0498 if step["k"] == 21 else 0.001}
    star |= {"k": 21, "pruned": 0.5, "by_seed": [21, 30, 42]}
    star["bootstrap"] = {"low": 16, "median": 21, "high": 30}
    family = one_row(facts["ablation"]["paired"], name="learned-21 vs full")
    family |= {"noninferior": True, "p_holm": 0.2987}
    start = (
        "With 21 of 42 joints accuracy falls by less than 2 points (fixed-sequence "
        "non-inferiority test, p = 0.0498). Resampling the languages moves this number between 16 "
        "and 30. The 3 seeds alone give 21, 30 and 42. Holm's correction over the 8 declared "
        "comparisons "
    )
    assert claim(facts, "kstar.42.2").sentence == f"{start}does not establish it (p = 0.2987)."
    family["p_holm"] = 0.01
    assert claim(facts, "kstar.42.2").sentence == f"{start}establishes it too (p = 0.0100)."
    star["k"] = 30
    assert "comparisons do not test K = 30." in claim(facts, "kstar.42.2").sentence
    star["by_seed"] = [30]
    assert "One seed was trained." in claim(facts, "kstar.42.2").sentence


@pytest.mark.parametrize("accuracy", [0.66, 0.50])
def test_the_quick_start_s_sentence_is_refused_where_k_star_is_42(accuracy):
    found = claim(with_k_star(accuracy), "paper")
    if accuracy > 0.60:
        assert found.verdict == "established"
        assert found.sentence.startswith("We reduced data requirements by discovering that")
        assert "only 6 of 42 hand joints suffice at a 2-point margin" in found.sentence
        assert "85.7 % spatial reduction in 16 manual alphabets" in found.sentence
    else:
        assert found.verdict == "refused"
        assert found.sentence.startswith("Refused: ")


def test_accuracy_at_chance_is_not_above_it():
    facts = paper_facts.results()
    assert claim(facts, "baseline").verdict == "established"
    facts["baseline"]["accuracy"] = {"mean": 0.05, "low": 0.03, "high": 0.07}
    found = claim(facts, "baseline")
    assert "is not shown to be above chance" in found.sentence
    assert found.verdict == "not established"


@pytest.mark.parametrize(
    ("low", "high", "said", "verdict"),
    [
        (0.02, 0.10, "agree more than chance", "established"),
        (-0.02, 0.10, "are not shown to agree more than chance", "not established"),
        (-0.09, -0.01, "agree less than chance", "opposite established"),
        (None, None, "is unknown: there is one selection only", "not established"),
    ],
)
def test_selections_agree_only_if_their_interval_lies_above_chance(low, high, said, verdict):
    facts = paper_facts.results()
    row = one_row(facts["ablation"]["stability"], method="learned", k=12)
    row |= {"low": low, "high": high, "index": None if low is None else (low + high) / 2}
    found = claim(facts, "stability")
    assert said in found.sentence
    assert found.verdict == verdict


@pytest.mark.parametrize(
    ("rows", "said", "verdict"),
    [
        ([("A", 0.3, 0.01), ("B", -0.3, 0.2)], "the letter A is recognised better than", True),
        ([("A", 0.3, 0.01), ("B", -0.3, 0.01), ("C", -0.2, 0.04)],
         "the letter A is recognised better and the letters B and C are recognised worse", True),
        ([("A", 0.3, 0.06), ("B", -0.01, 0.01)], "No letter is shown to be recognised", False),
    ],
)  # fmt: skip
def test_letters_are_named_only_where_their_test_bears_it(rows, said, verdict):
    facts = paper_facts.results()
    facts["ablation"]["changes"]["sign"] = [
        {"name": name, "difference": x, "low": x - 0.02, "high": x + 0.02, "p": p, "p_holm": p}
        for name, x, p in rows
    ]
    found = claim(facts, "changes.sign")
    assert said in found.sentence
    assert found.verdict == ("established" if verdict else "not established")


def test_every_method_at_12_is_claimed_best_first():
    facts = paper_facts.results()
    at_12 = [row for row in facts["ablation"]["accuracy"]
             if row["k"] == 12 and row["regime"] == "retrained"]  # fmt: skip
    one_row(at_12, method="stg")["mean"] = 0.9
    found = claim(facts, "methods")
    assert found.sentence.startswith(f"{len(at_12)} methods were retrained on 12 joints.")
    assert "accuracy is 90.0 % (95 % CI" in found.sentence
    assert f"by {METHODS['stg'].label}, and the lowest" in found.sentence
    assert found.sentence.endswith(f"by {METHODS['knuckles'].label}.")
    assert found.verdict == "described"


def test_a_method_of_one_s_own_is_named_by_its_row_of_the_table(monkeypatch):
    row = Method("by-height", "joints by height", "a test")
    monkeypatch.setitem(METHODS, "by-height", row)
    facts = paper_facts.results()
    best = one_row(facts["ablation"]["accuracy"], method="stg") | {"method": "by-height", "mean": 1}
    facts["ablation"]["accuracy"].append(best)
    assert "by joints by height, and" in claim(facts, "methods").sentence


def test_gates_that_close_nothing_miss_the_quick_start_s_expectation():
    facts = paper_facts.results()
    assert "misses" in claim(facts, "course.quick-start").sentence
    learned = claim(facts, "course.learned").sentence
    assert learned.startswith("Learned gates: 12.0 % of joints") and "This meets the" in learned


@pytest.mark.parametrize(("recall", "verb"), [(0.95, "find"), (0.94, "do not find")])
def test_gates_find_the_informative_joints_only_from_the_declared_share_on(recall, verb):
    facts = paper_facts.results()
    rows = facts["synthetic"]["recovery"]
    one_row(rows, method="learned")["recall"] = recall
    said = claim(facts, "synthetic").sentence
    assert f"Given K = 8, learned gates {verb} the informative joints" in said
    assert "The most typical selection of 5 trainings finds them: precision 0.99" in said
    others = "Of 11 other methods, these find them: greedy elimination, any-subset surrogate and L0"
    assert others in said
    one_row(rows, method="typical")["precision"] = 0.94
    assert "trainings does not find them: precision 0.94" in claim(facts, "synthetic").sentence


def test_methods_that_choose_k_are_told_apart_from_those_that_are_given_it():
    facts = paper_facts.results()
    said = claim(facts, "synthetic.stop").sentence
    assert "Of 3 methods" in said and "L0 penalty (8.3 joints on average)." in said
    for row in facts["synthetic"]["recovery"]:
        row["stop_k"] = None
    assert "informative joints: none. The other 14" in claim(facts, "synthetic.stop").sentence


@pytest.mark.parametrize(
    ("few", "said"),
    [(0.62, "6 of them are the fewest with a mean (62.0 %) within 2 points of it."),
     (0.50, "12 of them are the fewest")],
)  # fmt: skip
def test_the_signing_hand_is_judged_by_its_own_21_joints(few, said):
    facts = paper_facts.results()
    one_row(facts["ablation"]["accuracy"], method="signing-hand", k=6)["mean"] = few
    one_row(facts["ablation"]["accuracy"], method="signing-hand", k=12)["mean"] = 0.63
    assert said in claim(facts, "signing-hand").sentence


def test_joints_serve_another_encoder_only_if_they_do_better_than_random_ones():
    facts = paper_facts.results()
    assert "have higher accuracy" in claim(facts, "encoders.graph").sentence
    said = claim(facts, "encoders.recurrent").sentence
    assert "have no higher accuracy than" in said and "54.0 % against 55.0 %" in said


@pytest.mark.parametrize(
    ("ratio", "said"), [(0.95, "do not make"), (0.85, "make"), (1.2, "do not make")]
)
def test_fewer_joints_are_faster_only_from_a_tenth_of_the_time_on(ratio, said):
    facts = paper_facts.results()
    rows = facts["cost"]["rows"]
    few, full = (one_row(rows, encoder="transformer", k=k) for k in (2, 42))
    few["latency_ms"] = ratio * full["latency_ms"]
    sentence = claim(facts, "cost.transformer").sentence
    assert sentence.startswith(f"Fewer joints {said} the flattening transformer faster: with 2 of")
    assert "1.2 % of the operations" in sentence


def test_every_claim_is_a_whole_record_of_its_own_key():
    found = all_claims(paper_facts.results())
    assert len({claim.key for claim in found}) == len(found)
    for record in found:
        told = dataclasses.asdict(record)
        told.pop("numbers")
        assert all(told.values()), record.key
    assert {claim.dataset.split(" ")[0] for claim in found} == {"16", "synthetic", "one"}
    # A claim is tested or described, never both.
    assert all((claim.test == "none") == (claim.verdict == "described") for claim in found)


def imported(**dataset):
    """The same results as if of recordings that somebody imported."""
    facts = paper_facts.results()
    facts["dataset"] |= {"dataset": "mine", "description": "mine (26 signs, imported)",
                         "group_word": "signer", "left_out": 3, "leaks": 0, "by_palm": 0,
                         "unseen": 0} | dataset  # fmt: skip
    return facts


def every_sentence(facts):
    return "\n".join([*(found.sentence for found in all_claims(facts)), *limits(facts)])


def test_classes_of_the_lexicon_are_letters_and_those_of_others_signs():
    lexicon, mine = paper_facts.results(), imported()
    assert [class_word(facts["dataset"]) for facts in (lexicon, mine)] == ["letter", "sign"]
    assert "Turkish" not in every_sentence(lexicon)
    said = every_sentence(mine)
    assert "held-out signers" in said and "3 were left out at import" in said
    assert not any(word in said.lower() for word in ("language", "alphabet", "letter"))
    assert "signer-independent" not in said and "published" not in said


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        ({"group_word": "part"}, "no accuracy here is signer-independent"),
        ({"official_split": True, "folds": [["6", "14"]]}, "one fold: 16 signers in all, 2 tested"),
        ({"leaks": 2}, "2 recordings occur in several signers"),
        ({"by_palm": 5}, "5 clips lack shoulders"),
        ({"unseen": 1}, "1 signs are tested in a fold that never trains them"),
    ],
)
def test_what_an_import_found_is_a_limit(dataset, said):
    assert said in "\n".join(limits(imported(**dataset)))
    assert said not in "\n".join(limits(imported()))


def test_limits_state_their_numbers():
    facts = paper_facts.results()
    facts["ablation"]["power"] |= {"loss": 0.0314, "seeds": 7}
    said = limits(facts)
    assert "13 of 16 alphabets are one-handed, and in 10 alphabets" in said[2]
    assert "x 7 seeds in 16 languages" in said[3] and "loss of 3.1 points with 80.0 %" in said[3]
    assert (
        "Confidence intervals may be too narrow: languages in a fold share trained models, and all "
        "folds share seeds and hyperparameters."
    ) in said


@pytest.mark.parametrize(("groups", "said"), [(6, "means nothing here"), (16, "detects a true")])
def test_few_groups_can_show_nothing_and_the_limits_say_so(groups, said):
    """Eight comparisons need one p below 0.05 / 8: 2^-6 is above it, 2^-16 below."""
    facts = imported()
    facts["ablation"]["power"]["groups"] = groups
    assert said in "\n".join(limits(facts))


def test_a_missing_result_names_the_notebooks_to_run():
    with pytest.raises(ValueError, match=r"expected one row with .'k': 3. in the results, got 0"):
        one_row([{"k": 2}], k=3)


def test_percent_and_points_have_one_digit_and_zero_no_sign():
    assert [points(x) for x in (-0.0004, 0.0, 0.0123, -0.02)] == ["0.0", "0.0", "+1.2", "-2.0"]
    assert percent(0.6224) == "62.2"

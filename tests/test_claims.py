"""A sentence says what its test allows."""

import re

import paper_facts
import pytest

from jointprune.paper.claims import (
    all_claims,
    claims_tex,
    claims_text,
    latex,
    macro_prefix,
    method_words,
    points,
)
from jointprune.paper.claims.encoders import cost_claims, encoder_claims
from jointprune.paper.claims.measured import (
    calibration_claim,
    promise_claim,
    signing_hand_claim,
    synthetic_claims,
)
from jointprune.paper.claims.tested import (
    baseline_claim,
    changes_claim,
    comparison_claim,
    k_star_claim,
    paper_claim,
    stability_claim,
)
from jointprune.paper.claims.words import listed, method_name, one_row
from jointprune.paper.comparisons import COMPARISONS, compare, k_star

DATASET = "16 manual alphabets (fingerspelling lexicon)"
TERMS = {comparison.name: comparison for comparison in COMPARISONS}


def record(name, a, b, **changed):
    """One declared comparison on made-up predictions with these accuracies."""
    terms = TERMS[name]
    table = paper_facts.predictions({terms.a: a, terms.b: b}, seeds=3)
    return {**compare(table, (terms,))[0], **changed}


def test_a_failed_noninferiority_reads_as_a_negative_sentence():
    claim = comparison_claim(record("learned-12 vs full", a=0.50, b=0.65), DATASET, "language")
    assert claim.sentence.startswith("Keeping 12 learned joints costs more than 2 points")
    assert claim.verdict == "opposite shown"


def test_an_undecided_noninferiority_is_not_shown():
    claim = comparison_claim(record("learned-12 vs full", a=0.635, b=0.65), DATASET, "language")
    assert claim.sentence.startswith("It is not shown that keeping 12 learned joints costs at most")
    assert claim.verdict == "not shown"


@pytest.mark.parametrize(
    ("name", "words"),
    [("learned-21 vs full", "at most 2 points "),
     ("learned-21 vs full at 1 point", "at most 1 point ")],
)  # fmt: skip
def test_a_shown_noninferiority_says_at_most(name, words):
    claim = comparison_claim(record(name, a=0.70, b=0.65), DATASET, "language")
    assert claim.sentence.startswith(f"Keeping 21 learned joints costs {words}")
    assert claim.verdict == "shown"


def test_a_bound_that_holm_does_not_bear_out_claims_nothing():
    claim = comparison_claim(
        record("learned-21 vs full", a=0.70, b=0.65, p_holm=0.2), DATASET, "language"
    )
    assert claim.verdict == "not shown"
    assert claim.sentence.endswith(
        "corrected for every declared comparison; alone this test passes."
    )
    undecided = comparison_claim(record("learned-12 vs full", a=0.635, b=0.65), DATASET, "language")
    assert "alone" not in undecided.sentence


@pytest.mark.parametrize(
    ("a", "p_worse_holm", "words", "verdict"),
    [(0.40, 0.01, "costs more than 2 points", "opposite shown"),
     (0.40, 0.20, "It is not shown that", "not shown")],
)  # fmt: skip
def test_a_loss_is_shown_by_its_own_test_alone(a, p_worse_holm, words, verdict):
    """An interval below the margin is not enough; that it excludes 0 is said all the same."""
    found = record("learned-12 vs full", a=a, b=0.65, p_worse_holm=p_worse_holm)
    assert found["high"] < -0.02
    claim = comparison_claim(found, DATASET, "language")
    assert (words in claim.sentence, claim.verdict) == (True, verdict)
    excludes = "that nothing is lost lies outside its interval" in claim.sentence
    assert excludes == (verdict == "not shown")
    assert f"Holm {p_worse_holm:.4f})" in claim.test


@pytest.mark.parametrize(
    ("name", "a", "words", "verdict"),
    [
        ("learned-12 vs stratified-random-12", 0.70, "is more accurate than", "shown"),
        ("learned-12 vs stratified-random-12", 0.55, "No difference is shown", "not shown"),
        ("learned-12 vs stratified-random-12", 0.40, "is less accurate than", "opposite shown"),
        ("learned-12 vs greedy-12", 0.40, "is less accurate than", "shown"),
    ],
)
def test_superiority_and_difference_read_as_measured(name, a, words, verdict):
    claim = comparison_claim(record(name, a=a, b=0.55), DATASET, "language")
    assert words in claim.sentence
    assert claim.verdict == verdict


@pytest.mark.parametrize(
    ("accuracy", "joints", "sentence", "verdict"),
    [
        (0.66, 42, "6 of 42 joints suffice at a 2-point margin, so that 85.7 % can be", "shown"),
        (0.50, 42, "No set smaller than all 42 joints is shown to suffice at a 2-p", "not shown"),
        (
            0.66,
            21,
            "6 of 21 joints of the signing hand suffice at a 2-point margin against all 21 of",
            "shown",
        ),
        (0.50, 21, "No set smaller than all 21 joints of the signing hand is shown", "not shown"),
    ],
)
def test_x_of_42_is_claimed_only_where_the_sequence_of_tests_gets_there(
    accuracy, joints, sentence, verdict
):
    method, full = ("learned", ("full", 42)) if joints == 42 else ("hand", ("right hand", 21))
    rates = {full: 0.60, (method, 12): accuracy, (method, 6): accuracy}
    found = k_star(paper_facts.predictions(rates, seeds=2), (6, 12), 0.02, method, full)
    claim = k_star_claim(found, DATASET, "language")
    assert claim.sentence.startswith(sentence)
    assert claim.verdict == verdict
    assert claim.numbers.count(" passes (") == (2 if verdict == "shown" else 0)
    assert ("K = 6 not reached" in claim.numbers) == (verdict == "not shown")
    spread = found["bootstrap"]
    assert f"put it between {spread['low']} and {spread['high']}" in claim.sentence


def test_accuracy_at_chance_is_not_above_it():
    accuracy = {"mean": 0.05, "low": 0.03, "high": 0.07}
    facts = {"accuracy": accuracy, "chance": 1 / 26, "folds": 4, "seeds": 5}
    claim = baseline_claim(facts, DATASET, "language")
    assert "is not shown to be above chance" in claim.sentence
    assert claim.verdict == "not shown"


@pytest.mark.parametrize(
    ("low", "high", "words", "verdict"),
    [
        (0.02, 0.10, "more than by chance", "shown"),
        (-0.02, 0.10, "are not shown to agree", "not shown"),
        (-0.09, -0.01, "less than by chance", "opposite shown"),
    ],
)
def test_selections_agree_only_if_their_interval_lies_above_chance(low, high, words, verdict):
    row = {"method": "learned", "k": 12, "index": (low + high) / 2, "low": low, "high": high,
           "selections": 20, "floor": 0.1, "apart": 0.08}  # fmt: skip
    drawn = row | {"method": "hand-matched-random", "index": 0.25}
    claim = stability_claim([row, drawn], DATASET)
    assert words in claim.sentence and "0.08 where runs share neither seed" in claim.sentence
    assert claim.numbers.endswith("as many joints a hand 0.250")
    assert claim.verdict == verdict


def test_one_seed_alone_has_no_floor_to_tell():
    row = {"method": "learned", "k": 12, "index": 0.5, "low": 0.4, "high": 0.6,
           "selections": 4, "floor": None, "apart": None}  # fmt: skip
    assert stability_claim([row], DATASET).numbers.endswith("4 selections")


def change(name, difference, p_holm):
    return {"name": name, "difference": difference, "low": difference - 0.02,
            "high": difference + 0.02, "p": p_holm, "p_holm": p_holm}  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "words", "verdict"),
    [
        ([("A", 0.3, 0.01), ("B", -0.3, 0.2)], "the sign A is better recognised", "shown"),
        ([("A", 0.3, 0.01), ("B", -0.3, 0.01), ("C", -0.2, 0.04)],
         "the sign A is better and the signs B and C are worse recognised", "shown"),
        ([("A", 0.3, 0.06), ("B", -0.01, 0.01)], "No sign is shown to be recognised", "not shown"),
    ],
)  # fmt: skip
def test_winners_and_losers_are_named_only_where_their_test_bears_it(rows, words, verdict):
    claim = changes_claim([change(*row) for row in rows], "sign", DATASET)
    assert words in claim.sentence
    assert claim.verdict == verdict


def test_gates_that_close_nothing_do_not_follow_the_promise():
    still = {"accuracy": {"mean": 0.6}, "pruning_ratio": dict.fromkeys(
        ("start", "quarter", "half", "end"), 0.0)}  # fmt: skip
    assert "do not follow" in promise_claim(still, "a fixed penalty", DATASET).sentence


@pytest.mark.parametrize(("recall", "verb"), [(0.95, "find"), (0.94, "do not find")])
def test_gates_find_the_synthetic_joints_only_from_the_declared_share_on(recall, verb):
    facts = paper_facts.synthetic()
    facts["recovery"][0]["recall"] = recall
    found, stop = synthetic_claims(facts)
    assert found.sentence.startswith(
        f"Learned gates {verb} the {facts['k']} of 42 synthetic joints"
    )
    assert "gates at a fixed price (8.3) stops at them" in stop.sentence
    assert "synthetic recordings" in found.dataset
    one_set = next(r for r in facts["recovery"] if r["method"] == "hard-concrete-typical")
    assert "The most typical selection of 5 trainings finds them" in found.sentence
    one_set["precision"] = 0.94
    found = synthetic_claims(facts)[0].sentence
    assert "The most typical selection of 5 trainings does not find them: precision 0.94" in found
    # Of the others; neither the gates themselves nor their votes are counted among them.
    assert "Of the 11 other methods greedy elimination, any-subset network and gates at" in found


def test_methods_that_all_have_to_be_told_stop_nowhere():
    facts = paper_facts.synthetic()
    facts["recovery"] = [{**row, "stop_k": None} for row in facts["recovery"]]
    assert "no method stops at them" in synthetic_claims(facts)[1].sentence


def test_calibration_is_told_without_a_direction():
    """No test stands behind which of the two is larger."""
    rows = [{"method": "full", "k": 42, "ece": 0.05}, {"method": "learned", "k": 12, "ece": 0.08}]
    said = calibration_claim(rows, DATASET).sentence
    assert "is 5.0 % with all 42 joints and 8.0 % with 12" in said


@pytest.mark.parametrize(
    ("few", "words"),
    [(0.62, "8 of its 21 joints (62.0 %) are the fewest within 2 points"),
     (0.55, "no smaller set of its joints that was tried is within 2 points")],
)  # fmt: skip
def test_the_signing_hand_alone_is_judged_by_its_own_21(few, words):
    ends = {"low": 0.5, "high": 0.7, "runs": 8}
    rows = [{"method": "right hand", "k": 21, "mean": 0.63, **ends},
            {"method": "learned, signing hand", "k": 8, "mean": few, **ends}]  # fmt: skip
    claim = signing_hand_claim(rows, DATASET)
    assert words in claim.sentence
    assert claim.verdict == "described"


def test_joints_carry_over_only_where_they_do_better_than_random_ones():
    graph, recurrent = encoder_claims(paper_facts.encoders(), DATASET)
    assert "carry over to the joint-graph encoder: 60.0 % against 52.0 %" in graph.sentence
    assert "do not carry over to the recurrent encoder: 54.0 % against 55.0 %" in recurrent.sentence


@pytest.mark.parametrize(
    ("ratio", "words"), [(0.95, "do not make"), (0.85, "make"), (1.2, "do not make")]
)
def test_fewer_joints_are_called_faster_only_by_a_tenth_of_the_time(ratio, words):
    facts = paper_facts.cost()
    facts["rows"][0]["latency_ms"] = ratio * facts["rows"][4]["latency_ms"]
    sentence = cost_claims(facts)[0].sentence
    assert sentence.startswith(f"Fewer joints {words} the flattening transformer faster: with 2 of")
    assert "1.2 % of the operations" in sentence


def test_every_claim_names_its_dataset_and_none_a_sign_language():
    facts = paper_facts.results()
    datasets = {claim.dataset for claim in all_claims(facts)}
    assert {text.split(" ")[0] for text in datasets} == {"16", "synthetic", "one"}
    assert "Turkish" not in claims_text(facts) + claims_tex(facts)
    assert claims_text(facts).count("- verdict: ") == len(all_claims(facts))


def test_claims_tex_holds_one_macro_of_letters_a_claim_with_braces_that_close():
    facts = paper_facts.results()
    lines = [line for line in claims_tex(facts).splitlines() if line.startswith("\\JPdefine{")]
    names = [re.match(r"\\JPdefine\{(Claim[A-Za-z]+)\}\{", line)[1] for line in lines]
    assert len(set(names)) == len(names) == len(all_claims(facts))
    for line in lines:
        body = re.sub(r"\\[{}%]", "", line)
        code = body.split("%")[0]  # an unescaped % starts the comment
        assert code.count("{") == code.count("}") and code.endswith("}")
    assert {line.rsplit("% ", 1)[1].split(";")[0] for line in lines} >= {"shown", "described"}


def test_latex_special_letters_are_escaped():
    assert latex("50 % of a_b & {c} $ # ~ ^") == (
        r"50 \% of a\_b \& \{c\} \$ \# \textasciitilde{} \textasciicircum{}"
    )
    assert latex("(-2.4 points), 10-20, hand-made, p < 0.1") == (
        r"(\ensuremath{-}2.4 points), 10-20, hand-made, p \ensuremath{<} 0.1"
    )


def test_letters_of_other_alphabets_are_accents_of_latex_or_their_code():
    assert latex("Ağaç, İyi, ılık, Čep, zażółć") == (  # noqa: RUF001
        r"A\u{g}a\c{c}, \.{I}yi, {\i}l{\i}k, \v{C}ep, za\.{z}\'{o}{\l}\'{c}"
    )
    assert latex("字 ж 👍") == r"\texttt{U+5B57} \texttt{U+0436} \texttt{U+1F44D}"
    assert latex('“quoted”, "so" — 1|2').isascii()


def test_each_dataset_has_macros_of_its_own():
    assert [macro_prefix(name) for name in ("fingerspelling", "mine", "asl-2")] == [
        "JP", "JPMine", "JPAslTwo",
    ]  # fmt: skip


@pytest.mark.parametrize("accuracy", [0.66, 0.50])
def test_the_sentence_for_a_paper_is_refused_where_its_test_fails(accuracy):
    rates = {("full", 42): 0.60, ("learned", 12): accuracy}
    found = k_star(paper_facts.predictions(rates, seeds=2), (12,), 0.02)
    claim = paper_claim(found, DATASET, "language")
    if accuracy > 0.6:
        assert claim.verdict == "shown"
        assert "only 12 of 42 hand joints suffice at a 2-point margin" in claim.sentence
        assert "71.4 % spatial reduction in 16 manual alphabets" in claim.sentence
    else:
        assert claim.verdict == "refused"
        assert claim.sentence.startswith("Refused, as no set smaller than all 42")


def test_a_refused_sentence_is_an_error_where_a_paper_uses_it():
    facts = paper_facts.results()
    lines = {True: "", False: ""}
    for shown in lines:
        facts["ablation"]["k_star"][0]["k"] = 12 if shown else 42
        lines[shown] = next(x for x in claims_tex(facts).splitlines() if "ForYourPaper" in x)
    assert lines[False].startswith(r"\JPdefine{ClaimForYourPaper}{\PackageError{jointprune}{Ref")
    assert lines[True].startswith(r"\JPdefine{ClaimForYourPaper}{We reduced data requirements")


def test_a_method_is_called_by_words():
    assert method_words("stg") == "stochastic gates (STG)"
    assert method_words("greedy, masked") == "greedy elimination, not retrained"
    assert method_name("anatomical", 12) == "12 joints picked by hand (anatomy)"
    assert method_name("greedy", 12) == "12 joints chosen by greedy elimination"
    assert [listed(list(names)) for names in ("", "A", "AB", "ABC")] == [
        "", "A", "A and B", "A, B and C",
    ]  # fmt: skip


def test_a_result_that_is_not_there_is_asked_for():
    with pytest.raises(ValueError, match=r"expected one row with .'k': 3. in the results, got 0"):
        one_row([{"k": 2}], k=3)


def test_a_rounded_nothing_has_no_sign():
    assert [points(x) for x in (-0.0004, 0.0, 0.0123, -0.02)] == ["0.0", "0.0", "+1.2", "-2.0"]


def test_the_limits_are_said_with_their_numbers():
    """Ten groups never show their left hand, as the dataset's facts say; power is computed."""
    facts = paper_facts.results()
    facts["ablation"]["power"] |= {"loss": 0.0314, "seeds": 7}
    text = claims_text(facts)
    limits = text[text.index("# Limits") :]
    assert "13 of 16 alphabets are one-handed, and in 10 of them" in limits
    assert "x 7 seeds in 16 languages" in limits and "3.1 points in 80.0 %" in limits
    assert "AUTSL" in limits


def imported_facts(**dataset):
    """The same results, as if of recordings that somebody imported."""
    facts = paper_facts.results()
    facts["dataset"] |= {"dataset": "mine", "description": "mine (26 signs, imported)",
                         "group_word": "signer", "left_out": 3, "leaks": 0, "by_palm": 0,
                         "unseen": 0} | dataset  # fmt: skip
    return facts


def test_recordings_of_signers_are_spoken_of_as_such():
    text = claims_text(imported_facts())
    assert "on signers left out of training" in text and "3 were left out at import" in text
    assert "language" not in text.lower() and "alphabet" not in text and "letter" not in text
    assert "signer-independent" not in text and "published" not in text


def test_without_signers_no_result_is_called_signer_independent():
    text = claims_text(imported_facts(group_word="part"))
    assert "no accuracy here is signer-independent" in text


def test_a_published_split_is_said_to_be_one_fold():
    facts = imported_facts(official_split=True, folds=[["6", "14"]])
    assert "one fold: 16 signers in all, tested on 2." in claims_text(facts)


def test_leaks_palms_and_signs_never_trained_are_said():
    text = claims_text(imported_facts(leaks=2, by_palm=5, unseen=1))
    assert "2 recordings occur in several signers" in text
    assert "5 clips show no shoulders" in text and "1 signs are tested" in text


@pytest.mark.parametrize(("groups", "said"), [(6, "means nothing"), (16, "finds a true one")])
def test_few_groups_can_show_nothing_and_the_limits_say_so(groups, said):
    """Eight comparisons need p under 0.05 / 8 at least once: 2^-6 is above it, 2^-16 is not."""
    facts = imported_facts()
    facts["ablation"]["power"]["groups"] = groups
    assert said in claims_text(facts)


def test_one_selection_alone_is_not_called_stable():
    row = {"method": "learned", "k": 12, "index": None, "low": None, "high": None, "floor": None}
    assert "not known of one run" in stability_claim([row], DATASET).sentence

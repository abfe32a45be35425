"""A sentence says what its test allows."""

import paper_facts
import pytest

from jointprune.claims import all_claims, claims_text, comparison_claim, points, promise_claim
from jointprune.statistics import COMPARISONS, paired_difference

DATASET = "16 manual alphabets (fingerspelling lexicon)"


def record(index, a, b, p_holm=None):
    """One declared comparison on made-up predictions with these accuracies."""
    terms = COMPARISONS[index]
    table = paper_facts.predictions({terms.a: a, terms.b: b})
    found = paired_difference(table, terms.a, terms.b, terms.margin, test=terms.test)
    return {"name": terms.name, **found, "p_holm": found["p"] if p_holm is None else p_holm}


def test_a_failed_noninferiority_reads_as_a_negative_sentence():
    claim = comparison_claim(record(0, a=0.50, b=0.65), DATASET)
    assert claim.sentence.startswith("Keeping 12 learned joints costs more than 2 points")
    assert claim.verdict == "opposite shown"


def test_an_undecided_noninferiority_is_not_shown():
    claim = comparison_claim(record(0, a=0.635, b=0.65), DATASET)
    assert claim.sentence.startswith("It is not shown that keeping 12 learned joints costs at most")
    assert claim.verdict == "not shown"


def test_a_shown_noninferiority_says_at_most():
    claim = comparison_claim(record(1, a=0.66, b=0.65), DATASET)
    assert claim.sentence.startswith("Keeping 25 learned joints costs at most 2 points")
    assert claim.verdict == "shown"


def test_a_bound_that_holm_does_not_bear_out_claims_nothing():
    claim = comparison_claim(record(1, a=0.66, b=0.65, p_holm=0.2), DATASET)
    assert claim.verdict == "not shown"


@pytest.mark.parametrize(
    ("index", "a", "words", "verdict"),
    [
        (2, 0.70, "is more accurate than", "shown"),
        (2, 0.55, "No difference is shown between", "not shown"),
        (2, 0.40, "is less accurate than", "opposite shown"),
        (4, 0.40, "is less accurate than", "shown"),
    ],
)
def test_superiority_and_difference_read_as_measured(index, a, words, verdict):
    claim = comparison_claim(record(index, a=a, b=0.55), DATASET)
    assert words in claim.sentence
    assert claim.verdict == verdict


def test_gates_that_close_nothing_do_not_follow_the_promise():
    still = {"accuracy": {"mean": 0.6}, "pruning_ratio": dict.fromkeys(
        ("start", "quarter", "half", "end"), 0.0)}  # fmt: skip
    assert "do not follow" in promise_claim(still, "a fixed penalty", DATASET).sentence


def test_every_claim_names_its_dataset_and_none_a_sign_language():
    facts = paper_facts.results()
    assert all(claim.dataset == DATASET for claim in all_claims(facts))
    assert "Turkish" not in claims_text(facts)
    assert claims_text(facts).count("- verdict: ") == len(all_claims(facts))


def test_a_rounded_nothing_has_no_sign():
    assert [points(x) for x in (-0.0004, 0.0, 0.0123, -0.02)] == ["0.0", "0.0", "+1.2", "-2.0"]

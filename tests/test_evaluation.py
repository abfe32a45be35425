"""Tables of accuracy against cases counted by hand."""

import pandas as pd
import paper_facts
import pytest

from jointprune.evaluation import COLUMNS, accuracy_table, by_class, by_group, confusion


@pytest.fixture
def table():
    """Two groups, letters A and B, one run of one method: 3 of 4 right."""
    rows = [
        ("full", 42, 0, 0, "x/A", "x", "A", "A", 0.9, 0.9),
        ("full", 42, 0, 0, "x/B", "x", "B", "B", 0.8, 0.8),
        ("full", 42, 0, 0, "y/A", "y", "A", "C", 0.1, 0.7),
        ("full", 42, 0, 0, "y/B", "y", "B", "B", 0.6, 0.6),
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def test_accuracy_is_the_share_of_right_clips(table):
    row = accuracy_table(table).iloc[0]
    assert (row["method"], row["k"], row["mean"], row["runs"]) == ("full", 42, 0.75, 1)


def test_the_interval_resamples_groups_not_clips(table):
    # Groups score 1 and 1/2; both drawn alike has chance 1/4, so the ends are the groups' own.
    row = accuracy_table(table).iloc[0]
    assert (row["low"], row["high"]) == (0.5, 1.0)


def test_runs_count_folds_times_seeds():
    assert set(accuracy_table(paper_facts.predictions())["runs"]) == {20}


def test_groups_and_classes_are_counted_apart(table):
    assert by_group(table).set_index("group")["mean"].to_dict() == {"x": 1.0, "y": 0.5}
    assert by_class(table).set_index("label")["mean"].to_dict() == {"A": 0.5, "B": 1.0}


def test_the_mean_over_balanced_groups_is_the_accuracy():
    found = paper_facts.predictions()
    mean = by_group(found).groupby(["method", "k"])["mean"].mean()
    overall = accuracy_table(found).set_index(["method", "k"])["mean"]
    pd.testing.assert_series_equal(mean.sort_index(), overall.sort_index())


def test_rows_of_a_confusion_sum_to_one_and_name_wrong_classes(table):
    shares = confusion(table)
    assert list(shares.columns) == ["A", "B", "C"]
    assert shares.loc["A"].to_dict() == {"A": 0.5, "B": 0.0, "C": 0.5}
    assert shares.sum(axis=1).eq(1).all()


def test_a_confusion_of_two_methods_is_refused(table):
    both = pd.concat([table, table.assign(method="learned", k=12)])
    with pytest.raises(ValueError, match="expected predictions of one method"):
        confusion(both)


def test_a_lacking_column_is_named(table):
    with pytest.raises(ValueError, match=r"without \['seed'\]"):
        accuracy_table(table.drop(columns="seed"))


def test_repeated_rows_are_refused(table):
    with pytest.raises(ValueError, match="clip='x/A'"):
        by_group(pd.concat([table, table.iloc[:1]]))

"""American signs by committer: committers are kept apart, and the table is what was measured."""

import committers
import numpy as np


def test_each_side_is_trained_on_once_and_tested_on_once():
    groups = np.array([committers.SECOND[0], "2d40b8b725", committers.SECOND[4], "a1f6b291a9"])
    (train, test), back = committers.folds_of(groups)
    assert train.tolist() == [0, 2] and test.tolist() == [1, 3]
    assert [side.tolist() for side in back] == [[1, 3], [0, 2]]


def test_the_table_has_a_row_for_each_method_and_a_column_for_each_k():
    rows = [{"method": "full", "k": 42, "mean": 0.962, "low": 0.921, "high": 0.987},
            {"method": "learned", "k": 6, "mean": 0.928, "low": 0.868, "high": 0.966}]  # fmt: skip
    table = committers.in_words(rows).splitlines()
    head, _, full, learned, *empty = [[c.strip() for c in t.split("|")[1:-1]] for t in table]
    assert head == ["joints", "42", "6"]
    assert full == ["all joints", "96.2 [92.1, 98.7]", ""]
    assert learned == ["learned gates", "", "92.8 [86.8, 96.6]"]
    assert [row[1:] for row in empty] == [["", ""]] * 2

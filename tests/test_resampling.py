"""Draws of clusters: what every draw keeps, and the same draws in blocks."""

from itertools import product

import numpy as np
import pytest

from jointprune import resampling
from jointprune.resampling import cluster_draws, in_blocks, sign_patterns


def test_draws_keep_the_number_of_clusters_and_signs_are_fair():
    drawn, signs = cluster_draws(16, 2000, 0), sign_patterns(16, 2000, 0)
    assert np.all(drawn.sum(axis=1) == 16)
    assert drawn.mean(axis=0) == pytest.approx(np.ones(16), abs=0.1)
    assert set(np.unique(signs)) == {-1.0, 1.0}
    assert signs.mean(axis=0) == pytest.approx(np.zeros(16), abs=0.1)


def test_signs_of_few_clusters_are_all_patterns_once():
    signs = sign_patterns(3)
    expected = set(product((-1.0, 1.0), repeat=3))
    assert len(signs) == 8 and set(map(tuple, signs)) == expected
    assert [len(sign_patterns(count)) for count in (16, 17)] == [2**16, 2**16]
    assert (
        len(np.unique(sign_patterns(16), axis=0))
        == 2**16
        > len(np.unique(sign_patterns(17), axis=0))
    )


def test_draws_that_are_shared_cannot_be_changed():
    for shared_array in (cluster_draws(4, 10, 0), sign_patterns(4, 10, 0)):
        with pytest.raises(ValueError, match="read-only"):
            shared_array[0] = 0


@pytest.mark.parametrize("draw", [cluster_draws, sign_patterns])
def test_a_draw_in_blocks_is_the_draw_made_at_once(draw, monkeypatch):
    monkeypatch.setattr(resampling, "CELLS", 900)  # 100 rows of 9, and 50 in the last block
    blocks = list(in_blocks(draw, 9, 250, 3))
    assert [len(block) for block in blocks] == [100, 100, 50]
    np.testing.assert_array_equal(np.concatenate(blocks), draw(9, 250, 3))


def test_a_draw_of_few_clusters_is_made_once():
    (first,), (again,) = (list(in_blocks(cluster_draws, 16, 50, 9)) for _ in range(2))
    assert first is again


def test_no_block_of_all_of_autsls_test_clips_is_large():
    block = next(in_blocks(cluster_draws, 3742, 10_000, 0))
    assert block.size <= resampling.CELLS and np.all(block.sum(axis=1) == 3742)

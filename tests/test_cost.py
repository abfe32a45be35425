"""The cost sheet against operations that were counted independently."""

import pytest
import torch

from jointprune.config import TrainingConfig
from jointprune.paper.cost import clip_flops, sheet, sheet_once, sliced

T, H, C = 8, 16, 4
SMALL = {"frames": T, "hidden": H, "num_classes": C}
CONFIGS = [TrainingConfig(encoder=name, **SMALL) for name in ("transformer", "recurrent", "graph")]
TRANSFORMER, RECURRENT, GRAPH = CONFIGS


def centring(k: int) -> int:
    """Weights of both hands, then 4 sums over 2 k coordinates (half of them times 0), and back."""
    return 2 * T * k * 2 + 2 * (2 * T * 2 * k * 4)


def head(width: int) -> int:
    """Frames pooled, then compared with signs' vectors and exemplars."""
    return 2 * T * width + 2 * width * C * (1 + TRANSFORMER.exemplars)


@pytest.mark.parametrize("k", [2, 42])
def test_operations_of_each_encoder_are_those_of_its_matrix_products(k):
    reading = centring(k) + 2 * T * (2 * k + 6) * H  # centre k joints and project frames
    wide = TRANSFORMER.feed_forward * H
    layer = 2 * T * H * (3 * H + H + wide + wide) + 2 * 2 * T * T * H
    work = reading + TRANSFORMER.layers * layer + head(H)
    assert clip_flops(sliced(TRANSFORMER, k)) == work

    gru = 2 * 2 * T * 3 * (H // 2) * (H + H // 2)  # both directions, three gates
    assert clip_flops(sliced(RECURRENT, k)) == reading + RECURRENT.layers * gru + head(H)

    neighbours = 2 * T * k * k * (H + 1)
    block = neighbours + 2 * T * k * H * H + 2 * T * k * H * 3 * H
    pooled = 2 * T * 2 * k * H + 2 * T * (2 * H + 6) * 2 * H
    work = centring(k) + 2 * T * k * 4 * H + GRAPH.layers * block + pooled + head(2 * H)
    assert clip_flops(sliced(GRAPH, k)) == work


@pytest.mark.filterwarnings("error")
def test_the_sheet_has_a_row_for_each_encoder_and_budget():
    threads = torch.get_num_threads()
    facts = sheet(CONFIGS, (2, 42), rounds=3)
    assert torch.get_num_threads() == threads
    assert (facts["frames"], facts["threads"]) == (T, 1)
    whole = clip_flops(sliced(TRANSFORMER, 42))
    assert facts["projection_share"] == round(2 * T * 90 * H / whole, 4)
    rows = {(row["encoder"], row["k"]): row for row in facts["rows"]}
    assert set(rows) == {(c.encoder, k) for c in CONFIGS for k in (2, 42)}
    for (encoder, k), row in rows.items():
        assert row["input_bytes"] == k * 2 * 4
        assert 0 < row["latency_low"] <= row["latency_ms"] <= row["latency_high"]
        config = next(c for c in CONFIGS if c.encoder == encoder)
        encoded = sliced(config, k).encoder.parameters()
        assert row["parameters"] == sum(p.numel() for p in encoded)


def test_a_sheet_is_measured_once_for_the_same_settings(workspace):
    first = sheet_once([TRANSFORMER], (2, 42), workspace)
    assert sheet_once([TRANSFORMER], (2, 42), workspace) == first  # times are never twice the same
    other = sheet_once([TRANSFORMER], (2, 12), workspace)
    assert [row["k"] for row in other["rows"]] == [2, 12]

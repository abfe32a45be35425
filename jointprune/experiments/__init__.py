"""Training runs: named by their content, kept once trained, resumed after any interruption.

A run folder holds `run.json` (what it is, and the checksums of the others), `model.ckpt`,
`probabilities.npy` (test clips, classes) and `gates.csv` (keep probability of each joint after
each epoch). It appears under its final name only when whole: an interrupted run is simply trained
again, or goes on from what was kept of it if it is a long one (`unfinished`).
"""

from jointprune.experiments.answers import (
    evaluation_batches,
    gate_path,
    masked_predictions,
    predict,
    prediction_rows,
    predictions,
    trained_model,
)
from jointprune.experiments.processes import share_of
from jointprune.experiments.run import (
    CONTRACT,
    EXPERIMENTS,
    Run,
    Trial,
    content_name,
    make_run,
    run_of,
    trials_of,
)
from jointprune.experiments.training import (
    batches_of,
    check_strategy,
    fit,
    precision_for,
    run_many,
    settle,
    train,
    without_noise,
)

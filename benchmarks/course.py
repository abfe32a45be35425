"""Joint pruning in other people's classifiers: `make course`.

The classifiers of `examples/` (HuggingFace BERT in Lightning with `PruneJoints`, a GRU in a plain
loop with `JointBudget`) are trained for 20 epochs with and without a pruning layer, at several
learning rates and batch sizes. `data/results/course.json` holds, for each data set that is there,
the share of joints closed after 1, 5, 10 and 20 epochs, and the accuracy on the second test fold:
the constants of `JointBudget` and the examples' input were chosen on the first. The stand-in of
AUTSL's size has a published split and so one fold, of which two settings took part in that choice.
About 70 minutes on two cores; finished trainings are kept in `build/course`.
"""

import argparse
import json
import logging
import sys
from functools import partial
from itertools import product

import lightning
import numpy as np
import torch
from torch.nn import functional

from jointprune.budget import PruneJoints, number_to_keep
from jointprune.data import load_dataset
from jointprune.paper.claims import points
from jointprune.paper.report import markdown_table, write_block
from jointprune.paper.results import write_facts
from jointprune.paper.synthetic import autsl_like
from jointprune.parallel import on_every_core
from jointprune.preprocessing import FREE_SHIFT, Augmentation, ClipBatches
from jointprune.runs import content_name
from jointprune.training import QUIET, without_noise
from jointprune.workspace import ROOT, Workspace, atomic_path, file_sha256

sys.path.insert(0, str(ROOT / "examples"))

EPOCHS, REPORTED = 20, (1, 5, 10, 20)
FOLD = 1  # not the one that decided the budget's constants
CLASSIFIERS = ("BERT 128", "BERT 256", "GRU")
RATES, BATCHES = (1e-4, 3e-4, 1e-3), (32, 64)
AUTSL_SHARE = 1 / 16
AUTSL = f"synthetic-autsl-{AUTSL_SHARE:g}"
# What to keep. Eight joints carry the synthetic signs: six cannot keep the accuracy.
KEEP = {"fingerspelling": (0.55,), "ksl13": (0.55,), "synthetic": (0.55, 6), AUTSL: (0.55,)}
# Six seeds where three leave a standard error of 2.5 points in a setting.
SEEDS = {name: range(6 if name == AUTSL else 3) for name in KEEP}
NAMES = {
    "fingerspelling": "letters",
    "ksl13": "13 Korean signs",
    "synthetic": "synthetic signs",
    AUTSL: "synthetic signs, 1/16 of AUTSL's size",
}
CODE = ("examples/bert_classifier.py", "examples/plain_pytorch.py")
GATES = ("jointprune/budget.py", "jointprune/gates.py")


class Closed(lightning.Callback):
    """The share of closed joints after each epoch."""

    def __init__(self):
        self.shares = []

    def on_train_epoch_end(self, trainer, module):
        self.shares.append(module.joint_pruning.get_summary()["pruning_ratio"])


def train(name, classifier, rate, batch, seed, keep, inputs) -> tuple[list[float], float]:
    """Share of joints closed after each epoch, and accuracy; without a layer if `keep` is None.

    `inputs`, checksums of the code and of the data, only tell kept trainings apart.
    """
    import plain_pytorch
    from bert_classifier import FRAMES, SignBert

    data = load_dataset(name)
    fit, test = data.folds(4, seed=0)[: FOLD + 1][-1]  # a published split is the only fold
    changes = Augmentation(shift=FREE_SHIFT if data.translation_invariant else 0.0)
    loader = ClipBatches(data, fit, FRAMES, batch, augmentation=changes, seed=seed)
    sizes, prune = (len(data.joints), data.poses.shape[-1], len(data.classes)), keep is not None
    torch.manual_seed(seed)
    if classifier == "GRU":
        model = plain_pytorch.SignGRU(*sizes, prune=prune)
        learn = partial(plain_pytorch.train, keep=keep) if prune else without_layer
        closed = learn(model, loader, EPOCHS, rate)
    else:
        model = SignBert(*sizes, int(classifier.split()[1]), rate, prune)
        course = Closed()
        callbacks = [PruneJoints(keep), course] if prune else []
        with_lightning(model, loader, callbacks)
        closed = course.shares
    return closed, plain_pytorch.accuracy(model, ClipBatches(data, test, FRAMES, batch))


def trained(*job) -> tuple[list[float], float]:
    """The result of `train`, kept in a file so that an interrupted command resumes."""
    file = ROOT / "build" / "course" / f"{content_name(job)}.json"
    if not file.is_file():
        with atomic_path(file) as temporary:
            temporary.write_text(json.dumps(train(*job)))
    return json.loads(file.read_text())


def without_layer(model: torch.nn.Module, loader, epochs: int, rate: float) -> list[float]:
    """The loop of `examples/plain_pytorch.py` without a budget."""
    optimizer = torch.optim.AdamW(model.parameters(), rate)
    for _ in range(epochs):
        for poses, _, labels in loader:
            loss = functional.cross_entropy(model(poses), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return []


def with_lightning(model, loader, callbacks: list[lightning.Callback]) -> None:
    """Train a Lightning module on the CPU, without files and messages."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    trainer = lightning.Trainer(max_epochs=EPOCHS, callbacks=callbacks, **QUIET)
    with without_noise():
        trainer.fit(model, loader)


def measure(names: list[str]) -> list[dict]:
    """A row for each data set, K, classifier, learning rate and batch size."""
    code, gates = ([file_sha256(ROOT / file) for file in files] for files in (CODE, GATES))

    def inputs(name: str, keep: float | None) -> tuple[str, ...]:
        return *code, *(gates if keep else ()), load_dataset(name).sha256

    grid = [*product(names, CLASSIFIERS, RATES, BATCHES)]
    jobs = [
        (*cell, seed, keep, inputs(cell[0], keep))
        for cell in grid for seed in SEEDS[cell[0]] for keep in (None, *KEEP[cell[0]])
    ]  # fmt: skip
    found = dict(zip(jobs, on_every_core(trained, jobs, "course"), strict=True))
    rows = []
    for cell in grid:
        seeds = SEEDS[cell[0]]
        plain = [found[*cell, seed, None, inputs(cell[0], None)][1] for seed in seeds]
        for keep in KEEP[cell[0]]:
            pruned = [found[*cell, seed, keep, inputs(cell[0], keep)] for seed in seeds]
            closed = np.array([shares for shares, _ in pruned])[:, np.array(REPORTED) - 1]
            rows.append({
                **dict(zip(("dataset", "classifier", "learning_rate", "batch"), cell, strict=True)),
                "keep": number_to_keep(keep, len(load_dataset(cell[0]).joints)),
                "closed": {"low": closed.min(0).tolist(), "high": closed.max(0).tolist()},
                "accuracy_without": plain,
                "accuracy_with": [accuracy for _, accuracy in pruned],
            })  # fmt: skip
    return rows


def summary(rows: list[dict]) -> list[dict]:
    """A row for each data set and K: shares closed, accuracy, and its change in points."""
    table = []
    for name, keep in dict.fromkeys((row["dataset"], row["keep"]) for row in rows):
        cells = [row for row in rows if (row["dataset"], row["keep"]) == (name, keep)]
        without, pruned = (
            np.array([cell[key] for cell in cells]) for key in ("accuracy_without", "accuracy_with")
        )
        change = 100 * (pruned - without)  # (cells, seeds)
        table.append({
            "dataset": name,
            "keep": keep,
            "closed_low": np.min([cell["closed"]["low"] for cell in cells], 0).tolist(),
            "closed_high": np.max([cell["closed"]["high"] for cell in cells], 0).tolist(),
            "accuracy_without": without.mean(),
            "settings_without": [without.mean(1).min(), without.mean(1).max()],
            "accuracy_with": pruned.mean(),
            "change": change.mean(),
            "worst_setting": change.mean(1).min(),
            "settings_within_2_points": int((change.mean(1) >= -2).sum()),
            "settings": len(cells),
        })  # fmt: skip
    return table


def in_words(table: list[dict]) -> str:
    """The README's block: a table in Markdown, a row for each data set and K."""
    epochs = ", ".join(map(str, REPORTED))
    rows = [("data set", "joints kept", f"% closed after {epochs} epochs",
             "accuracy without layer (range)", "change, points", "worst setting",
             "within 2 points")]  # fmt: skip
    for row in table:
        closed = ", ".join(
            " to ".join(dict.fromkeys((f"{100 * low:.0f}", f"{100 * high:.0f}")))
            for low, high in zip(row["closed_low"], row["closed_high"], strict=True)
        )
        rows.append((
            NAMES[row["dataset"]], f"{row['keep']} of 42", closed,
            "{:.1f} % ({:.0f} to {:.0f})".format(
                *(100 * np.array([row["accuracy_without"], *row["settings_without"]]))),
            points(row["change"] / 100),
            points(row["worst_setting"] / 100),
            f"{row['settings_within_2_points']} of {row['settings']} settings",
        ))  # fmt: skip
    seeds = [*map(len, SEEDS.values())]
    return (
        f"Joints closed in {EPOCHS} epochs, and what that cost (`make course`): means of "
        f"{len(CLASSIFIERS) * len(RATES) * len(BATCHES)} settings (two HuggingFace BERTs and a "
        f"GRU; learning rates {RATES[0]:g} to {RATES[-1]:g}; batches of {BATCHES[0]} and "
        f"{BATCHES[-1]}) and {min(seeds)} seeds ({max(seeds)} for 1/16 of AUTSL's size), "
        "tested on one fold of held-out groups:\n\n" + markdown_table(rows)
    )


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    workspace = Workspace()
    autsl_like(workspace, AUTSL_SHARE)
    names = []
    for name in KEEP:
        try:
            load_dataset(name)
            names.append(name)
        except FileNotFoundError:
            print(f"{name} is left out: it is not in {workspace.processed}")
    rows = measure(names)
    facts = {"rows": rows, "table": summary(rows), "epochs": REPORTED}
    seeds = {name: len(some) for name, some in SEEDS.items()}
    config = {"epochs": EPOCHS, "rates": RATES, "batches": BATCHES, "seeds": seeds, "keep": KEEP}
    sha256 = load_dataset("fingerspelling").sha256
    write_block(ROOT / "README.md", "course", in_words(facts["table"]))
    write_facts(workspace, "course.json", facts, data_sha256=sha256, config=config, smoke=False)


if __name__ == "__main__":
    import course  # so that workers find the functions by their module's name

    course.main()

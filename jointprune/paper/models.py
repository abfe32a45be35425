"""Trained models in `data/models`: `make models` trains, tests, exports and describes them.

A model is trained on all groups, on the joints that `figures/joints.json` publishes, and holds no
training clip (`exemplars` 0). Its accuracy is that of the same training by folds, each on the most
typical selection of its own training clips. `models.json` holds the facts, from which the table
of the model card, `data/models/README.md`, is written.
"""

import argparse
import subprocess
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

import pandas as pd

from jointprune.dataset import SignDataset
from jointprune.paper.claims import VERDICTS, all_claims, interval, one_row, percent
from jointprune.paper.report import load_results, markdown_table, write_block
from jointprune.paper.results import read_facts, write_facts
from jointprune.paper.tables import accuracy_table, strata_table
from jointprune.paper.transfer import as_trained
from jointprune.paper.vocabularies import most_typical, with_results
from jointprune.prediction import predictions
from jointprune.runs import CONTRACT, make_run
from jointprune.selection import retraining_trials, typical
from jointprune.skeleton import JOINT_NAMES
from jointprune.store import open_dataset
from jointprune.training import run_many
from jointprune.workspace import DEFAULT_DATASET, Workspace, file_sha256, scratch_folder, told

FOLDER = Path("data/models")
NO_TERMS = "none stated"
OF_LETTERS = (12, 21, len(JOINT_NAMES))  # joints of the models of the default data set


def joints_to_publish(results: dict[str, dict]) -> dict[int, list[str]]:
    """Joints by K: OF_LETTERS of the default data set, of others K*, if it is established."""
    star, ks = results["ablation"]["k_star"][0], ()
    if results["dataset"]["dataset"] == DEFAULT_DATASET:
        ks = OF_LETTERS
    elif all_claims(results)[0].verdict == VERDICTS[True]:  # the first claim is about K*
        ks = (star["k"],)
    return {k: list(JOINT_NAMES) if k == len(JOINT_NAMES) else most_typical(results, k)
            for k in ks}  # fmt: skip


def tested(
    results: dict, data: SignDataset, workspace: Workspace, ks, folds, config
) -> pd.DataFrame:
    """Predictions by folds and seeds: "full" with all joints, else "typical" of each fold."""
    ablation = results["ablation"]
    learned = [row for row in ablation["selections"] if row["method"] == "learned"]

    def kept(k: int, fold: int) -> tuple[int, ...]:
        if k == len(JOINT_NAMES):
            return tuple(range(k))
        sets = (row["joints"] for row in learned if (row["k"], row["fold"]) == (k, fold))
        return typical(map(data.joints.index, joints) for joints in sets)

    cells = list(product(range(len(folds)), range(ablation["config"]["seeds"])))
    chosen = {
        ("full" if k == len(JOINT_NAMES) else "typical", k): {
            (fold, seed): kept(k, fold) for fold, seed in cells
        }
        for k in ks
    }
    trials = retraining_trials(chosen, data, folds, config)
    run_many([trial.run for trial in trials], data, workspace, "models, by folds")
    return predictions(trials, data, workspace)


def export(checkpoint: Path, data: SignDataset, target: Path) -> None:
    """Write the file `target` by the command that users have."""
    with scratch_folder(target.parent) as scratch:
        out = scratch / "export"
        options = (checkpoint, "--dataset", data.folder, "--out", out)
        command = [sys.executable, "-m", "jointprune.export", *map(str, options)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (out / "model.onnx").replace(target)


def make_models(results: dict[str, dict], root: Workspace) -> list[dict]:
    """Train, test and export the models of one data set; a row of facts for each."""
    name = results["dataset"]["dataset"]
    place, sets = Workspace(root.root, name), joints_to_publish(results)
    data = open_dataset(name, place)
    folds, config = as_trained(results, data)
    config = replace(config, exemplars=0)
    found = tested(results, data, place, sets, folds, config)
    accuracy = accuracy_table(found).to_dict("records")
    strata = strata_table(found, data)
    everything = {
        k: make_run(data, range(len(data)), [], 0, config, [data.joints.index(j) for j in joints])
        for k, joints in sets.items()
    }
    run_many([*everything.values()], data, place, "models, on all groups")
    as_published = {(row["method"], row["k"], row["regime"]): row["mean"]
                    for row in results["ablation"]["accuracy"]}  # fmt: skip
    rows = []
    for k, run in everything.items():
        file = root.path / FOLDER / f"{name}-{k}.onnx"
        export(run.folder(data, place) / "model.ckpt", data, file)
        score = one_row(accuracy, k=k)
        rows.append({
            "file": file.name, "sha256": file_sha256(file), "bytes": file.stat().st_size,
            "dataset": name, "data_sha256": data.sha256, "k": k, "joints": sets[k],
            "title": results["dataset"]["description"], "groups": results["dataset"]["groups"],
            "group_word": results["dataset"]["group_word"], "classes": len(data.classes),
            "clips": len(data), "licence": data.meta.get("origin", {}).get("licence", NO_TERMS),
            "accuracy": {key: score[key] for key in ("mean", "low", "high")},
            "with_exemplars": as_published.get((score["method"], k, "retrained")),
            "strata": {row["stratum"]: row["mean"] for row in strata if row["k"] == k},
        })  # fmt: skip
    return rows


def stale(facts: dict, results: dict[str, dict], folder: Path) -> list[str]:
    """Models of a data set that its results or the code no longer agree with, one per line.

    None if it has no models: an import can be published without them.
    """
    now, name = joints_to_publish(results), results["dataset"]["dataset"]
    own = [model for model in facts["models"] if model["dataset"] == name]
    found = own and [f"{name}: expected a model of {k} joints, got none"
             for k in {*now} - {model["k"] for model in own}]  # fmt: skip
    for model in own:
        file = folder / model["file"]
        trained = model["data_sha256"], facts["config"]["contract"]
        if not file.is_file() or file_sha256(file) != model["sha256"]:
            found.append(f"{file.name}: expected the file that models.json describes, got another")
        if now.get(model["k"]) != model["joints"]:
            found.append(f"{file.name}: expected the joints now published, got others")
        if trained != (results["dataset"]["data_sha256"], CONTRACT):
            found.append(f"{file.name}: expected these recordings and this code, got older ones")
    return found


def card(facts: dict) -> str:
    """The generated block of the model card, in Markdown."""
    table = [("file", "recordings", "joints", "accuracy", "one-handed", "two-handed",
              "with stored clips", "kB")]  # fmt: skip
    for model in facts["models"]:
        kept = model["with_exemplars"]
        reached = f"{percent(model['accuracy']['mean'])} % {interval(model['accuracy'])}"
        strata = (percent(model["strata"][s]) if s in model["strata"] else ""
                  for s in ("one-handed", "two-handed"))  # fmt: skip
        table.append((
            f"`{model['file']}`", model["title"], str(model["k"]), reached,
            *strata, percent(kept) if kept is not None else "", f"{model['bytes'] / 1000:.0f}",
        ))  # fmt: skip
    sources = [f"- `{model['file']}`: {model['clips']} clips of {model['classes']} classes, "
               f"{model['groups']} {model['group_word']}s; licence of the recordings: "
               f"{model['licence']}; SHA-256 `{model['sha256']}`"
               for model in facts["models"]]  # fmt: skip
    return f"{markdown_table(table)}\n\nMade at commit {facts['commit']}.\n\n" + "\n".join(sources)


def main(arguments: list[str] | None = None) -> int:
    """Make the models of all published data sets, or `--check` them; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m jointprune.paper.models", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say which models are stale")
    parser.add_argument("--workspace", default=".", help="the folder that holds data and figures")
    options = parser.parse_args(arguments)
    root = Workspace(options.workspace)
    folder = root.path / FOLDER
    try:
        published = [load_results(place) for place in with_results(root, "published.json")]
        if options.check:
            facts = read_facts(root, "models.json")
            found = [line for results in published for line in stale(facts, results, folder)]
            if card(facts) not in (folder / "README.md").read_text(encoding="utf-8"):
                found.append("README.md: expected the table of models.json, got another")
            print("\n".join(f"{line}: run `make models`" for line in found) or "models agree")
            return int(bool(found))
        models = [row for results in published for row in make_models(results, root)]
        write_facts(root, "models.json", {"models": models}, data_sha256="",
                    config={"contract": CONTRACT}, smoke=False)  # fmt: skip
        write_block(folder / "README.md", "models", card(read_facts(root, "models.json")))
    except (ValueError, OSError) as error:
        print(told(error), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

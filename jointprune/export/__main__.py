"""The command `python -m jointprune.export`."""

import argparse
import json
from pathlib import Path

import jointprune.export
from jointprune.export.program import TOLERANCE
from jointprune.workspace import told


def main(arguments: list[str] | None = None) -> None:
    """Export a trained model and list the files."""
    parser = argparse.ArgumentParser(
        prog="python -m jointprune.export", description=jointprune.export.__doc__
    )
    parser.add_argument("checkpoint", type=Path, help="the trained model")
    parser.add_argument("--dataset", required=True, help="that of the training, a name or folder")
    parser.add_argument("--out", type=Path, help="a new folder; by default beside the checkpoint")
    options = parser.parse_args(arguments)
    try:
        folder, difference = jointprune.export.export_model(**vars(options))
    except (ValueError, OSError, ModuleNotFoundError) as error:
        parser.exit(1, f"{told(error)}\n")
    about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    print(f"{len(about['joints'])} joints, {len(about['labels'])} classes")
    for file in sorted(folder.iterdir()):
        print(f"{file} ({file.stat().st_size / 1000:.0f} kB)")
    print(f"Largest difference from the model's probabilities: {difference:.1g} "
          f"(at most {TOLERANCE:g} allowed)")  # fmt: skip


if __name__ == "__main__":
    main()

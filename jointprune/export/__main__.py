"""`python -m jointprune.export`: write a trained run's files and say what they are."""

import argparse
import json
from pathlib import Path

import jointprune.export
from jointprune.export import TOLERANCE, export_run


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m jointprune.export", description=jointprune.export.__doc__
    )
    parser.add_argument("run", type=Path, help="folder of a trained run, or a checkpoint")
    parser.add_argument("--out", type=Path, help="a new folder; export, beside the checkpoint")
    parser.add_argument("--dataset", default="", help="what it was trained on, a name or folder")
    options = parser.parse_args(arguments)
    try:
        folder, difference = export_run(options.run, options.out, options.dataset)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        parser.exit(1, f"{error}\n")
    about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    print(f"{len(about['joints'])} joints, {len(about['labels'])} signs")
    for file in sorted(folder.iterdir()):
        print(f"{file} ({file.stat().st_size / 1000:.0f} kB)")
    print(f"Both programs give the model's probabilities within {difference:.1g} ({TOLERANCE:g})")


if __name__ == "__main__":
    main()

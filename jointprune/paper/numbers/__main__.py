"""Write the paper's files from data/results, compare them with those published, or publish."""

import argparse
import sys

from jointprune.paper.numbers import (
    differences,
    headline,
    load_results,
    publish,
    stale_files,
    undefined_macros,
    write_paper,
)
from jointprune.paper.results import read_facts
from jointprune.workspace import DEFAULT_DATASET, Workspace


def main(arguments: list[str] | None = None) -> int:
    """Without an option, write and show the headline; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m jointprune.paper.numbers", description=__doc__)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--show", action="store_true", help="show the headline, write nothing")
    mode.add_argument("--check", action="store_true", help="compare with published.json")
    mode.add_argument("--publish", action="store_true", help="write published.json")
    parser.add_argument("--dataset", default=DEFAULT_DATASET, help="whose results")
    parser.add_argument("--workspace", default=".", help="the folder that holds data and figures")
    options = parser.parse_args(arguments)
    workspace = Workspace(options.workspace, options.dataset)
    try:
        results = load_results(workspace)
    except (ValueError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 2
    if options.check:
        found = differences(results, read_facts(workspace, "published.json"))
        found += stale_files(results, workspace) + undefined_macros(results, workspace)
        print("\n".join(found) or "results and the paper's files agree with those published")
        return int(bool(found))
    if options.publish:
        print(publish(results, workspace))
        return 0
    if not options.show:
        write_paper(results, workspace)
    print(headline(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())

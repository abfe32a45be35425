"""The paper's files, all made of the results by one function: written, or compared."""

import re
from dataclasses import asdict
from pathlib import Path

from jointprune.paper.claims import claims_tex, claims_text, macro_file, macro_prefix
from jointprune.paper.numbers.facts import collect
from jointprune.paper.numbers.readme import with_results
from jointprune.paper.numbers.selections import joints_json
from jointprune.paper.numbers.values import TOLERANCES, dataset_of
from jointprune.paper.results import write_facts
from jointprune.workspace import DEFAULT_DATASET, ROOT, Workspace, atomic_path


def tex(results: dict[str, dict]) -> str:
    """The whole of numbers.tex: bare numbers, percent and points without the unit, for siunitx."""
    return macro_file(
        results["dataset"]["dataset"],
        [(name.removeprefix("JP"), number.text, f"{number.source}; {dataset_of(number, results)}")
         for name, number in collect(results).items()],
    )  # fmt: skip


def paper_texts(results: dict[str, dict], workspace: Workspace) -> dict[Path, str]:
    """What each file of the paper says; README.md tells of the default dataset alone."""
    texts = {
        workspace.figures / "numbers.tex": tex(results),
        workspace.figures / "claims.md": claims_text(results),
        workspace.figures / "claims.tex": claims_tex(results),
        workspace.figures / "joints.json": joints_json(results),
    }
    readme = workspace.path / "README.md"
    if readme.is_file() and workspace.dataset == DEFAULT_DATASET:
        texts[readme] = with_results(readme.read_text(encoding="utf-8"), results)
    return texts


def write_paper(results: dict[str, dict], workspace: Workspace) -> list[Path]:
    """Write numbers.tex, claims.md, claims.tex, joints.json and the README's blocks.

    Each whole or not at all; ValueError for a smoke run's results in the repository itself.
    """
    if results["dataset"]["smoke"] and workspace.path == ROOT:
        raise ValueError(
            f"expected results of a full run for {ROOT}, got a smoke run: run `make reproduce`, "
            "or write below build/smoke"
        )
    texts = paper_texts(results, workspace)
    for path, text in texts.items():
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return list(texts)


def stale_files(results: dict[str, dict], workspace: Workspace) -> list[str]:
    """Which of the paper's files do not say what the results say, one line a file."""
    return [
        f"{path.relative_to(workspace.path)} differs from what data/results says: "
        "run `make numbers`"
        for path, text in paper_texts(results, workspace).items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]


def undefined_macros(results: dict[str, dict], workspace: Workspace) -> list[str]:
    """Macros that documents beside numbers.tex use and no result defines, one line each.

    Those of other prefixes, set in the document or of datasets in folders beside it, are LaTeX's
    to check.
    """
    prefix = macro_prefix(results["dataset"]["dataset"])
    made = tex(results) + claims_tex(results)
    known = {prefix + name for name in re.findall(r"\\JPdefine\{(\w+)\}", made)}
    imported = tuple(
        macro_prefix(path.parent.name) for path in workspace.figures.glob("*/numbers.tex")
    )
    found = []
    for path in sorted(workspace.figures.glob("*.tex")):
        code = re.sub(r"(?<!\\)%.*", "", path.read_text(encoding="utf-8"))
        others = (*imported, *re.findall(r"\\JP\w*prefix\}\{(\w+)\}", code))
        for name in dict.fromkeys(re.findall(rf"\\({prefix}[A-Z][A-Za-z]*)", code)):
            if name not in known and not name.startswith(others):
                found.append(
                    f"{path.relative_to(workspace.path)} uses \\{name}, which no result defines: "
                    "correct its name, or look it up in numbers.tex and claims.tex"
                )
    return found


def differences(results: dict[str, dict], published: dict) -> list[str]:
    """What differs from the published numbers beyond its tolerance, one line a number."""
    found = []
    if results["dataset"]["data_sha256"] != published["data_sha256"]:
        found.append(f"data_sha256: published {published['data_sha256']}, "
                     f"got {results['dataset']['data_sha256']}")  # fmt: skip
    fresh, old = collect(results), published["numbers"]
    for name in sorted(set(fresh) ^ set(old)):
        found.append(f"{name}: {'not published' if name in fresh else 'published, not found now'}")
    for name in (name for name in fresh if name in old):
        allowed = published["tolerances"][fresh[name].kind]
        if allowed is not None and abs(fresh[name].value - old[name]["value"]) > allowed:
            found.append(f"{name}: published {old[name]['value']:g}, got {fresh[name].value:g}, "
                         f"allowed {allowed:g} ({fresh[name].source})")  # fmt: skip
    return found


def publish(results: dict[str, dict], workspace: Workspace) -> Path:
    """Write published.json: every number with its kind and source, and the tolerances."""
    if results["dataset"]["smoke"]:
        raise ValueError("expected results of a full run, got a smoke run: run `make reproduce`")
    numbers = {name: asdict(number) for name, number in collect(results).items()}
    return write_facts(
        workspace,
        "published.json",
        {"numbers": numbers, "tolerances": TOLERANCES},
        data_sha256=results["dataset"]["data_sha256"],
        config=results["ablation"]["config"],
        smoke=False,
    )

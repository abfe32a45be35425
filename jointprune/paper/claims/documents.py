"""All claims in their order, as Markdown and as LaTeX macros."""

from jointprune.paper.claims.encoders import cost_claims, encoder_claims
from jointprune.paper.claims.limits import limits
from jointprune.paper.claims.macros import latex, macro_file
from jointprune.paper.claims.measured import (
    calibration_claim,
    hands_claim,
    promise_claim,
    quick_start_claim,
    signing_hand_claim,
    synthetic_claims,
)
from jointprune.paper.claims.tested import (
    baseline_claim,
    changes_claim,
    comparison_claim,
    k_star_claim,
    paper_claim,
    stability_claim,
)
from jointprune.paper.claims.words import Claim


def all_claims(results: dict[str, dict]) -> list[Claim]:
    """Every claim, tested ones first; `results` as `numbers.load_results` gives it."""
    dataset, ablation = results["dataset"]["description"], results["ablation"]
    group, pruning = results["dataset"]["group_word"], results["pruning"]
    return [
        *(k_star_claim(record, dataset, group) for record in ablation["k_star"]),
        paper_claim(ablation["k_star"][0], dataset, group),
        baseline_claim(results["baseline"], dataset, group),
        *(comparison_claim(record, dataset, group) for record in ablation["paired"]),
        *(comparison_claim(record, dataset, group) for record in ablation["one_set"]),
        stability_claim(ablation["stability"], dataset),
        changes_claim(ablation["changes"]["sign"], "sign", dataset),
        changes_claim(ablation["changes"]["group"], group, dataset),
        quick_start_claim(pruning["quick_start"], dataset),
        promise_claim(pruning["penalty"], "a fixed penalty", dataset),
        promise_claim(pruning["corrected"], "a budget of 12", dataset),
        *synthetic_claims(results["synthetic"]),
        calibration_claim(ablation["calibration"], dataset),
        hands_claim(results, dataset),
        signing_hand_claim(ablation["accuracy"], dataset),
        *encoder_claims(ablation["encoders"], dataset),
        *cost_claims(results["cost"]),
    ]


def claims_text(results: dict[str, dict]) -> str:
    """The whole of claims.md: every claim with what it rests on, then the limits."""
    lines = ["# Claims", "", "Written by `make numbers` from `data/results/`; do not edit.", ""]
    for claim in all_claims(results):
        lines += [
            f"**{claim.sentence}**",
            "",
            f"- dataset: {claim.dataset}",
            f"- numbers: {claim.numbers}",
            f"- test: {claim.test}",
            f"- verdict: {claim.verdict}",
            "",
        ]
    lines += ["# Limits", "", *(f"- {sentence}" for sentence in limits(results)), ""]
    return "\n".join(lines)


def claims_tex(results: dict[str, dict]) -> str:
    """The whole of claims.tex: each sentence as a macro, its verdict in the comment beside it.

    A refused sentence is an error of LaTeX in every document that uses it.
    """
    return macro_file(
        results["dataset"]["dataset"],
        [(f"Claim{claim.name}", _body(claim), f"{claim.verdict}; {claim.dataset}")
         for claim in all_claims(results)],
    )  # fmt: skip


def _body(claim: Claim) -> str:
    text = latex(claim.sentence)
    if claim.verdict != "refused":
        return text
    return rf"\PackageError{{jointprune}}{{{text}}}{{See claims.md.}}"

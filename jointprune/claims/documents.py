"""All claims in their order, as Markdown and as LaTeX macros."""

import re

from jointprune.claims.encoders import cost_claims, encoder_claims
from jointprune.claims.limits import limits
from jointprune.claims.measured import (
    calibration_claim,
    hands_claim,
    planted_claims,
    promise_claim,
    quick_start_claim,
    signing_hand_claim,
)
from jointprune.claims.tested import (
    baseline_claim,
    changes_claim,
    comparison_claim,
    k_star_claim,
    stability_claim,
)
from jointprune.claims.words import Claim

ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "%": r"\%", "#": r"\#", "&": r"\&",
    "_": r"\_", "$": r"\$", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\ensuremath{<}", ">": r"\ensuremath{>}",
}  # fmt: skip


def all_claims(results: dict[str, dict]) -> list[Claim]:
    """Every claim, tested ones first; `results` as `numbers.load_results` gives it."""
    dataset, ablation = results["dataset"]["description"], results["ablation"]
    group, pruning = results["dataset"]["group_word"], results["pruning"]
    return [
        *(k_star_claim(record, dataset, group) for record in ablation["k_star"]),
        baseline_claim(results["baseline"], dataset, group),
        *(comparison_claim(record, dataset, group) for record in ablation["paired"]),
        stability_claim(ablation["stability"], dataset),
        changes_claim(ablation["changes"]["sign"], "sign", dataset),
        changes_claim(ablation["changes"]["group"], group, dataset),
        quick_start_claim(pruning["quick_start"], dataset),
        promise_claim(pruning["penalty"], "a fixed penalty", dataset),
        promise_claim(pruning["corrected"], "a budget of 12", dataset),
        *planted_claims(results["planted"]),
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
    """The whole of claims.tex: each sentence as a macro, its verdict in the comment beside it."""
    lines = ["% Written by `make numbers` from data/results; do not edit."]
    for claim in all_claims(results):
        macro = f"\\newcommand{{\\JPClaim{claim.name}}}{{{latex(claim.sentence)}}}"
        lines.append(f"{macro}% {claim.verdict}; {claim.dataset}")
    return "\n".join(lines) + "\n"


def latex(text: str) -> str:
    """Plain text as LaTeX text; a minus before a digit is set as one."""
    escaped = "".join(ESCAPES.get(letter, letter) for letter in text)
    return re.sub(r"(?<![\w.])-(?=\d)", r"\\ensuremath{-}", escaped)

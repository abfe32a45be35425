"""What the results cannot show, said before a reviewer has to."""

from jointprune.paper.claims.words import percent
from jointprune.workspace import DEFAULT_DATASET


def limits(results: dict[str, dict]) -> list[str]:
    """One sentence a limit, with its numbers; `results` as `numbers.load_results` gives it."""
    data = results["dataset"]
    group = data["group_word"]
    of_these = _lexicon(data) if data["dataset"] == DEFAULT_DATASET else _imported(data)
    return [
        *of_these,
        _power(results["ablation"], group),
        "Joints are two-dimensional estimates by MediaPipe, placed and scaled by the body's "
        "shoulders: what depth would add is not asked.",
        f"{group.capitalize()}s of one test fold share their networks, all share the seeds, and "
        f"one setting serves all folds: intervals, which are over {group}s, are, if anything, too "
        "narrow (claims.md has the bounds of K* with seeds redrawn too); a non-inferiority test "
        f"errs more often than its 5 % when a few {group}s bear most of a loss.",
    ]


def _power(ablation: dict, group: str) -> str:
    """What loss a test could find; or that so few groups cannot show anything."""
    power, family = ablation["power"], len(ablation["paired"])
    smallest = 0.5 ** power["groups"]  # of a sign flip: one of all patterns of signs
    if family * smallest >= power["alpha"]:
        return (
            f"Power: {power['groups']} {group}s are tested, so that no p value can be under "
            f"{smallest:.3g}, and Holm's correction over {family} comparisons withholds every one "
            "of them whatever its size: that nothing is shown here means nothing."
        )
    return (
        f"Power: with {power['clips']} clips x {power['seeds']} seeds in {power['groups']} "
        f"{group}s, an uncorrected test of any loss (one-sided, {percent(power['alpha'])} %) of 12 "
        f"learned joints against all {power['joints']} finds a true one of "
        f"{percent(power['loss'])} points in {percent(power['power'])} % of repetitions; smaller "
        "losses can go unseen."
    )


def _lexicon(data: dict) -> list[str]:
    """What the manual alphabets of the default dataset cannot show."""
    one_handed = data["groups"] - len(data["two_handed"])
    never_left = data["missing"]["stored"]["never_left"]
    return [
        "The recordings are manual alphabets, letters held still for the most part, and not signs "
        "of a vocabulary: nothing here is a result about any one sign language, nor on whether "
        "the joints chosen serve words or sentences (as AUTSL's 226 signs of 43 signers could).",
        f"There is one signer a language and one recording a letter ({data['clips']} clips, "
        f"{data['groups']} languages): language and person cannot be told apart, and the same "
        "letter is often another handshape elsewhere, which bounds what any network can reach.",
        f"{one_handed} of {data['groups']} alphabets are one-handed, and in {never_left} of them "
        "the left hand, mirrored where a signer leads with it, is never there (its publisher "
        "zeroed some): a joint dropped on the left hand says little about two-handed signing.",
    ]


def _imported(data: dict) -> list[str]:
    """What holds of anyone's recordings, by what their import found."""
    group = data["group_word"]
    left, right = (percent(data["missing"][hand]) for hand in ("left", "right"))
    conditional = {
        "Who signs is not known: folds keep apart runs of neighbouring recordings of a sign, so "
        "that no accuracy here is signer-independent.": group == "part",
        f"The split is the one published with the recordings, one fold: {data['groups']} {group}s "
        f"in all, tested on {len(data['folds'][0])}.": data["official_split"],
        f"{data['leaks']} recordings occur in several {group}s: accuracies are too high by what "
        "such copies give away.": data["leaks"],
        f"{data['by_palm']} clips show no shoulders and are placed and scaled by the hands' own "
        "wrists and knuckles, kept or dropped: these count as read in every set of "
        "joints.": data["by_palm"],
        f"{data['unseen']} signs are tested in some fold and never trained there.": data["unseen"],
    }
    return [
        f"{data['clips']} clips of {data['classes']} signs could be read, {data['left_out']} were "
        f"left out at import; the left hand is missing in {left} % of frames, the right in {right} "
        "%: a joint dropped on a hand that is often missing says little about signing with it.",
        *(sentence for sentence, holds in conditional.items() if holds),
    ]

"""What the results cannot show, said before a reviewer has to."""

from jointprune.claims.words import percent


def limits(results: dict[str, dict]) -> list[str]:
    """One sentence a limit, with its numbers; `results` as `numbers.load_results` gives it."""
    data, power = results["dataset"], results["ablation"]["power"]
    one_handed = data["groups"] - len(data["two_handed"])
    empty = sum(hands["left"] == 1 for hands in data["missing"]["by_group"].values())
    return [
        "The recordings are manual alphabets, letters held still for the most part, and not signs "
        "of a vocabulary: nothing here is a result about any one sign language.",
        f"There is one signer a language and one recording a letter ({data['clips']} clips, "
        f"{data['groups']} languages): language and person cannot be told apart, and the same "
        "letter is often another handshape elsewhere, which bounds what any network can reach.",
        f"{one_handed} of {data['groups']} alphabets are one-handed, and in {empty} of them the "
        "left hand is never there (its publisher zeroed some): a joint dropped on the left hand "
        "says little about two-handed signing.",
        f"Power: with {power['clips']} clips x {power['seeds']} seeds in {data['groups']} "
        f"languages, a test of 12 learned joints against all {power['joints']} finds a true loss "
        f"of {percent(power['loss'])} points in {percent(power['power'])} % of repetitions "
        f"(one-sided, {percent(power['alpha'])} %); smaller losses can go unseen.",
        "Joints are two-dimensional estimates by MediaPipe, placed and scaled by the body's "
        "shoulders: what depth would add is not asked.",
        "Languages of one test fold share their networks, and one setting serves all folds: "
        "intervals are, if anything, too narrow; a non-inferiority test errs more often than its "
        "5 % when a few languages bear most of a loss.",
        "Whether the joints chosen here serve words, sentences or many signers of one language "
        "can only be shown on such recordings (AUTSL: 226 signs, 43 signers).",
    ]

"""What every sentence is made of: names of methods, numbers in words, and the claim itself."""

import re
import unicodedata
from dataclasses import dataclass

# Drawn as curves over K, with every fold and seed; other methods stand at one K.
MAIN = ("learned", "greedy", "anatomical", "stratified-random")
HAND_PICKED = ("anatomical", "knuckles", "right hand")
# How figures and tables call what chose the joints; other names are printed as they stand.
METHOD_WORDS = {
    "full": "all joints",
    "learned": "learned gates",
    "hard-concrete-budget": "learned gates",
    "stratified-random": "stratified random",
    "hand-matched-random": "hand-matched random",
    "random": "uniform random",
    "variance": "variance",
    "anatomical": "anatomy, by hand",
    "greedy": "greedy elimination",
    "hard-concrete": "gates at a fixed price",
    "stg": "stochastic gates (STG)",
    "concrete": "concrete top-K",
    "group-lasso": "group lasso",
    "lassonet": "LassoNet",
    "permutation": "permutation importance",
    "integrated-gradients": "integrated gradients",
    "any-subset": "any-subset network",
    "right-hand-anatomy": "anatomy, right hand first",
    "learned, typical": "most typical of the gates' runs",
    "learned, by vote": "vote of the gates' runs",
    "hard-concrete-typical": "most typical of the gates' runs",
    "hard-concrete-vote": "vote of the gates' runs",
    "learned, tied": "learned, hands tied",
    "learned, cascade": "learned in a cascade",
    "learned, signing hand": "learned, signing hand",
}
ENCODER_WORDS = {
    "transformer": "flattening transformer",
    "graph": "joint-graph encoder",
    "recurrent": "recurrent encoder",
}
UNTESTED = "measured, no test"
ONES = (
    "Zero One Two Three Four Five Six Seven Eight Nine Ten Eleven Twelve Thirteen Fourteen "
    "Fifteen Sixteen Seventeen Eighteen Nineteen"
).split()
TENS = "Twenty Thirty Forty Fifty Sixty Seventy Eighty Ninety".split()


@dataclass(frozen=True)
class Claim:
    """One sentence with what it rests on.

    `name` holds letters only and names its macro. `verdict` is "shown", "not shown",
    "opposite shown", "described" where nothing is tested, or "refused": not to be written.
    """

    name: str
    sentence: str
    dataset: str
    numbers: str
    test: str
    verdict: str


def percent(share: float) -> str:
    """0.6224 as "62.2"."""
    return f"{100 * share:.1f}"


def points(difference: float) -> str:
    """A difference of accuracies, -0.0123, as "-1.2"; a rounded nothing is "0.0"."""
    text = f"{100 * difference:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def p_value(p: float) -> str:
    """0.01234 as "p = 0.0123"; below 0.0001, which no test here resolves, "p < 0.0001"."""
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.4f}"


def method_words(method: str) -> str:
    """The method as figures and tables name it; masked ones after the method they come from."""
    base, note = (
        (method, "") if retrained(method) else (method.rsplit(",", 1)[0], ", not retrained")
    )
    return METHOD_WORDS.get(base, base) + note


def retrained(method: str) -> bool:
    """Whether the method's networks were trained on the joints kept, and on these alone."""
    return not method.endswith((", masked", ", not retrained"))


def method_name(method: str, k: int) -> str:
    """The words used in sentences: ("learned", 12) as "12 learned joints"."""
    if method == "full":
        return f"all {k} joints"
    if method == "learned" or method.endswith("random"):
        return f"{k} {method} joints"
    if method in HAND_PICKED:
        return f"{k} joints picked by hand ({method})"
    if method in ("learned, typical", "learned, by vote"):
        return f"the {k} joints of the {method_words(method)} of a fold"
    return f"{k} joints chosen by {method_words(method)}"


def listed(names: list[str]) -> str:
    """["A", "B", "C"] as "A, B and C"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def letters(text: str | int) -> str:
    """A macro's part of letters only: "learned-12 vs full" as LearnedTwelveVsFull.

    Letters outside A-Z are called by their Unicode names.
    """
    words = re.findall(r"[A-Za-z]+|[0-9]+|[^\W\d_]", unicodedata.normalize("NFC", str(text)))
    return "".join(_spelled(int(w)) if w.isdecimal() else _capital(w) for w in words)


def _capital(word: str) -> str:
    if word.isascii():
        return word[0].upper() + word[1:]
    return re.sub("[^A-Za-z]", "", unicodedata.name(word).title())


def _spelled(number: int) -> str:
    """0 to 99 in words, 42 as FortyTwo; larger ones digit by digit, 226 as TwoTwoSix."""
    if number < 20:
        return ONES[number]
    if number > 99:
        return "".join(ONES[int(digit)] for digit in str(number))
    return TENS[number // 10 - 2] + (ONES[number % 10] if number % 10 else "")


def one_row(rows: list[dict], **where) -> dict:
    """The one row whose fields equal `where`, such as method="learned", k=12."""
    found = [row for row in rows if all(row[key] == value for key, value in where.items())]
    if len(found) != 1:
        raise ValueError(
            f"expected one row with {where} in the results, got {len(found)} of {len(rows)}: "
            "have notebooks 03 and 04 write it"
        )
    return found[0]

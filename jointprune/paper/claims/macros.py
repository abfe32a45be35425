"""LaTeX: plain text as it has to be written there, and files of macros that can stand together."""

import re
import unicodedata
from collections.abc import Iterable

from jointprune.paper.claims.words import letters
from jointprune.workspace import DEFAULT_DATASET

ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "%": r"\%", "#": r"\#", "&": r"\&",
    "_": r"\_", "$": r"\$", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\ensuremath{<}", ">": r"\ensuremath{>}", "|": r"\textbar{}", '"': "''",
    "\N{LATIN SMALL LETTER DOTLESS I}": r"{\i}", "ß": r"{\ss}",
    "æ": r"{\ae}", "Æ": r"{\AE}", "œ": r"{\oe}", "Œ": r"{\OE}",
    "ø": r"{\o}", "Ø": r"{\O}", "ł": r"{\l}", "Ł": r"{\L}", "đ": r"{\dj}", "Đ": r"{\DJ}",
    "ð": r"{\dh}", "þ": r"{\th}", "Þ": r"{\TH}", "“": "``", "”": "''", "—": "---",
    "\N{EN DASH}": "--", "\N{LEFT SINGLE QUOTATION MARK}": "`",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'", "\N{NO-BREAK SPACE}": "~",
}  # fmt: skip
# Combining marks of Unicode and the accents of LaTeX's T1 encoding.
ACCENTS = {
    0x300: "`", 0x301: "'", 0x302: "^", 0x303: "~", 0x304: "=", 0x306: "u", 0x307: ".",
    0x308: '"', 0x30A: "r", 0x30B: "H", 0x30C: "v", 0x323: "d", 0x327: "c", 0x328: "k",
    0x331: "b",
}  # fmt: skip


def latex(text: str) -> str:
    """Plain text as LaTeX text in ASCII, for pdflatex with T1 fonts.

    A minus before a digit is set as one. Letters that these fonts do not hold, as those of other
    scripts, are set as their code, U+5B57.
    """
    escaped = "".join(_letter(letter) for letter in unicodedata.normalize("NFC", text))
    return re.sub(r"(?<![\w.])-(?=\d)", r"\\ensuremath{-}", escaped)


def _letter(letter: str) -> str:
    if letter in ESCAPES:
        return ESCAPES[letter]
    if letter.isascii():
        return letter
    base, *marks = unicodedata.normalize("NFD", letter)
    if len(marks) == 1 and base.isascii() and base.isalpha() and ord(marks[0]) in ACCENTS:
        return f"\\{ACCENTS[ord(marks[0])]}{{{base}}}"
    return rf"\texttt{{U+{ord(letter):04X}}}"


def macro_prefix(dataset: str) -> str:
    """What the macros of a dataset begin with: JP, and for an import its name in letters."""
    return "JP" if dataset == DEFAULT_DATASET else f"JP{letters(dataset)}"


def macro_file(dataset: str, entries: Iterable[tuple[str, str, str]]) -> str:
    """A TeX file that defines a macro for each (name, LaTeX text, comment); names without prefix.

    The prefix is a macro too, which a document may set before it reads the file, so that two runs
    can stand in one document; without it a name that is taken is LaTeX's error.
    """
    prefix = macro_prefix(dataset)
    lines = [
        "% Written by `make numbers` from data/results; do not edit.",
        f"% Macros begin with {prefix}. For another run's beside them, say before its \\input:",
        f"% \\newcommand{{\\{prefix}prefix}}{{JPSecond}} (\\renewcommand the next time).",
        f"\\providecommand{{\\{prefix}prefix}}{{{prefix}}}",
        f"\\def\\JPdefine#1{{\\expandafter\\newcommand\\csname\\{prefix}prefix#1\\endcsname}}",
    ]
    lines += [f"\\JPdefine{{{name}}}{{{text}}}% {comment}" for name, text, comment in entries]
    return "\n".join(lines) + "\n"

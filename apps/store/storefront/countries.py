"""Countries by name and ISO 3166 code; other names by which forms have been known to call them are in the file, too."""

from __future__ import annotations

import unicodedata
from pathlib import Path

LINES = [line.split("|") for line in Path(__file__).with_name("countries.txt").read_text().splitlines()]
NAMES = {code: name for code, name, *_ in LINES}
"""The English name of each country by its code, in the order of the names."""
SILENT = {"the", "of", "and"}


def plain(name: str) -> str:
    """A name without accents, punctuation and small words."""
    letters = "".join(c for c in unicodedata.normalize("NFKD", name) if c.isalnum() or c == " ")
    return " ".join(word for word in letters.lower().split() if word not in SILENT)


CODES = {plain(known): code for code, *names in LINES for known in names}


def code_of(text: str) -> str | None:
    """The code of a country that is named, or given by its code; None where there is none."""
    code = text.strip().upper()
    return code if code in NAMES else CODES.get(plain(text))

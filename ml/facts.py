"""The age, sex and site that a table tells of a photograph, in the words of ml.labels."""

from collections import Counter
from collections.abc import Iterable

from ml.labels import SEXES, SITES

OLDEST_YEARS = 120
COLUMNS = {"age": "age", "sex": "sex", "localization": "site"}  # a table's column to the fact's name
UNTOLD = ("", "unknown", "nan", "na", "n/a", "none", "null")
# ISIC's words that mean one of HAM10000's. Its others are wider ("head/neck") or narrower ("palms/soles"), and
# HAM10000's trunk is nearly all moles that one clinic watched, so ISIC's torso is not taken for it.
SAME_SITES = {"posterior torso": "back"}


def understood(row: dict[str, str | None]) -> dict[str, float | str | None]:
    """age in years, sex and site, by these names; None is what is not told, or not understood."""
    site = _word(row, "localization")
    return {
        "age": _age(_word(row, "age")),
        "sex": _known(_word(row, "sex"), SEXES),
        "site": _known(SAME_SITES.get(site, site), SITES),
    }


def not_understood(rows: Iterable[dict[str, str | None]]) -> dict[str, Counter]:
    """By column, how often each value tells something that is not understood; columns without one are not there."""
    odd = {column: Counter() for column in COLUMNS}
    for row in rows:
        facts = understood(row)
        odd_columns = [c for c, fact in COLUMNS.items() if facts[fact] is None and is_told(row.get(c))]
        for column in odd_columns:
            odd[column][row[column]] += 1
    return {column: values for column, values in odd.items() if values}


def is_told(value: str | None) -> bool:
    return (value or "").lower() not in UNTOLD


def _word(row: dict[str, str | None], column: str) -> str:
    return (row.get(column) or "").lower()  # as ml.metadata reads it


def _age(text: str) -> float | None:
    age = float(text) if text.replace(".", "", 1).isdecimal() else None
    return age if age is not None and age <= OLDEST_YEARS else None


def _known(word: str, vocabulary: tuple[str, ...]) -> str | None:
    return word if word in vocabulary else None

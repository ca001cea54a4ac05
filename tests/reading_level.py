"""How many years of school an English text asks for.

Source: J. P. Kincaid et al., Derivation of new readability formulas, Naval Technical Training
Command, Research Branch Report 8-75 (1975).
"""

import re

_SILENT_ENDING = re.compile(
    r"(?<![aeiouylrscgxz])(?<!ch)(?<!sh)es$|(?<=[aeiou][lr])es$|(?<![aeiouytd])ed$"
    r"|(?<![aeioulr])e$|(?<=[aeiou][lr])e$|(?<=rl)e$"
)
_TWO_SOUNDS = re.compile(r"i[ou](?!u?s\b|n\b|ns\b)|(?<!c)ia(?!l\b)|eo|ua(?!r)|[aeou]ing\b|ying\b|ism\b|[aeiou]y[aeiou]")


def grade(text: str) -> float:
    """The Flesch-Kincaid grade: 6 is what somebody reads with ease at the end of the sixth year.

    Abbreviations and numbers count as words of one syllable and end no sentence.
    """
    sentences = [part for part in re.split(r"[.!?:;]+(?:\s|$)", text) if part.strip()]
    words = re.findall(r"[A-Za-z]+(?:['’-][A-Za-z]+)*|\d+", text)
    return 0.39 * len(words) / len(sentences) + 11.8 * sum(map(syllables, words)) / len(words) - 15.59


def syllables(word: str) -> int:
    """Vowel groups, less silent endings, and one more where neighbours are spoken apart."""
    parts = re.split(r"['’-]", word.lower())
    return sum(max(1, _groups(part)) for part in parts if len(part) > 1) or 1


def _groups(part):
    spoken = _SILENT_ENDING.sub("", part)
    return len(re.findall(r"[aeiouy]+", spoken)) + len(_TWO_SOUNDS.findall(part))

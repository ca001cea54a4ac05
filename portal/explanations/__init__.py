"""Plain words for everything the portal concludes: names, reasons, and the explanation of a result."""

from portal.explanations.describe import Explanation, describe
from portal.explanations.frequencies import about_in_hundred, in_hundred
from portal.explanations.names import (
    CHECKLIST_NAMES,
    CLASS_NAMES,
    DISPOSITION_NAMES,
    SEX_NAMES,
    SITE_NAMES,
    TIER_NAMES,
    class_name,
    diagnosis_name,
    place_name,
    site_name,
)
from portal.explanations.reasons import FAILURES, PROBLEMS, REASONS, RETAKES, reason_text
from portal.explanations.texts import DECISIONS, MAP_CAPTION

__all__ = [
    "CHECKLIST_NAMES",
    "CLASS_NAMES",
    "DECISIONS",
    "DISPOSITION_NAMES",
    "FAILURES",
    "MAP_CAPTION",
    "PROBLEMS",
    "REASONS",
    "RETAKES",
    "SEX_NAMES",
    "SITE_NAMES",
    "TIER_NAMES",
    "Explanation",
    "about_in_hundred",
    "class_name",
    "describe",
    "diagnosis_name",
    "in_hundred",
    "place_name",
    "reason_text",
    "site_name",
]

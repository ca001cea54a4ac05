"""How soon a clinician should see a case: pure functions, no database, no request.

Four voices are heard: the weighted 7-point checklist, the health worker's worry, the model, and
doubts about whether the model can judge this photo at all. The tier is the highest that any of
them asks for, so every voice can raise it and none can lower what another asked for.
"""

from dataclasses import dataclass, field
from typing import Protocol

from ml.skin_tone import group
from portal.models.case import CHECKLIST_MAJOR, CHECKLIST_MINOR, TIERS

CHECKLIST_SOON = 3
CHECKLIST_URGENT = 5

# The network saw hardly any of these skins: no answer of it on them is backed by evidence.
UNPROVEN_SKIN_TYPES = (5, 6)
UNPROVEN_SKIN_GROUPS = ("brown", "dark")
# Where skin noted as one of these looks that dark, it was the light.
LIGHT_SKIN_TYPES = (1, 2, 3)

# A lesion at the border is still judged: many photos the network learned from show one.
UNUSABLE = ("blurred", "dark", "overexposed", "small", "colourless")

# Five of seven classes or more: the answer rules out two at most.
TOO_WIDE = 5


class PredictionView(Protocol):
    """What triage reads of a prediction; ml.classifier.Prediction and portal.models.Prediction both fit."""

    melanoma_probability: float  # 0..1
    malignancy_risk: float  # 0..1
    prediction_set: list | tuple  # of ml.labels.CLASSES
    out_of_distribution: bool


@dataclass(frozen=True)
class Reason:
    """One voice: what it saw, and the tier it asks for. Stored with the case as a dict."""

    code: str  # a key of portal.explanations.REASONS
    tier: str
    params: dict = field(default_factory=dict)  # JSON-able


@dataclass(frozen=True)
class Triage:
    tier: str  # one of TIERS
    reasons: tuple[Reason, ...]  # most pressing first, never empty

    @property
    def rank(self) -> int:
        """The position in TIERS: 0 is the most pressing."""
        return TIERS.index(self.tier)


def checklist_score(items) -> int:
    """The weighted 7-point score, 0..10, of the CHECKLIST items answered yes: majors 2, minors 1.

    Source: NICE NG12 (refer at 3 or more); F. M. Walter et al., Br J Gen Pract 63 (2013) e345.
    """
    answered = set(items)
    return 2 * len(answered.intersection(CHECKLIST_MAJOR)) + len(answered.intersection(CHECKLIST_MINOR))


def decide(
    *,
    checklist_score: int,
    is_worried: bool,
    prediction: PredictionView | None,
    quality_problems=(),
    skin_type: int | None = None,
    typology_angle: float | None = None,
    thresholds: dict | None = None,
    model_failed: bool = False,
) -> Triage:
    """The tier of a case and every reason for it.

    checklist_score: 0..10. prediction: None before the model has spoken; thresholds, the operating
    points shipped with the model, go with it. quality_problems: codes of portal.quality.PROBLEMS.
    skin_type: Fitzpatrick 1..6. typology_angle: in degrees, see ml.skin_tone. model_failed: it will not speak.

    The checklist asks for "soon" at 3, NICE's cut-off, and for "urgent" at 5, this portal's own
    choice: at 4 the score still alarms at 47 % of the spots that are no melanoma (Walter 2013).
    """
    voices = [
        *_checklist(checklist_score),
        *([Reason("worried", "soon")] if is_worried else []),
        *(_model(prediction, thresholds) if prediction is not None else []),
        *([Reason("model_failed", "cannot_assess")] if model_failed else []),
        *_unassessable(prediction, quality_problems),
        *_unproven_skin(skin_type, typology_angle, quality_problems),
    ]
    if not voices:
        voices = [Reason("nothing_raised" if prediction is not None else "waiting_for_model", "routine")]
    voices.sort(key=lambda reason: TIERS.index(reason.tier))
    return Triage(voices[0].tier, tuple(voices))


def _checklist(score):
    if score >= CHECKLIST_URGENT:
        return [Reason("checklist", "urgent", {"score": score})]
    if score >= CHECKLIST_SOON:
        return [Reason("checklist", "soon", {"score": score})]
    return []


def _model(prediction, thresholds):
    melanoma, malignancy = operating_points(thresholds)
    if prediction.melanoma_probability >= melanoma:
        yield Reason("model_melanoma", "urgent", {"probability": prediction.melanoma_probability})
    if prediction.malignancy_risk >= malignancy:
        yield Reason("model_malignancy", "soon", {"risk": prediction.malignancy_risk})


def operating_points(thresholds: dict) -> tuple[float, float]:
    """(melanoma probability for "urgent", malignancy risk for "soon"), both 0..1, as shipped with the model.

    "Urgent" takes the point that 95 % of all other spots stay under: the one that finds 95 % of
    melanomas would call a third of all moles urgent, and then nothing is. Most melanomas under it are
    still "soon" by their malignancy risk (docs/triage-rates.md).
    """
    return thresholds["melanoma"]["specificity_95"], thresholds["malignancy"]["sensitivity_95"]


def _unassessable(prediction, quality_problems):
    for problem in quality_problems:
        if problem in UNUSABLE:
            yield Reason("quality", "cannot_assess", {"problem": problem})
    if prediction is None:
        return
    if prediction.out_of_distribution:
        yield Reason("out_of_distribution", "cannot_assess")
    if len(prediction.prediction_set) >= TOO_WIDE:
        yield Reason("set_too_wide", "cannot_assess", {"size": len(prediction.prediction_set)})


def _unproven_skin(skin_type, typology_angle, quality_problems):
    """One stop too little light makes light skin look as dark as dark skin does: the photo alone cannot tell which."""
    if skin_type in UNPROVEN_SKIN_TYPES:
        yield Reason("dark_skin", "cannot_assess", {"skin_type": skin_type})
    elif group(typology_angle) in UNPROVEN_SKIN_GROUPS and "dark" not in quality_problems:
        if skin_type in LIGHT_SKIN_TYPES:
            yield Reason("quality", "cannot_assess", {"problem": "dark"})
        else:
            yield Reason("looks_dark", "cannot_assess", {"angle": round(typology_angle)})

"""The explanation of one result, for the clinician or for the patient."""

from dataclasses import dataclass
from typing import NamedTuple

from flask_babel import gettext as _
from flask_babel import ngettext

from portal.explanations import texts
from portal.explanations.frequencies import about, about_in_hundred, in_hundred
from portal.explanations.names import SEX_NAMES, class_name, site_name


class Shift(NamedTuple):
    """What one fact did to the chance of cancer."""

    direction: str  # "up", "down" or "same"
    what: str
    how: str


@dataclass(frozen=True)
class Explanation:
    """Words only, in the reader's language."""

    headline: str
    risk_sentence: str  # empty where the model has nothing to say
    paragraphs: tuple[str, ...]
    moved: tuple[Shift, ...]  # the photo first; what changed nothing in one line, last
    could_also_be: tuple[str, ...]  # the conformal set without the class named first
    look_alikes: tuple[str, ...]  # what looks alike to people, known to the model or not
    safety_net: str
    limits: tuple[str, ...]


def describe(case, prediction, voice="clinician"):
    """The Explanation of a case; one without a tier has not been judged.

    case: a portal.models.Case. prediction: a portal.models.Prediction, or None where the model has
    not spoken. voice: "clinician" or "patient". Where the model is in doubt about the photo, or a
    clinician refused it, the patient is told no class and no number.
    """
    tier = case.tier or "cannot_assess"
    doubt = _doubt(case, voice)
    is_groundless = bool(doubt) or case.status == "retake"
    is_judged = prediction is not None and not (voice == "patient" and is_groundless)
    return Explanation(
        headline=str(texts.HEADLINES[voice][tier]),
        risk_sentence=_risk_sentence(prediction, voice) if is_judged else "",
        paragraphs=tuple(_paragraphs(tier, prediction if is_judged else None, doubt, voice)),
        moved=tuple(_moved(case, prediction)) if is_judged else (),
        could_also_be=tuple(_could_also_be(prediction, voice)) if is_judged else (),
        look_alikes=tuple(map(str, texts.LOOK_ALIKES[prediction.predicted_class])) if is_judged else (),
        safety_net=str(texts.SAFETY_NET[voice]),
        limits=tuple(_limits(prediction, voice, has_numbers=is_judged)),
    )


def _risk_sentence(prediction, voice):
    if voice == "clinician":
        return _(
            "The computer's view: %(risk)s for skin cancer or a step before it, %(melanoma)s for melanoma. "
            "A clinician decides.",
            risk=about_in_hundred(prediction.malignancy_risk),
            melanoma=about_in_hundred(prediction.melanoma_probability),
        )
    count = in_hundred(prediction.malignancy_risk)
    if count < 1:
        return _("Of 100 spots that look like this to the computer, fewer than 1 is skin cancer or a step before it.")
    if count > 99:
        return _("Of 100 spots that look like this to the computer, more than 99 are skin cancer or a step before it.")
    return ngettext(
        "Of 100 spots that look like this to the computer, about %(num)s is skin cancer or a step before it. "
        "About %(rest)s are not.",
        "Of 100 spots that look like this to the computer, about %(num)s are skin cancer or a step before it. "
        "About %(rest)s are not.",
        count,
        rest=100 - count,
    )


def _doubt(case, voice):
    """What is said where the model cannot judge the photo, whatever the tier became; else empty."""
    if case.status == "failed":
        return str(texts.NOT_READ[voice])
    if any(reason["tier"] == "cannot_assess" for reason in case.tier_reasons):
        return str(texts.TIER_TEXTS[voice]["cannot_assess"])
    return ""


def _paragraphs(tier, prediction, doubt, voice):
    if doubt:
        yield doubt
    if prediction is not None:
        yield str(texts.CLASS_TEXTS[voice][prediction.predicted_class])
    if not doubt or tier != "cannot_assess":
        yield str(texts.TIER_TEXTS[voice][tier])


def _moved(case, prediction):
    idle = []
    for factor in prediction.factors:
        before, after = in_hundred(factor["risk_before"]), in_hundred(factor["risk_after"])
        name = _factor_name(case, factor)
        chances = {"before": about(factor["risk_before"]), "after": about(factor["risk_after"])}
        if after > before:
            yield Shift("up", name, _("raises it from %(before)s to %(after)s in 100", **chances))
        elif after < before:
            yield Shift("down", name, _("lowers it from %(before)s to %(after)s in 100", **chances))
        else:
            idle.append(name)
    if idle:
        yield Shift("same", ", ".join(idle), _("hardly any change"))


def _factor_name(case, factor):
    if factor["name"] == "image":
        return _("The photo")
    if factor["name"] == "age":
        return _("Age %(years)s", years=case.age_when_read)
    if factor["name"] == "sex":
        return str(SEX_NAMES[factor["value"]])
    return _("Place: %(site)s", site=site_name(factor["value"]))


def _could_also_be(prediction, voice):
    return [class_name(code, voice) for code in prediction.prediction_set if code != prediction.predicted_class]


def _limits(prediction, voice, has_numbers):
    yield str(texts.NOT_A_DIAGNOSIS)
    if prediction is not None and not prediction.is_validated:
        yield str(texts.NOT_VALIDATED)
    yield str(texts.UNKNOWN_TO_IT)
    yield str(texts.LIGHT_SKIN_ONLY)
    if has_numbers:
        prior = prediction.factors[0]["risk_before"]
        yield str(texts.WHERE_IT_HOLDS[voice]) % {"chance": about_in_hundred(prior)}

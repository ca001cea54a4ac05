from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.labels import CLASSES, MALIGNANT, SITES
from portal import explanations
from portal.explanations import describe, in_hundred, texts
from portal.explanations.names import VOICES
from portal.models.case import CHECKLIST, TIERS
from portal.models.review import DISPOSITIONS
from portal.quality import ADVICE
from tests.reading_level import grade, syllables

SIXTH_GRADE = 6.0


def make_case(tier="routine", reasons=None, status="classified"):
    reasons = [{"code": "worried", "tier": tier, "params": {}}] if reasons is None else reasons
    return SimpleNamespace(status=status, tier=tier, tier_reasons=reasons, age_when_read=62)


def make_prediction(predicted_class="mel", **values):
    factors = [
        {"name": "image", "value": None, "risk_before": 0.2, "risk_after": 0.5},
        {"name": "age", "value": None, "risk_before": 0.5, "risk_after": 0.62},
        {"name": "sex", "value": "male", "risk_before": 0.62, "risk_after": 0.6},
        {"name": "site", "value": "back", "risk_before": 0.6, "risk_after": 0.601},
    ]
    defaults = {
        "predicted_class": predicted_class,
        "malignancy_risk": 0.6,
        "melanoma_probability": 0.55,
        "prediction_set": [predicted_class, "nv", "bkl"],
        "is_validated": True,
        "factors": factors,
    }
    return SimpleNamespace(**{**defaults, **values})


def words_of(explanation):
    lines = [explanation.headline + ".", explanation.risk_sentence, *explanation.paragraphs, explanation.safety_net]
    return " ".join([*lines, *explanation.limits])


@pytest.mark.parametrize("voice", VOICES)
@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("predicted_class", CLASSES)
def test_every_class_and_tier_reads_at_sixth_grade_or_lower(predicted_class, tier, voice):
    explanation = describe(make_case(tier), make_prediction(predicted_class, is_validated=False), voice)
    assert grade(words_of(explanation)) <= SIXTH_GRADE
    own = " ".join(explanation.paragraphs)
    assert grade(own) <= SIXTH_GRADE, own


@pytest.mark.parametrize("voice", VOICES)
@pytest.mark.parametrize("predicted_class", CLASSES)
def test_every_class_text_alone_reads_at_sixth_grade_or_lower(predicted_class, voice):
    text = str(texts.CLASS_TEXTS[voice][predicted_class])
    assert grade(text) <= SIXTH_GRADE


@pytest.mark.parametrize("voice", VOICES)
@pytest.mark.parametrize("tier", TIERS)
def test_what_is_said_of_a_photo_that_was_not_read_is_at_sixth_grade_or_lower(tier, voice):
    failed = {"code": "model_failed", "tier": "cannot_assess", "params": {}}
    said = " ".join(describe(make_case(tier, [failed], status="failed"), None, voice).paragraphs)
    assert str(texts.NOT_READ[voice]) in said
    assert "the computer's answer" not in said, "there is none"
    assert grade(said) <= SIXTH_GRADE


def test_advice_and_failures_read_at_sixth_grade_or_lower():
    said = [*ADVICE.values(), *explanations.FAILURES.values(), *explanations.RETAKES.values()]
    for text in map(str, said):
        assert grade(text) <= SIXTH_GRADE, text


@pytest.mark.parametrize("voice", VOICES)
def test_the_safety_net_and_the_limits_are_always_there(voice):
    for prediction in (None, *(make_prediction(name) for name in CLASSES)):
        for tier in TIERS:
            explanation = describe(make_case(tier), prediction, voice)
            for sign in ("grows", "changes", "bleeds", "itches", "heal"):
                assert sign in explanation.safety_net
            limits = " ".join(explanation.limits)
            assert "not a diagnosis" in limits
            for unknown in ("squamous", "nail", "mouth", "rare", "dark skin"):
                assert unknown in limits


def test_an_unvalidated_model_says_so():
    said = " ".join(describe(make_case(), make_prediction(is_validated=False)).limits)
    assert "not validated" in said
    assert "not validated" not in " ".join(describe(make_case(), make_prediction()).limits)


def test_where_the_model_is_in_doubt_the_patient_is_told_no_class_and_no_number():
    doubt = {"code": "out_of_distribution", "tier": "cannot_assess", "params": {}}
    worry = {"code": "worried", "tier": "soon", "params": {}}
    for case in (make_case("cannot_assess", [doubt]), make_case("soon", [worry, doubt])):
        to_patient = describe(case, make_prediction(), "patient")
        assert "in 100" not in words_of(to_patient) and "Of 100" not in words_of(to_patient)
        assert "melanoma" not in " ".join(to_patient.paragraphs)
        assert not (to_patient.moved or to_patient.could_also_be or to_patient.look_alikes)
        to_clinician = describe(case, make_prediction())
        assert "Do not lean on the computer's answer" in " ".join(to_clinician.paragraphs)


def test_without_a_prediction_nothing_is_said_of_the_class():
    explanation = describe(make_case(), None)
    assert explanation.risk_sentence == ""
    assert explanation.moved == explanation.could_also_be == explanation.look_alikes == ()


def test_what_moved_the_risk_has_size_and_direction():
    moved = describe(make_case(), make_prediction()).moved
    assert [shift.what for shift in moved] == ["The photo", "Age 62", "Male", "Place: Back"]
    assert [shift.direction for shift in moved] == ["up", "up", "down", "same"]
    assert moved[0].how == "raises it from about 20 to about 50 in 100"
    assert moved[2].how == "lowers it from about 62 to about 60 in 100"
    assert moved[3].how == "hardly any change"


@pytest.mark.parametrize("site", SITES)
def test_every_site_can_move_the_risk(site):
    factors = [{"name": "site", "value": site, "risk_before": 0.1, "risk_after": 0.2}]
    assert describe(make_case(), make_prediction(factors=factors)).moved


def test_could_also_be_leaves_out_the_first_class():
    assert describe(make_case(), make_prediction()).could_also_be == ("Mole (naevus)", "Benign keratosis")


def test_the_patient_hears_both_sides_of_a_chance():
    said = describe(make_case(), make_prediction(malignancy_risk=0.03), "patient").risk_sentence
    assert "about 3 are" in said
    assert "About 97 are not" in said
    assert "about 1 is skin" in describe(make_case(), make_prediction(malignancy_risk=0.01), "patient").risk_sentence


@pytest.mark.parametrize(
    ("p", "words"),
    [
        (0.0, "fewer than 1 in 100"),
        (0.004, "fewer than 1 in 100"),
        (0.006, "about 1 in 100"),
        (0.03, "about 3 in 100"),
        (0.624, "about 62 in 100"),
        (0.994, "about 99 in 100"),
        (0.996, "more than 99 in 100"),
        (1.0, "more than 99 in 100"),
    ],
)
def test_chances_are_counts_in_a_hundred(p, words):
    assert explanations.about_in_hundred(p) == words


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_larger_chance_never_sounds_smaller(p, q):
    low, high = sorted((p, q))
    assert in_hundred(low) <= in_hundred(high)


def test_every_code_has_a_name():
    for voice in VOICES:
        assert set(explanations.CLASS_NAMES[voice]) == set(CLASSES)
        assert set(texts.CLASS_TEXTS[voice]) == set(CLASSES)
        assert set(texts.TIER_TEXTS[voice]) == set(texts.HEADLINES[voice]) == set(TIERS)
    assert set(texts.LOOK_ALIKES) == set(CLASSES)
    assert set(explanations.SITE_NAMES) == {*SITES, "unknown"}
    assert set(explanations.TIER_NAMES) == set(TIERS)
    assert set(explanations.CHECKLIST_NAMES) == set(CHECKLIST)
    assert set(explanations.DISPOSITION_NAMES) == set(DISPOSITIONS)


def test_every_harmless_class_names_a_cancer_that_looks_like_it():
    for name in set(CLASSES) - MALIGNANT:
        looks = " ".join(map(str, texts.LOOK_ALIKES[name])).lower()
        assert "melanoma" in looks or "cancer" in looks


@pytest.mark.parametrize(
    ("word", "count"),
    [
        ("spot", 1),
        ("changes", 2),
        ("moles", 1),
        ("looked", 1),
        ("harmless", 2),
        ("melanoma", 4),
        ("carcinoma", 4),
        ("bleeding", 2),
        ("being", 2),
        ("wart-like", 2),
    ],
)
def test_syllables_are_counted_as_spoken(word, count):
    assert syllables(word) == count


def test_the_grade_is_kincaids():
    assert grade("The cat sat on the mat.") == pytest.approx(0.39 * 6 + 11.8 - 15.59)
    assert grade("Histopathological verification necessitates dermatological referral.") > 15

import json
from dataclasses import asdict, dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.labels import CLASSES
from portal import triage
from portal.explanations import REASONS, reason_text
from portal.models.case import CHECKLIST, CHECKLIST_MAJOR, TIERS
from portal.quality import PROBLEMS

THRESHOLDS = {"malignancy": {"sensitivity_95": 0.15}, "melanoma": {"sensitivity_95": 0.08, "specificity_95": 0.3}}


@dataclass(frozen=True)
class View:
    melanoma_probability: float = 0.01
    malignancy_risk: float = 0.02
    prediction_set: tuple = ("nv",)
    out_of_distribution: bool = False


@dataclass(frozen=True)
class Situation:
    checklist_score: int = 0
    is_worried: bool = False
    prediction: View | None = View()
    quality_problems: frozenset = frozenset()
    skin_type: int | None = None
    typology_angle: float | None = None
    model_failed: bool = False

    def decide(self):
        return triage.decide(**vars(self), thresholds=THRESHOLDS)

    @property
    def rank(self):
        return self.decide().rank


chances = st.floats(0, 1)
views = st.builds(
    View,
    melanoma_probability=chances,
    malignancy_risk=chances,
    prediction_set=st.sets(st.sampled_from(CLASSES), min_size=1).map(tuple),
    out_of_distribution=st.booleans(),
)
situations = st.builds(
    Situation,
    checklist_score=st.integers(0, 10),
    is_worried=st.booleans(),
    prediction=st.none() | views,
    quality_problems=st.frozensets(st.sampled_from(PROBLEMS)),
    skin_type=st.none() | st.integers(1, 6),
    typology_angle=st.none() | st.floats(-90, 90),
    model_failed=st.booleans(),
)
judged = situations.filter(lambda situation: situation.prediction)


@given(situations, st.integers(0, 10))
def test_a_higher_checklist_score_never_lowers_the_tier(situation, more):
    higher = min(10, situation.checklist_score + more)
    assert replace(situation, checklist_score=higher).rank <= situation.rank


@given(situations)
def test_worry_never_lowers_the_tier(situation):
    assert replace(situation, is_worried=True).rank <= replace(situation, is_worried=False).rank


@given(situations, views)
def test_the_model_never_lowers_what_was_asked_before_it_spoke(situation, view):
    assert replace(situation, prediction=view).rank <= replace(situation, prediction=None).rank


@given(judged, chances, chances)
def test_a_higher_probability_never_lowers_the_tier(situation, melanoma, malignancy):
    view = situation.prediction
    raised = replace(
        view,
        melanoma_probability=max(view.melanoma_probability, melanoma),
        malignancy_risk=max(view.malignancy_risk, malignancy),
    )
    assert replace(situation, prediction=raised).rank <= situation.rank


@given(situations)
def test_a_model_that_failed_never_lowers_the_tier(situation):
    assert replace(situation, model_failed=True).rank <= replace(situation, model_failed=False).rank


@given(judged, st.sets(st.sampled_from(CLASSES)), st.booleans())
def test_more_doubt_never_lowers_the_tier(situation, classes, is_strange):
    view = situation.prediction
    doubted = replace(
        view,
        prediction_set=tuple({*view.prediction_set, *classes}),
        out_of_distribution=view.out_of_distribution or is_strange,
    )
    assert replace(situation, prediction=doubted).rank <= situation.rank


@given(situations, st.frozensets(st.sampled_from(PROBLEMS)))
def test_more_problems_of_the_photo_never_lower_the_tier(situation, problems):
    assert replace(situation, quality_problems=situation.quality_problems | problems).rank <= situation.rank


@given(situations, st.integers(1, 6))
def test_a_darker_skin_type_never_lowers_the_tier(situation, skin_type):
    assert replace(situation, skin_type=max(situation.skin_type or 0, skin_type)).rank <= situation.rank


@given(situations, st.floats(-90, 90))
def test_a_darker_skin_in_the_photo_never_lowers_the_tier(situation, angle):
    darker = angle if situation.typology_angle is None else min(angle, situation.typology_angle)
    assert replace(situation, typology_angle=darker).rank <= situation.rank


@given(situations)
def test_the_tier_is_the_highest_that_any_reason_asks_for(situation):
    decided = situation.decide()
    assert decided.reasons
    assert decided.tier == min((reason.tier for reason in decided.reasons), key=TIERS.index)
    assert decided.tier == decided.reasons[0].tier
    assert [TIERS.index(reason.tier) for reason in decided.reasons] == sorted(
        TIERS.index(reason.tier) for reason in decided.reasons
    )


@given(situations)
def test_no_case_the_model_cannot_judge_is_routine(situation):
    view = situation.prediction
    is_unproven = situation.skin_type in (5, 6)
    if is_unproven or "blurred" in situation.quality_problems or (view and view.out_of_distribution):
        assert situation.decide().tier != "routine"


@pytest.mark.parametrize(
    ("situation", "tier", "codes"),
    [
        (Situation(), "routine", ["nothing_raised"]),
        (Situation(prediction=None), "routine", ["waiting_for_model"]),
        (Situation(checklist_score=2), "routine", ["nothing_raised"]),
        (Situation(checklist_score=3), "soon", ["checklist"]),
        (Situation(checklist_score=5), "urgent", ["checklist"]),
        (Situation(is_worried=True), "soon", ["worried"]),
        (Situation(prediction=View(malignancy_risk=0.15)), "soon", ["model_malignancy"]),
        (Situation(prediction=View(malignancy_risk=0.1499)), "routine", ["nothing_raised"]),
        (Situation(prediction=View(melanoma_probability=0.3)), "urgent", ["model_melanoma"]),
        (Situation(prediction=View(out_of_distribution=True)), "cannot_assess", ["out_of_distribution"]),
        (Situation(prediction=View(prediction_set=CLASSES[:5])), "cannot_assess", ["set_too_wide"]),
        (Situation(prediction=View(prediction_set=CLASSES[:4])), "routine", ["nothing_raised"]),
        (Situation(prediction=None, model_failed=True), "cannot_assess", ["model_failed"]),
        (Situation(quality_problems=frozenset({"touches_border"})), "routine", ["nothing_raised"]),
        (Situation(quality_problems=frozenset({"dark"})), "cannot_assess", ["quality"]),
        (Situation(skin_type=5), "cannot_assess", ["dark_skin"]),
        (Situation(skin_type=4), "routine", ["nothing_raised"]),
        (Situation(skin_type=6, typology_angle=-40), "cannot_assess", ["dark_skin"]),
        (Situation(skin_type=4, typology_angle=-40), "cannot_assess", ["looks_dark"]),
        (Situation(typology_angle=-40), "cannot_assess", ["looks_dark"]),
        (Situation(skin_type=2, typology_angle=-40), "cannot_assess", ["quality"]),
        (Situation(typology_angle=-40, quality_problems=frozenset({"dark"})), "cannot_assess", ["quality"]),
        (
            Situation(skin_type=2, typology_angle=-40, quality_problems=frozenset({"dark"})),
            "cannot_assess",
            ["quality"],
        ),
        (Situation(typology_angle=50), "routine", ["nothing_raised"]),
        (
            Situation(is_worried=True, prediction=View(out_of_distribution=True)),
            "soon",
            ["worried", "out_of_distribution"],
        ),
    ],
)
def test_each_voice(situation, tier, codes):
    decided = situation.decide()
    assert decided.tier == tier
    assert [reason.code for reason in decided.reasons] == codes


def test_urgent_and_soon_have_their_own_operating_points():
    assert triage.operating_points(THRESHOLDS) == (0.3, 0.15)


@given(st.sets(st.sampled_from(CHECKLIST)))
def test_majors_count_two_and_minors_one(items):
    assert triage.checklist_score(items) == sum(2 if item in CHECKLIST_MAJOR else 1 for item in items)


def test_an_item_named_twice_or_unheard_of_counts_once_or_not():
    assert triage.checklist_score(["oozing", "oozing", "green"]) == 1


@given(situations)
def test_reasons_are_stored_as_json_and_shown_in_words(situation):
    stored = [asdict(reason) for reason in situation.decide().reasons]
    assert json.loads(json.dumps(stored)) == stored
    for reason in stored:
        assert reason["code"] in REASONS


@given(situation=situations)
def test_every_reason_has_a_sentence(situation):
    for reason in situation.decide().reasons:
        sentence = reason_text(asdict(reason))
        assert sentence.endswith(".")
        assert "%(" not in sentence

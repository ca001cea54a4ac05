import json
from dataclasses import replace

import numpy as np
import pytest

from ml.labels import CLASSES, INDEX
from ml.metadata import FACTS, Fusion, design_matrix, fit_fusion
from tests.ml.tiny import old_is_malignant

EVEN = np.full(7, 1 / 7)


def test_without_facts_nothing_moves():
    fused = old_is_malignant().fuse(EVEN, dict.fromkeys(FACTS))
    assert fused is EVEN


def test_unheard_of_place_and_missing_age_drop_out():
    fusion = old_is_malignant()
    assert fusion.term("site", "elbow") is None
    assert fusion.term("age", None) is None
    assert fusion.term("age", float("nan")) is None
    alone = fusion.fuse(EVEN, {"age": 80, "sex": None, "site": None})
    assert fusion.fuse(EVEN, {"age": 80, "sex": None, "site": "elbow"}) == pytest.approx(alone)


def test_age_beyond_the_knots_counts_as_the_last_knot():
    fusion = old_is_malignant()
    assert fusion.term("age", 119) == pytest.approx(fusion.term("age", 90))


def test_fusion_is_bayes_rule():
    fusion = old_is_malignant()
    ratio = np.exp(fusion.term("age", 80) + fusion.term("site", "face"))
    expected = EVEN * ratio / (EVEN * ratio).sum()
    assert fusion.fuse(EVEN, {"age": 80, "site": "face"}) == pytest.approx(expected)


def test_steps_name_each_fact_in_turn_and_end_in_the_fused_probabilities():
    fusion = old_is_malignant()
    facts = {"site": "face", "age": 80, "sex": "male"}
    steps = fusion.steps(EVEN, facts)
    assert [name for name, _ in steps] == ["age", "sex", "site"]
    assert steps[-1][1] == pytest.approx(fusion.fuse(EVEN, facts))
    assert steps[1][1] == pytest.approx(steps[0][1])  # this fusion's sexes say nothing


def test_weight_of_zero_leaves_the_photograph_alone():
    fusion = Fusion(old_is_malignant().age, {}, {}, 0.0)
    assert fusion.fuse(EVEN, {"age": 90}) == pytest.approx(EVEN)


def test_temperature_softens_what_comes_out_once_a_fact_is_told():
    sure = old_is_malignant()
    soft = replace(sure, temperature=2.0)
    facts = {"age": 80, "site": "face"}
    assert soft.fuse(EVEN, {}) is EVEN
    expected = np.sqrt(sure.fuse(EVEN, facts))
    assert soft.fuse(EVEN, facts) == pytest.approx(expected / expected.sum())


def test_json_keeps_it_all():
    fusion = replace(old_is_malignant(), temperature=1.25)
    again = Fusion.from_json(json.loads(json.dumps(fusion.to_json())))
    facts = {"age": 47, "sex": "female", "site": "face"}
    assert again.fuse(EVEN, facts) == pytest.approx(fusion.fuse(EVEN, facts), abs=1e-5)


def test_design_row_weighs_the_two_nearest_knots():
    row = design_matrix([{"age": 35.0, "sex": None, "site": "back"}])[0]
    assert row[2:4].tolist() == [0.5, 0.5]
    assert row.sum() == pytest.approx(2)  # the age, and one place


def test_fit_finds_what_the_data_say_and_nothing_more():
    pytest.importorskip("scipy", reason="needs scipy, a training requirement")
    random = np.random.default_rng(0)
    facts, labels = [], []
    for _ in range(3000):
        is_melanoma = random.random() < 0.5
        # On the face melanoma is three times as likely; the sex is a coin.
        on_face = random.random() < (0.6 if is_melanoma else 0.2)
        facts.append(
            {
                "age": None,
                "sex": str(random.choice(["male", "female"])),
                "site": "face" if on_face else "back",
            }
        )
        labels.append(INDEX["mel"] if is_melanoma else INDEX["nv"])
    prior = np.full(len(CLASSES), 1e-4)
    prior[[INDEX["mel"], INDEX["nv"]]] = 0.5 - 2.5e-4
    fusion = fit_fusion(facts, np.array(labels), prior)
    told = fusion.fuse(prior, {"site": "face"})
    assert told[INDEX["mel"]] == pytest.approx(0.75, abs=0.03)
    told = fusion.fuse(prior, {"sex": "male"})
    assert told[INDEX["mel"]] == pytest.approx(0.5, abs=0.03)

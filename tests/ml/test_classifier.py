import io
import os
import threading

import numpy as np
import pytest
from PIL import Image

from ml import preprocess
from ml.classifier import MAP_SIZE, VIEWS, Classifier, activation_map
from ml.labels import CLASSES, MALIGNANT
from tests.ml.tiny import COLOURS, ColourRuntime, paint_lesion, settings


def flat(label: str) -> Image.Image:
    """One colour, and a strip of light skin: without any the photograph would pass for under-exposed."""
    image = Image.new("RGB", (120, 90), COLOURS[label])
    image.paste((225, 190, 170), (110, 0, 120, 90))
    return image


def encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("label", CLASSES)
def test_each_class_is_recognised_by_its_colour(classifier, label):
    prediction = classifier.predict(flat(label))
    assert prediction.predicted_class == label
    assert prediction.confidence == prediction.probabilities[label]
    assert prediction.prediction_set[0] == label


def test_probabilities_are_whole_and_in_order(classifier):
    prediction = classifier.predict(paint_lesion("bkl", 5), age=70, sex="male", site="face")
    for probabilities in (prediction.probabilities, prediction.image_probabilities):
        assert tuple(probabilities) == CLASSES
        assert sum(probabilities.values()) == pytest.approx(1)
    malignant = sum(prediction.probabilities[name] for name in MALIGNANT)
    assert prediction.malignancy_risk == pytest.approx(malignant)
    assert prediction.melanoma_probability == prediction.probabilities["mel"]


def test_temperature_and_offsets_are_applied_to_the_logits():
    logits = np.array([0.0, 1, 2, 3, 4, 5, 6])
    offsets = np.linspace(0, 1, 7)
    classifier = Classifier(ColourRuntime(), settings(temperature=2.0, logit_adjustment=offsets.tolist()), None)
    expected = np.exp(logits / 2 + offsets)
    assert classifier.calibrate(logits) == pytest.approx(expected / expected.sum())


def test_bytes_and_picture_give_the_same_answer(classifier):
    image = paint_lesion("mel", 3)
    assert classifier.predict(encoded(image)).probabilities == classifier.predict(image).probabilities


def test_bytes_and_an_opened_file_give_the_same_answer_whatever_the_file_is(classifier):
    shades = np.asarray(paint_lesion("mel", 3).convert("L"), dtype=np.uint16) << 8
    hidden = paint_lesion("mel", 3).convert("RGBA")
    hidden.putalpha(0)
    turned = paint_lesion("mel", 3)
    turned.getexif()[preprocess.EXIF_ORIENTATION] = 6
    for image in (Image.fromarray(shades), hidden, turned):
        file = encoded(image)
        opened = classifier.predict(Image.open(io.BytesIO(file)))
        assert opened.probabilities == classifier.predict(file).probabilities
        assert opened.activation_map == pytest.approx(classifier.predict(file).activation_map)


@pytest.mark.parametrize("photo", ["photo.jpg", np.zeros((9, 9, 3), np.uint8)])
def test_what_is_no_photograph_is_named(classifier, photo):
    with pytest.raises(TypeError, match=f"not {type(photo).__name__}"):
        classifier.predict(photo)


def test_a_photograph_without_colour_is_out_of_distribution(classifier):
    assert not classifier.predict(paint_lesion("mel", 3)).out_of_distribution
    assert classifier.predict(paint_lesion("mel", 3).convert("L")).out_of_distribution


def test_bytes_that_hold_no_photograph_are_refused(classifier):
    with pytest.raises(preprocess.UnreadableImage):
        classifier.predict(b"not a photograph")


def test_factors_tell_the_risk_from_the_prior_to_the_last_fact(classifier):
    prediction = classifier.predict(paint_lesion("bkl", 5), age=80, sex="male", site="face")
    assert [factor.name for factor in prediction.factors] == ["image", "age", "sex", "site"]
    assert [factor.value for factor in prediction.factors] == [None, "80", "male", "face"]
    for before, after in zip(prediction.factors, prediction.factors[1:], strict=False):
        assert after.risk_before == before.risk_after
    assert prediction.factors[0].risk_before == pytest.approx(0.03 + 0.05 + 0.11)
    assert prediction.factors[-1].risk_after == pytest.approx(prediction.malignancy_risk)
    assert prediction.factors[1].risk_after > prediction.factors[1].risk_before


def test_without_facts_the_photograph_stands_alone(classifier):
    prediction = classifier.predict(paint_lesion("bkl", 5), site="elbow")
    assert prediction.probabilities == prediction.image_probabilities
    assert [factor.name for factor in prediction.factors] == ["image"]


def test_set_uses_the_quantiles_of_the_facts_that_are_known():
    metadata = settings()
    metadata["conformal"]["quantiles"]["age+sex+site"] = dict.fromkeys(CLASSES, 0.0)
    classifier = Classifier(ColourRuntime(), metadata, None)
    image = flat("mel")
    assert set(classifier.predict(image, age=60, sex="male", site="back").prediction_set) == set(CLASSES)
    assert classifier.predict(image, age=60, sex="male").prediction_set == ("mel",)


def test_set_is_sorted_by_probability():
    metadata = settings()
    metadata["conformal"]["quantiles"]["none"] = dict.fromkeys(CLASSES, 0.0)
    prediction = Classifier(ColourRuntime(), metadata, None).predict(paint_lesion("df", 2))
    ranked = [prediction.probabilities[name] for name in prediction.prediction_set]
    assert ranked == sorted(ranked, reverse=True)


def test_score_above_the_threshold_is_out_of_distribution():
    class Aghast:
        def score(self, features):
            return np.full(len(features), 5.0)

    below = Classifier(ColourRuntime(), settings(out_of_distribution={"threshold": 5.5}), Aghast())
    above = Classifier(ColourRuntime(), settings(out_of_distribution={"threshold": 4.5}), Aghast())
    assert not below.predict(flat("nv")).out_of_distribution
    assert above.predict(flat("nv")).out_of_distribution
    assert above.predict(flat("nv")).out_of_distribution_score == 5.0


def test_map_shows_where_the_class_is(classifier):
    image = Image.new("RGB", (120, 90), "cyan")  # far from every class, and bright
    image.paste(COLOURS["mel"], (0, 0, 60, 45))  # upper left
    seen = classifier.predict(image)
    assert seen.predicted_class == "mel"
    heat = seen.activation_map
    assert heat.shape == (MAP_SIZE, MAP_SIZE)
    assert heat.dtype == np.float32
    assert heat.min() >= 0
    assert heat.max() <= 1
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert row < MAP_SIZE / 2
    assert column < MAP_SIZE / 2


def test_map_leaves_the_ends_of_a_wide_photo_that_the_network_did_not_see_at_nothing():
    photo = Image.new("RGB", (300, 150), "white")  # of 2:1 the middle two thirds are seen
    heat = activation_map(np.ones((5, 5)), photo)
    seen = heat[MAP_SIZE // 2] > 0
    assert not seen[:10].any()
    assert not seen[-10:].any()
    assert seen[12:-12].all()


def test_evidence_against_the_class_everywhere_is_an_empty_map():
    assert activation_map(-np.ones((5, 5)), Image.new("RGB", (120, 90))).max() == 0


def test_map_is_left_out_when_not_asked_for(classifier):
    assert classifier.predict(flat("nv"), with_maps=False).activation_map is None


@pytest.mark.parametrize("views", VIEWS)
def test_views_are_turned_back_before_they_are_averaged(views):
    classifier = Classifier(ColourRuntime(), settings(test_time_augmentation=views), None)
    plain = Classifier(ColourRuntime(), settings(), None)
    image = Image.new("RGB", (64, 64), COLOURS["nv"])
    image.paste(COLOURS["mel"], (0, 0, 32, 16))
    image.paste(COLOURS["vasc"], (48, 48, 64, 64))
    # The stand-in network sees colour cell by cell, so it is exactly blind to turns and flips.
    seen, expected = classifier.observe(image), plain.observe(image)
    assert seen.activation_maps == pytest.approx(expected.activation_maps, abs=1e-4)
    assert seen.logits == pytest.approx(expected.logits, abs=1e-4)
    assert classifier._runtime.calls == len(VIEWS[views])


def test_views_all_differ():
    runtime = ColourRuntime()
    seen = []
    runtime.run = lambda tensor: seen.append(tensor.tobytes()) or ColourRuntime().run(tensor)
    Classifier(runtime, settings(test_time_augmentation="turns"), None).observe(paint_lesion("mel", 1))
    assert len(set(seen)) == 8


def test_artefact_with_other_classes_is_refused():
    with pytest.raises(ValueError, match="classes"):
        Classifier(ColourRuntime(), settings(labels=list(reversed(CLASSES))), None)


def test_fork_does_not_hang(shipped):
    # An interpreter that ran in the parent has threads the child lacks.
    expected = shipped.predict(flat("nv"), with_maps=False).probabilities
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        answer = shipped.predict(flat("nv"), with_maps=False).probabilities
        os.write(writing, b"same" if answer == pytest.approx(expected, abs=1e-5) else b"else")
        os._exit(0)
    os.close(writing)
    killer = threading.Timer(60, os.kill, (child, 9))
    killer.start()
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    killer.cancel()
    os.waitpid(child, 0)
    assert said == b"same"


def test_threads_share_one_classifier(shipped):
    images = [paint_lesion(label, 7) for label in CLASSES]
    expected = [shipped.predict(image, with_maps=False).probabilities for image in images]
    got = {}

    def work(number):
        got[number] = shipped.predict(images[number], with_maps=False).probabilities

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(images))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [got[number] for number in range(len(images))] == expected

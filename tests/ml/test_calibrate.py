"""The fits of ml.calibrate on numbers whose answer is known, and what the command leaves behind."""

import json

import numpy as np
import pytest

pytest.importorskip("scipy", reason="needs scipy, a training requirement")

from ml import calibrate, classifier, metrics, negatives, predict
from ml.labels import CLASSES
from ml.metadata import FACTS, Fusion, softmax
from tests.ml.tiny import ColourRuntime, paint_lesion, settings

NOTHING = np.zeros(7)


@pytest.fixture
def drawn():
    """4,000 photographs: log p(y | image) that are right, and labels drawn from them."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (4000, 7))
    return logits, draw(random, softmax(logits))


def draw(random, probabilities):
    return np.array([random.choice(7, p=row) for row in probabilities])


def test_temperature_and_offsets_are_found_again(drawn):
    logits, labels = drawn
    offsets = np.array([1.0, -1, 0.5, 0, 0, 0, -0.5])
    temperature, found = calibrate.fit_temperature(2.5 * (logits - offsets), labels, NOTHING, 1.0)
    assert temperature == pytest.approx(2.5, rel=0.06)
    assert found - found.mean() == pytest.approx(offsets - offsets.mean(), abs=0.2)


def test_offsets_stay_where_only_the_temperature_is_fitted(drawn):
    logits, labels = drawn
    start = np.linspace(-1, 1, 7)
    temperature, found = calibrate.fit_temperature(0.5 * (logits - start), labels, start, None)
    assert temperature == pytest.approx(0.5, rel=0.06)
    assert found.tolist() == start.tolist()


def test_a_lesion_is_in_one_fold():
    lesions = np.repeat(np.arange(200), 3)
    fold = calibrate.folds_of(lesions)
    assert set(fold) == set(range(5))
    assert all(len(set(fold[lesions == one])) == 1 for one in range(200))


def test_offsets_are_taken_where_they_help_and_held_out_answers_come_from_other_lesions(drawn):
    logits, labels = drawn
    fold = calibrate.folds_of(np.arange(len(labels)))
    shifted = calibrate.choose_calibration(logits + np.linspace(-2, 2, 7), labels, fold, NOTHING)
    assert shifted["method"] == "temperature and offsets, pull 5"
    out = fold == 2
    temperature, offsets = calibrate.fit_temperature((logits + np.linspace(-2, 2, 7))[~out], labels[~out], NOTHING, 5.0)
    expected = softmax((logits + np.linspace(-2, 2, 7))[out] / temperature + offsets)
    assert shifted["held_out"][out] == pytest.approx(expected)


def sex_speaks(strength: float) -> Fusion:
    term = strength * np.array([1, 1, 0, 0, 1, -1, 0.0])
    return Fusion(np.zeros((9, 7)), {"male": term, "female": -term}, {})


def choose(fusion, probabilities, labels, sexes):
    facts = [{"sex": sex} for sex in sexes]
    return calibrate.choose_fusion(fusion, probabilities, facts, labels, calibrate.folds_of(np.arange(len(labels))))


@pytest.fixture
def told(drawn):
    """p(y | image), labels and sexes, where the sex moves the odds as sex_speaks(0.6) says."""
    logits, _ = drawn
    random = np.random.default_rng(1)
    sexes = random.choice(["male", "female"], len(logits))
    fusion = sex_speaks(0.6)
    fused = np.stack([fusion.fuse(p, {"sex": sex}) for p, sex in zip(softmax(logits), sexes, strict=True)])
    return softmax(logits), draw(random, fused), sexes


def test_a_term_that_says_twice_too_much_is_halved(told):
    fusion, losses = choose(sex_speaks(1.2), *told)
    assert fusion.weight == pytest.approx(0.5, abs=0.1)
    assert losses["log_loss_by_weight"][f"{fusion.weight:g}"] == min(losses["log_loss_by_weight"].values())


def test_answers_that_are_too_sure_get_a_temperature_after_the_fusion(told):
    probabilities, labels, sexes = told
    sure = softmax(1.5 * np.log(probabilities))
    fusion, losses = choose(sex_speaks(0.9), sure, labels, sexes)
    assert fusion.temperature == pytest.approx(1.5, rel=0.1)
    assert losses["log_loss_of_temperature"]["with"] < losses["log_loss_of_temperature"]["without"]
    fused = calibrate.fuse_all(fusion, sure, [{"sex": sex} for sex in sexes], FACTS)
    assert metrics.expected_calibration_error(labels, fused) < 0.03


def test_answers_that_are_right_are_left_as_they_are(told):
    fusion, _ = choose(sex_speaks(0.6), *told)
    assert fusion.weight == pytest.approx(1, abs=0.15)
    assert fusion.temperature == pytest.approx(1, abs=0.05)


def test_thresholds_keep_their_promises_on_the_data_they_come_from(drawn):
    logits, labels = drawn
    probabilities = softmax(logits)
    thresholds = calibrate.decision_thresholds(probabilities, labels)
    is_melanoma, p_melanoma = labels == 4, probabilities[:, 4]
    found, _ = metrics.rates(is_melanoma, p_melanoma, thresholds["melanoma"]["sensitivity_95"])
    _, spared = metrics.rates(is_melanoma, p_melanoma, thresholds["melanoma"]["specificity_95"])
    assert found == pytest.approx(0.95, abs=0.005)
    assert spared == pytest.approx(0.95, abs=0.005)


@pytest.mark.parametrize("lacking", [("akiec", "bcc", "mel"), ("mel",), ("bkl", "df", "nv", "vasc")])
def test_no_threshold_is_made_up_where_there_is_no_photograph_to_find_it_on(drawn, lacking):
    logits, labels = drawn
    kept = ~np.isin(labels, [CLASSES.index(name) for name in lacking])
    with pytest.raises(ValueError, match="with and without m"):
        calibrate.decision_thresholds(softmax(logits[kept]), labels[kept])


@pytest.fixture
def artefact(tmp_path, monkeypatch):
    """A folder as ml.export leaves it, of the arithmetic network with four views."""
    monkeypatch.setattr(classifier, "Runtime", lambda *_: ColourRuntime())
    monkeypatch.setattr(negatives, "generated", lambda **_: {})
    monkeypatch.setattr(negatives, "packaged_photographs", lambda **_: [])
    folder = tmp_path / "artefact"
    folder.mkdir()
    metadata = settings(created_at="", training={"class_prior": [1 / 7] * 7}, test_time_augmentation="flips")
    (folder / "model.json").write_text(json.dumps(metadata))
    return folder


@pytest.fixture
def recalibrate(artefact, tiny_dataset, tiny_manifests):
    """Runs the command; what model.json then says."""

    def run(*options, status=0):
        shared = ["--artifact", artefact, "--data", tiny_dataset, "--manifests", tiny_manifests]
        assert calibrate.main([*map(str, shared), *map(str, options)]) == status
        return json.loads((artefact / "model.json").read_text())

    return run


def test_another_rule_is_another_version_without_the_figures_of_the_old_one(artefact, recalibrate):
    first = recalibrate()
    assert first["version"] == "test-1"
    assert first["test_time_augmentation"] == "flips"
    told = {"metrics": {"n": 3}, "views_compared": {}, "is_validated": True, "evaluation_note": ""}
    (artefact / "model.json").write_text(json.dumps(first | told))
    same = recalibrate()
    assert (same["version"], same["metrics"], same["is_validated"]) == ("test-1", {"n": 3}, True)
    other = recalibrate("--views", "none")
    assert other["test_time_augmentation"] == "none"
    assert other["version"].startswith("test-1-")
    assert other["created_at"] > first["created_at"]
    assert not {"metrics", "views_compared"} & set(other)
    assert not other["is_validated"]
    third = recalibrate("--views", "turns")
    assert len({first["version"], other["version"], third["version"]}) == 3
    assert len(third["version"]) == len(other["version"])
    assert classifier.Classifier.load(artefact).version == third["version"]


def test_others_that_cannot_be_read_stop_it_first_and_leave_all_as_it_was(
    artefact, recalibrate, tmp_path, capsys, monkeypatch
):
    before = json.loads((artefact / "model.json").read_text())
    others = tmp_path / "others"
    others.mkdir()
    for number in range(12):
        (others / f"bad{number:02}.{('jpg', 'tif')[number % 2]}").write_bytes(b"no picture")
    with monkeypatch.context() as patch:
        patch.setattr(calibrate, "read_dataset", None)  # minutes of work come after
        assert recalibrate("--others", others, status=1) == before
    first, *named, last = capsys.readouterr().err.splitlines()
    assert (first, last) == ("cannot calibrate: 12 unreadable files:", "and 2 more")
    assert [line.split(": ")[0] for line in named] == [str(path) for path in sorted(others.iterdir())[:10]]
    assert [path.name for path in artefact.iterdir()] == ["model.json"]


def test_other_pictures_of_every_form_are_shown_to_the_detector(artefact, recalibrate, tmp_path):
    forms = ("jpg", "JPEG", "png", "webp", "bmp", "tif", "tiff")
    others = tmp_path / "others"
    (others / "folder.png").mkdir(parents=True)
    (others / "behind").symlink_to(tmp_path)
    for number, form in enumerate(forms):
        paint_lesion("mel", number).save((others, tmp_path)[number % 2] / f"{number}.{form}")
    (others / "notes.txt").write_text("none")
    fitted = recalibrate("--others", others)
    assert fitted["out_of_distribution"]["stopped"]["other pictures"]["n"] == len(forms)


def test_folder_of_other_pictures_that_is_not_there_is_told(artefact, recalibrate, tmp_path, capsys):
    before = json.loads((artefact / "model.json").read_text())
    assert recalibrate("--others", tmp_path / "none", status=1) == before
    assert capsys.readouterr().err.endswith(f"cannot calibrate: no such folder: {tmp_path / 'none'}\n")


def test_detector_that_is_missing_or_another_is_refused(artefact, recalibrate, tmp_path, capsys):
    settings_of = recalibrate()
    arrays = artefact / "out_of_distribution.npz"
    content = arrays.read_bytes()

    def refused(reason):
        with pytest.raises(ValueError, match=reason):
            classifier.Classifier.load(artefact)
        assert predict.main([str(tmp_path / "photo.jpg"), "--artifact", str(artefact)]) == 1
        assert reason in capsys.readouterr().err

    arrays.unlink()
    refused("is missing")
    arrays.write_bytes(content + b" ")
    refused("does not match its hash")
    del settings_of["out_of_distribution"]["sha256"]  # as in artefacts from before it was kept
    (artefact / "model.json").write_text(json.dumps(settings_of))
    arrays.write_bytes(content)
    assert classifier.Classifier.load(artefact).strangeness(np.zeros((1, 3)))[0] > 0

"""The artefact that ships: it loads, keeps its contract, and answers as it did when it was made."""

import hashlib
import json

import numpy as np
import pytest

from ml import card, evaluate, model_json, negatives, preprocess
from ml.classifier import ARTIFACT, VIEWS
from ml.config import TrainConfig
from ml.data import MANIFESTS, read_dataset, read_split
from ml.labels import CLASSES
from ml.observe import facts_of
from tests.ml import known_answers
from tests.ml.tiny import paint_lesion

KEYS = {
    "version",
    "labels",
    "input_size",
    "created_at",
    "weights_provenance",
    "is_validated",
    "evaluation_note",
    "temperature",
    "logit_adjustment",
    "prior",
    "thresholds",
    "conformal",
    "out_of_distribution",
    "metadata_fusion",
    "test_time_augmentation",
    "metrics",
    "manifest_sha256",
    "training",
}


def test_settings_are_complete_and_plausible(shipped):
    metadata = shipped.metadata
    assert set(metadata) >= KEYS
    assert tuple(metadata["labels"]) == CLASSES
    assert metadata["test_time_augmentation"] in VIEWS
    assert sum(metadata["prior"]) == pytest.approx(1)
    assert 0.2 < metadata["temperature"] < 5
    for target in ("malignancy", "melanoma"):
        thresholds = shipped.thresholds[target]
        assert 0 < thresholds["sensitivity_95"] < thresholds["specificity_95"] < 1
    subsets = {"+".join(known) or "none" for known in evaluate.SUBSETS}
    assert set(metadata["conformal"]["quantiles"]) == subsets


def test_manifest_hashes_are_those_of_the_committed_manifests(shipped):
    summary = json.loads((MANIFESTS / "manifest.json").read_text())
    assert shipped.metadata["manifest_sha256"] == {name: part["sha256"] for name, part in summary["parts"].items()}


def test_hashes_are_those_of_the_files(shipped):
    metadata = shipped.metadata
    assert metadata["model_sha256"] == hashlib.sha256((ARTIFACT / "model.tflite").read_bytes()).hexdigest()
    assert metadata["model_bytes"] == (ARTIFACT / "model.tflite").stat().st_size
    assert metadata["model_sha256"][:8] in shipped.version


def test_it_is_small_and_agreed_with_keras(shipped):
    assert (ARTIFACT / "model.tflite").stat().st_size <= 25 * 2**20
    checked = shipped.metadata["agreement"]
    assert checked["photographs"] == 200
    assert max(checked["largest_difference"].values()) <= 1e-3


@pytest.mark.slow
def test_its_networks_still_agree_with_keras(shipped, tiny_dataset, tmp_path):
    """What the export measured once holds for the file that is here: its kernels, put back into Keras."""
    pytest.importorskip("tensorflow", reason="needs tensorflow: pip install -r requirements-train.txt")
    from ml import export, model, restore

    size, records = shipped.metadata["input_size"], read_dataset(tiny_dataset)[::40]
    networks = []
    for number in range(1, len(model_json.networks(shipped.metadata)) + 1):
        run = tmp_path / str(number)
        restore.restore(ARTIFACT, run, records, number)
        network = model.build_model(TrainConfig.read(run).input_size, weights=run / "best.weights.h5")
        networks.append(export.with_middle_features(model.serving_model(network), f"network_{number}"))
    served = model.enlarging(export.side_by_side(networks), size)
    tensors = [preprocess.to_tensor(preprocess.decode(record.path.read_bytes()), size) for record in records]
    worst, logits = export.agreement(served, shipped._runtime, tensors)
    assert max(worst.values()) <= 1e-3
    assert np.ptp(logits, axis=0).max() > 0.1  # it tells the pictures apart


def test_mean_of_the_maps_and_a_constant_are_the_logits(shipped):
    gaps = []
    for label in ("mel", "nv", "bcc"):
        tensor = preprocess.to_tensor(paint_lesion(label, 4, (600, 450)), shipped.metadata["input_size"])
        seen = shipped._runtime.run(tensor)
        assert seen.logits.shape == (7,)
        assert seen.activation_maps.ndim == 3
        gaps.append(seen.logits - seen.activation_maps.mean(axis=(0, 1)))
    assert gaps[0] == pytest.approx(gaps[1], abs=1e-3)
    assert gaps[0] == pytest.approx(gaps[2], abs=1e-3)


def test_card_is_that_of_these_settings(shipped):
    text = (ARTIFACT / "MODEL_CARD.md").read_text()
    assert text == card.write_card(shipped.metadata, card.notes_on(shipped.version, ARTIFACT / card.NOTES))
    metrics = shipped.metadata["metrics"]
    assert shipped.version in text
    assert f"{metrics['macro_auc']:.3f}" in text
    assert metrics["model_version"] == shipped.version
    for heading in ("Intended use", "Factors", "Quantitative analyses", "CLEAR Derm", "Ethical considerations"):
        assert heading in text
    for words in ("invasive squamous cell carcinoma", "CC BY-NC-SA 4.0", "Dark skin: evidence gap"):
        assert words in text


@pytest.mark.parametrize("kind", ["flat colour", "black", "noise", "text", "document", "screenshot"])
def test_pictures_of_other_things_are_stopped(shipped, kind):
    pictures = negatives.generated(each=5, seed=77)[kind]
    stopped = [shipped.predict(picture, with_maps=False).out_of_distribution for picture in pictures]
    assert sum(stopped) >= 4


def test_answers_are_kept_for_this_model_and_for_the_photographs_of_the_rule(shipped):
    kept = json.loads(known_answers.PATH.read_text())
    assert kept["model_version"] == shipped.version, known_answers.RENEWED
    assert list(kept["answers"]) == known_answers.chosen_ids(), known_answers.RENEWED


def test_known_answers_on_real_photographs(shipped, ham10000):
    kept = json.loads(known_answers.PATH.read_text())["answers"]
    for image_id, got in known_answers.answers(shipped, ham10000).items():
        told = f"{image_id}: {known_answers.RENEWED}"
        assert got["probabilities"] == pytest.approx(kept[image_id]["probabilities"], abs=0.01), told
        assert got["predicted_class"] == kept[image_id]["predicted_class"], told
        assert got["is_flagged"] == kept[image_id]["is_flagged"], told


def test_answers_on_real_photographs_are_mostly_right(shipped, ham10000):
    """Six calibration photographs of each class: enough to see a swapped class order, a wrong
    preprocessing or a broken calibration, few enough to be quick. The test split stays unread."""
    records = read_split(read_dataset(ham10000), "calibration")
    right, flagged, labels, risks = [], [], [], []
    for name in CLASSES:
        for record in [record for record in records if record.label == name][:6]:
            seen = shipped.predict(record.path.read_bytes(), **facts_of(record), with_maps=False)
            balanced = np.array(list(seen.probabilities.values())) / shipped.prior
            right.append(CLASSES[balanced.argmax()] == name)
            flagged.append(seen.out_of_distribution)
            labels.append(name in ("akiec", "bcc", "mel"))
            risks.append(seen.malignancy_risk)
    assert np.mean(right) > 0.6
    assert np.mean(flagged) < 0.1
    labels, risks = np.array(labels), np.array(risks)
    assert risks[labels].mean() > 2 * risks[~labels].mean()

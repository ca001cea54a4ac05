"""The whole chain on a tiny data set: train two steps, resume, export, calibrate, evaluate, predict."""

import csv
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs tensorflow: pip install -r requirements-train.txt")

from ml import calibrate, card, evaluate, export, predict, preprocess, provenance, restore, train, views
from ml.classifier import Classifier
from ml.config import TrainConfig
from ml.data import read_dataset, read_split
from ml.labels import CLASSES
from ml.model import build_model, enlarging
from tests.ml import training

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(trainings):
    """A run that was killed and resumed."""
    return trainings["killed"]


@pytest.fixture(scope="module")
def other(trained, tmp_path_factory):
    """A run whose network answers otherwise."""
    run = tmp_path_factory.mktemp("other") / "run"
    shutil.copytree(trained, run)
    replace(TrainConfig.read(run), seed=9).write(run)
    with h5py.File(run / "best.weights.h5", "r+") as weights:
        weights.visititems(lambda _, one: getattr(one, "ndim", 0) == 4 and one.write_direct(np.roll(one[()], 1)))
    return run


@pytest.fixture(scope="module")
def artifact(trained, other, tiny_dataset, tiny_manifests, tmp_path_factory):
    """Of two networks, calibrated."""
    out = tmp_path_factory.mktemp("chain") / "artifact"
    shared = ["--data", str(tiny_dataset), "--manifests", str(tiny_manifests)]
    assert export.main(["--run", str(trained), str(other), "--out", str(out), *shared]) == 0
    assert calibrate.main(["--artifact", str(out), *shared]) == 0
    assert views.main(["--artifact", str(out), *shared]) == 0
    return out


def test_resuming_takes_up_the_finished_run_and_leaves_it_as_it_was(trained, tiny_dataset, tiny_manifests):
    before = {name: (trained / name).read_bytes() for name in ("history.csv", "best.weights.h5")}
    images = [row["images"] for row in csv.DictReader(before["history.csv"].decode().splitlines())]
    assert [int(float(count)) for count in images if count] == [16, 32]
    arguments = ["--data", str(tiny_dataset), "--manifests", str(tiny_manifests), "--out", str(trained)]
    assert train.main(arguments) == 0
    assert {name: (trained / name).read_bytes() for name in before} == before


def test_export_agrees_with_keras_and_says_so(artifact, trained):
    metadata = json.loads((artifact / "model.json").read_text())
    assert metadata["agreement"]["photographs"] > 0
    assert max(metadata["agreement"]["largest_difference"].values()) <= 1e-3
    assert metadata["training"]["class_prior"] == json.loads((trained / "config.json").read_text())["class_prior"]
    assert not metadata["is_validated"]
    assert metadata["input_size"] == training.PHOTOGRAPH
    assert metadata["version"].startswith(f"b3x2-{training.SIZE}-")


def test_calibration_replaced_the_neutral_settings(artifact):
    classifier = Classifier.load(artifact)
    neutral = export.neutral_settings()
    for name in ("thresholds", "conformal", "out_of_distribution"):
        assert classifier.metadata[name] != neutral[name], name
    assert (artifact / "out_of_distribution.npz").exists()
    commands = [step["command"].split()[2] for step in classifier.metadata["made_by"]]
    assert commands == ["ml.train", "ml.train", "ml.export", "ml.calibrate", "ml.views"]


def test_evaluation_and_card(artifact, tiny_dataset, tiny_manifests, tmp_path):
    out = tmp_path / "report.json"
    arguments = ["--data", str(tiny_dataset), "--split", "test", "--manifests", str(tiny_manifests)]
    assert evaluate.main([*arguments, "--artifact", str(artifact), "--json", str(out), "--repeats", "20"]) == 0
    assert json.loads(out.read_text())["n"] > 0
    assert card.main(["--artifact", str(artifact), "--metrics", str(out)]) == 0
    text = (artifact / "MODEL_CARD.md").read_text()
    assert "## CLEAR Derm" in text
    assert "the mean of 2 EfficientNetB3" in text
    assert "kernels in 8 bits" in text


def test_figures_of_another_model_do_not_come_onto_the_card(artifact, tmp_path, capsys):
    before = (artifact / "model.json").read_bytes()
    (tmp_path / "report.json").write_text('{"model_version": "another", "n": 3}')
    assert card.main(["--artifact", str(artifact), "--metrics", str(tmp_path / "report.json")]) == 1
    assert "measured another, not b3-" in capsys.readouterr().err
    assert (artifact / "model.json").read_bytes() == before


def test_prediction_comes_from_the_exported_network(artifact, tiny_dataset, capsys):
    photo = sorted((tiny_dataset / "images").glob("*.jpg"))[0]
    assert predict.main([str(photo), "--artifact", str(artifact), "--age", "60"]) == 0
    line = json.loads(capsys.readouterr().out)
    assert set(line["probabilities"]) == set(CLASSES)
    assert np.isfinite(list(line["probabilities"].values())).all()


@pytest.fixture(scope="module")
def restored(artifact, tiny_dataset, tiny_manifests, tmp_path_factory):
    runs = [tmp_path_factory.mktemp("restored") / name for name in ("1", "2")]
    shared = ["--artifact", str(artifact), "--data", str(tiny_dataset), "--manifests", str(tiny_manifests)]
    for run in runs:
        assert restore.main([*shared, "--out", str(run), "--network", run.name]) == 0
    return runs


def test_restored_networks_together_answer_as_the_artefact_they_come_from(artifact, restored, trained, tiny_dataset):
    photo = preprocess.decode(sorted((tiny_dataset / "images").glob("*.jpg"))[0].read_bytes())
    tensor = preprocess.to_tensor(photo, training.PHOTOGRAPH)

    def answer(run):
        model = build_model(training.SIZE, weights=run / "best.weights.h5")
        return np.asarray(enlarging(model, training.PHOTOGRAPH)(tensor)["logits"])[0]

    first, second = map(answer, restored)
    assert (first + second) / 2 == pytest.approx(Classifier.load(artifact)._runtime.run(tensor).logits, abs=1e-3)
    assert np.abs(first - second).max() > 0.01
    assert np.abs(first - answer(trained)).max() < np.abs(second - answer(trained)).max()
    assert [TrainConfig.read(run).seed for run in restored] == [TrainConfig.read(trained).seed, 9]
    assert [provenance.first_weights(run) for run in restored] == ["random initial weights"] * 2
    for run in restored:
        assert [step["command"].split()[2] for step in provenance.training_steps(run)] == ["ml.train"]


def test_a_training_goes_on_from_a_restored_network_as_from_what_it_answers(
    artifact, tiny_dataset, tiny_manifests, tmp_path
):
    records = read_split(read_dataset(tiny_dataset), "train", tiny_manifests)[: restore.BATCH]
    restore.restore(artifact, tmp_path / "run", records)
    tensors = [preprocess.to_tensor(preprocess.decode(one.path.read_bytes()), training.PHOTOGRAPH) for one in records]
    photos = keras.ops.image.resize(np.concatenate(tensors), (training.SIZE, training.SIZE))
    model = build_model(training.SIZE, 0.0, tmp_path / "run" / "best.weights.h5", drop_connect=0.0)
    answered = np.asarray(model(photos, training=False)["logits"])
    # Of the batch that the statistics were measured on, they are the batch's own.
    assert np.asarray(model(photos, training=True)["logits"]) == pytest.approx(answered, abs=1e-2)
    assert np.ptp(answered, axis=0).max() > 0.1


def test_there_is_nothing_to_restore_of_a_network_that_is_not_in_the_artefact(
    artifact, trained, tiny_dataset, tiny_manifests, tmp_path, capsys
):
    shared = ["--artifact", str(artifact), "--data", str(tiny_dataset), "--manifests", str(tiny_manifests)]
    assert restore.main([*shared, "--out", str(tmp_path / "run"), "--network", "3"]) == 1
    assert "2 network(s), no number 3" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    before = (trained / "config.json").read_bytes()
    assert restore.main([*shared, "--out", str(trained)]) == 1
    assert "holds a run already" in capsys.readouterr().err
    assert (trained / "config.json").read_bytes() == before


def test_runs_that_cannot_answer_side_by_side_are_refused(trained, tiny_dataset, tiny_manifests, tmp_path, capsys):
    natural = tmp_path / "natural"
    replace(TrainConfig.read(trained), sampling="natural").write(natural)
    arguments = ["--data", str(tiny_dataset), "--manifests", str(tiny_manifests), "--out", str(tmp_path / "out")]
    assert export.main(["--run", str(trained), str(natural), *arguments]) == 1
    assert "these runs differ" in capsys.readouterr().err
    assert export.main(["--run", str(trained), str(trained), *arguments]) == 1
    assert "one network" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_network_that_differs_from_keras_is_not_written(
    artifact, trained, tiny_dataset, tiny_manifests, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(export, "to_tflite", lambda served: (artifact / "model.tflite").read_bytes())
    monkeypatch.setattr(export, "round_to_eight_bits", lambda model: model.layers[-1].bias.assign(np.ones(7)))
    arguments = ["--run", str(trained), "--data", str(tiny_dataset), "--manifests", str(tiny_manifests)]
    assert export.main([*arguments, "--out", str(tmp_path / "out")]) == 1
    assert "differ" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("recipe", provenance.RECIPES, ids=lambda recipe: recipe.name)
def test_the_training_is_noted_by_its_recipe_with_the_time_of_every_phase(tmp_path, monkeypatch, recipe):
    monkeypatch.chdir(tmp_path)  # where no run is that a recipe goes on from
    run = Path("run")
    config = TrainConfig.from_dict(json.loads(recipe.read_text()))
    replace(config, class_counts=(10,) * 7).write(run)
    (run / "history.csv").write_text("phase,seconds\nhead,15\nwhole,300\nwhole,640\n")
    command = f"python -m ml.train --data DIR --out run --config ml/{recipe.name}"
    assert provenance.training_steps(run) == [{"command": command, "seconds": 655}]


def test_a_recipe_run_again_otherwise_is_noted_by_what_was_changed(tmp_path):
    recipe = next(path for path in provenance.RECIPES if path.name == "recipe_harder.json")
    config = TrainConfig.from_dict(json.loads(recipe.read_text()))
    replace(config, init=str(tmp_path / "w.weights.h5"), seed=8, minutes=30).write(tmp_path / "run")
    (step,) = provenance.training_steps(tmp_path / "run")
    command = f"python -m ml.train --data DIR --out {tmp_path}/run --config ml/recipe_harder.json"
    assert step["command"] == f"{command} --init {tmp_path}/w.weights.h5 --seed 8 --minutes 30"
    options = train._parse(step["command"].split()[3:])
    assert TrainConfig.from_options(options) == TrainConfig.read(tmp_path / "run")


def test_without_a_recipe_it_is_noted_by_settings_that_make_the_same_run(tmp_path):
    config = TrainConfig(init="warm", seed=3, stages=((0.0, 96), (0.5, 128)), mixup=0.4, augmentation={"zoom": 0.1})
    replace(config, class_counts=(10,) * 7).write(tmp_path)
    (step,) = provenance.training_steps(tmp_path)
    shell = step["command"].replace("python -m ml.train", """bash -c 'cat "${@: -1}"' _""", 1)
    settings = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True).stdout
    assert json.loads(settings).keys() == {"init", "seed", "stages", "mixup", "augmentation"}
    assert TrainConfig.from_dict(json.loads(settings)) == config


def test_a_run_that_began_from_another_is_noted_with_it(tmp_path):
    TrainConfig(init="random", seed=5).write(tmp_path / "first")
    TrainConfig(init=str(tmp_path / "first" / "best.weights.h5"), seed=6).write(tmp_path / "second")
    commands = [step["command"] for step in provenance.training_steps(tmp_path / "second")]
    assert ['"seed": 5' in commands[0], '"seed": 6' in commands[1]] == [True, True]
    assert commands[0].startswith(f"python -m ml.train --data DIR --out {tmp_path / 'first'} ")

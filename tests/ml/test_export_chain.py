"""The whole chain on a tiny data set: train two steps, resume, export, calibrate, evaluate, predict."""

import csv
import json
import subprocess
from dataclasses import replace
from pathlib import Path

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
def trained(killed):
    """A run that was killed and resumed."""
    return killed["run"]


@pytest.fixture(scope="module")
def artifact(trained, tiny_dataset, tiny_manifests, tmp_path_factory):
    out = tmp_path_factory.mktemp("chain") / "artifact"
    shared = ["--data", str(tiny_dataset), "--manifests", str(tiny_manifests)]
    assert export.main(["--run", str(trained), "--out", str(out), *shared]) == 0
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
    assert metadata["version"].startswith(f"b3-{training.SIZE}-")


def test_calibration_replaced_the_neutral_settings(artifact):
    classifier = Classifier.load(artifact)
    neutral = export.neutral_settings()
    for name in ("thresholds", "conformal", "out_of_distribution"):
        assert classifier.metadata[name] != neutral[name], name
    assert (artifact / "out_of_distribution.npz").exists()
    commands = [step["command"].split()[2] for step in classifier.metadata["made_by"]]
    assert commands == ["ml.train", "ml.export", "ml.calibrate", "ml.views"]


def test_evaluation_and_card(artifact, tiny_dataset, tiny_manifests, tmp_path):
    out = tmp_path / "report.json"
    arguments = ["--data", str(tiny_dataset), "--split", "test", "--manifests", str(tiny_manifests)]
    assert evaluate.main([*arguments, "--artifact", str(artifact), "--json", str(out), "--repeats", "100"]) == 0
    assert json.loads(out.read_text())["n"] > 0
    assert card.main(["--artifact", str(artifact), "--metrics", str(out)]) == 0
    report = json.loads(out.read_text())
    for unfit in ({"views": "flips"}, {"split": "calibration"}):
        out.write_text(json.dumps(report | unfit))
        assert card.main(["--artifact", str(artifact), "--metrics", str(out)]) == 1
    text = (artifact / "MODEL_CARD.md").read_text()
    assert "## CLEAR Derm" in text
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


def test_the_network_comes_back_out_of_the_artefact_as_it_answers(artifact, tiny_dataset, tiny_manifests, tmp_path):
    records = read_split(read_dataset(tiny_dataset), "train", tiny_manifests)[:4]
    restore.restore(artifact, tmp_path / "run", records)
    tensors = [preprocess.to_tensor(preprocess.decode(one.path.read_bytes()), training.PHOTOGRAPH) for one in records]
    model = enlarging(build_model(training.SIZE, weights=tmp_path / "run" / "best.weights.h5"), training.PHOTOGRAPH)
    answer = np.asarray(model(np.concatenate(tensors))["logits"])
    network = Classifier.load(artifact)._runtime
    assert answer == pytest.approx(np.stack([network.run(tensor).logits for tensor in tensors]), abs=1e-3)


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

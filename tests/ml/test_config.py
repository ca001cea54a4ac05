"""What a training is given: its settings and how they are kept, and photographs that cannot be read."""

import json
import os

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs tensorflow: pip install -r requirements-train.txt")

from ml import data, train
from ml.config import TrainConfig
from tests.ml.tiny import write_dataset


def test_oversampling_draws_every_small_class_as_if_it_had_two_thousand():
    counts = (100, 300, 800, 60, 800, 5000, 80)
    prior = TrainConfig(sampling="oversample", class_counts=counts).class_prior()
    assert prior == pytest.approx(np.array([2000] * 5 + [5000, 2000]) / 17000)
    fewer = TrainConfig(sampling="oversample", oversample_to=500, class_counts=counts).class_prior()
    assert fewer == pytest.approx(np.array([500, 500, 800, 500, 800, 5000, 500]) / 8600)


def test_photographs_are_kept_at_the_size_of_the_largest_stage_unless_another_is_named():
    stages = ((0.0, 224), (0.4, 256))
    assert TrainConfig(stages=stages).cached_size() == 256
    assert TrainConfig(stages=stages, cache_size=224).cached_size() == 224


@pytest.mark.parametrize(("kept", "given"), [(224, 224), (300, 256), (None, 256)])
def test_a_trained_network_is_given_photographs_as_small_as_those_it_learnt_from(kept, given):
    assert TrainConfig(input_size=256, stages=((0.0, 256),), cache_size=kept).photograph_size() == given


def test_unknown_settings_are_one_message(tiny_dataset, tmp_path, capsys):
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"speed": 3}))
    arguments = ["--data", str(tiny_dataset), "--out", str(tmp_path / "run"), "--config", str(config)]
    assert train.main(arguments) == 2
    assert capsys.readouterr().err == "unknown settings: speed\n"


def test_settings_cut_short_leave_those_from_before(tmp_path, monkeypatch):
    class Cut(Exception):
        pass

    def cut(source, target):
        raise Cut

    TrainConfig(seed=1).write(tmp_path)
    monkeypatch.setattr(os, "replace", cut)
    with pytest.raises(Cut):
        TrainConfig(seed=2).write(tmp_path)
    assert TrainConfig.read(tmp_path).seed == 1


def test_unreadable_photographs_are_all_named_and_stop_it(tmp_path, capsys):
    folder = write_dataset(tmp_path / "data", lesions=18)
    manifests = tmp_path / "manifests"
    data.write_manifests(data.split_records(data.read_dataset(folder)), manifests, seed=0)
    bad = [record.path for record in data.read_split(data.read_dataset(folder), "train", manifests)][3:5]
    for path in bad:
        path.write_bytes(b"not a photograph")
    arguments = ["--data", str(folder), "--out", str(tmp_path / "run"), "--manifests", str(manifests)]
    assert train.main(arguments) == 2
    said = capsys.readouterr().err
    assert all(str(path) in said for path in bad)
    assert not (tmp_path / "run").exists()

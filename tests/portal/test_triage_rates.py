"""The benchmark counts what the portal would have said."""

import pytest

from benchmarks import triage_rates
from ml import observe
from ml.classifier import Classifier
from ml.data import read_dataset
from tests.ml.tiny import ColourRuntime, settings, write_dataset


@pytest.fixture
def classifier(monkeypatch):
    def load(directory=None, *, threads=None, views=None):
        return Classifier(ColourRuntime(), settings(), None)

    monkeypatch.setattr(observe.Classifier, "load", load)
    return load()


@pytest.fixture
def records(tmp_path):
    return read_dataset(write_dataset(tmp_path / "data", lesions=2))


def test_tiers_are_those_of_the_whole_prediction(classifier, records, tmp_path):
    judged = dict(zip(records, triage_rates.judge_all(classifier, tmp_path, records), strict=True))
    assert len(judged) == len(records)
    for record, (label, triage) in judged.items():
        assert label == record.label
        seen = classifier.predict(
            record.path.read_bytes(), age=record.age, sex=record.sex, site=record.site, with_maps=False
        )
        asked = {reason.code for reason in triage.reasons}
        assert ("model_malignancy" in asked) == (seen.malignancy_risk >= 0.3)
        assert ("model_melanoma" in asked) == (seen.melanoma_probability >= 0.4)


def test_every_photo_is_in_one_tier_of_its_class(classifier, records, tmp_path):
    page = "\n".join(
        triage_rates.report(classifier, list(triage_rates.judge_all(classifier, tmp_path, records)), "test")
    )
    rows = [line.split("|")[1:-1] for line in page.splitlines() if line.startswith("| all |")]
    assert int(rows[0][1]) == len(records)
    shares = [float(cell.split("%")[0]) for cell in rows[0][2:]]
    assert sum(shares) == pytest.approx(100, abs=0.3)

"""What the shipped model says of a few photographs, kept as figures beside the tests.

    python -m tests.ml.known_answers [--data DIR]

writes known_answers.json anew: for a model that ships, and for nothing else.
"""

import argparse
import json
from pathlib import Path

from config import ROOT
from ml.classifier import Classifier
from ml.data import MANIFESTS, Record, read_dataset, read_split
from ml.labels import CLASSES
from ml.observe import facts_of
from ml.tables import read_rows

PATH = Path(__file__).with_name("known_answers.json")
SPLIT = "calibration"  # nothing is chosen by it here, so the test split can stay unread
EACH = 2
RENEWED = "python -m tests.ml.known_answers writes these answers anew, for a new model"


def chosen_ids() -> list[str]:
    """The first EACH photographs of every class in the manifest, whatever the model says of them."""
    rows = read_rows(MANIFESTS / f"{SPLIT}.csv")
    return [row["image_id"] for label in CLASSES for row in [row for row in rows if row["label"] == label][:EACH]]


def answer(classifier: Classifier, record: Record) -> dict:
    """The fused probabilities in CLASSES order, the predicted class, and whether the risk is over the threshold."""
    seen = classifier.predict(record.path.read_bytes(), **facts_of(record), with_maps=False)
    return {
        "probabilities": [round(p, 4) for p in seen.probabilities.values()],
        "predicted_class": seen.predicted_class,
        "is_flagged": bool(seen.malignancy_risk >= classifier.thresholds["malignancy"]["sensitivity_95"]),
    }


def answers(classifier: Classifier, data: Path) -> dict[str, dict]:
    """The answer to each of the chosen photographs, by image id."""
    records = {record.image_id: record for record in read_split(read_dataset(data), SPLIT)}
    return {image_id: answer(classifier, records[image_id]) for image_id in chosen_ids()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.ml.known_answers", description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "ham10000", help="folder of HAM10000")
    classifier = Classifier.load()
    kept = {"model_version": classifier.version, "answers": answers(classifier, parser.parse_args().data)}
    PATH.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()

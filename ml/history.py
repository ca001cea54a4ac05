"""What a training run shows: a progress bar, history.csv and curves.png."""

import csv
import sys
from pathlib import Path

import numpy as np

from ml import metrics
from ml.files import replacing
from ml.labels import CLASSES
from ml.metadata import softmax

COLUMNS = (
    "epoch",
    "phase",
    "size",
    "images",
    "rate",
    "loss",
    "images_per_second",
    "macro_auc",
    "balanced_accuracy",
    "seconds",
)


def bar(total: int, epoch: int):
    """A progress bar in images; one line a minute where the output is a file."""
    from tqdm import tqdm

    interval = 0.5 if sys.stderr.isatty() else 60
    return tqdm(total=total, desc=f"epoch {epoch}", unit="img", mininterval=interval)


def time_left(done: float, begun: float, seconds: float) -> str:
    """How far it is (0..1) and what it still takes at the pace of the last `seconds`, which began at `begun`."""
    left = seconds * (1 - done) / max(done - begun, 1e-9)
    return f"{done:.0%}, {max(left, 0) / 60:.0f} min left"


def text(value) -> str:
    """Four significant digits for a float, anything else as it is."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def best(rows: list[dict]) -> float:
    """The best validation macro AUC so far, -1 before the first epoch."""
    return max((row["macro_auc"] for row in rows), default=-1.0)


def is_stale(rows: list[dict], phase: str, patience: int) -> bool:
    """Early stopping: none of the last `patience` epochs of this phase came up to the best of all."""
    recent = [row for row in rows if row["phase"] == phase][-patience:]
    return len(recent) == patience and best(recent) < best(rows)


def write(rows: list[dict], path: Path) -> None:
    """Write the epochs as CSV, replacing the file at once."""
    with replacing(path) as part, part.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: text(x) for name, x in row.items()} for row in rows)


def validation_scores(labels: np.ndarray, logits: np.ndarray, prior: np.ndarray) -> dict[str, float]:
    """Macro AUC and, by the largest p / prior, balanced accuracy, both 0..1."""
    probabilities = softmax(logits)
    # A class that training never drew is no answer.
    balanced = np.divide(probabilities, prior, out=np.zeros_like(probabilities), where=prior > 0).argmax(axis=1)
    return {
        "macro_auc": metrics.mean_known(metrics.class_aucs(labels, probabilities)),
        "balanced_accuracy": metrics.balanced_accuracy(metrics.confusion(labels, balanced, len(CLASSES))),
    }


def plot(rows: list[dict], path: Path) -> None:
    """Draw loss, validation macro AUC and balanced accuracy over the epochs."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    trained = [row for row in rows if "loss" in row]
    left.plot([row["epoch"] for row in trained], [row["loss"] for row in trained], marker=".")
    left.set(xlabel="epoch", ylabel="training loss")
    for name in ("macro_auc", "balanced_accuracy"):
        values = [row[name] for row in rows]
        right.plot([row["epoch"] for row in rows], values, marker=".", label=name)
    right.set(xlabel="epoch", ylabel="validation")
    right.legend()
    with replacing(path) as part:
        figure.savefig(part, dpi=110)
    pyplot.close(figure)

"""The shipped model's own description, read from its model.json and plots; nothing of the model itself is loaded."""

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ml.labels import CLASSES

PLOT_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}


@dataclass(frozen=True)
class Figure:
    value: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class ClassRow:
    name: str
    n: int | None
    auc: Figure | None
    sensitivity: Figure | None
    specificity: Figure | None


@dataclass(frozen=True)
class ModelCard:
    """``description`` is model.json as written; the properties are what pages show of it."""

    description: dict
    plots: list[Path]

    @property
    def version(self):
        return self.description["version"]

    @property
    def made_on(self):
        return date.fromisoformat(self.description["created_at"][:10])

    @property
    def is_validated(self):
        return self.description.get("is_validated", False)

    @property
    def metrics(self):
        return self.description.get("metrics") or {}

    @property
    def test_count(self):
        return self.metrics.get("n")

    def figure(self, *path):
        """The figure at this path of the metrics, with its interval beside it, or None."""
        place = self.metrics
        for key in path[:-1]:
            place = place.get(key) or {}
        value = place.get(path[-1])
        interval = place.get(f"{path[-1]}_interval")
        return None if value is None else Figure(value=value, interval=tuple(interval) if interval else None)

    @property
    def classes(self):
        """One row a class, in the classes' own order."""
        per_class = self.metrics.get("per_class") or {}
        return [
            ClassRow(
                name=name,
                n=per_class[name].get("n"),
                auc=self.figure("per_class", name, "auc"),
                sensitivity=self.figure("per_class", name, "sensitivity"),
                specificity=self.figure("per_class", name, "specificity"),
            )
            for name in CLASSES
            if name in per_class
        ]

    def find_plot(self, name):
        return next((plot for plot in self.plots if plot.name == name), None)


def read_model_card(directory):
    """The card of the model in ``directory``, or None while there is no readable one."""
    directory = Path(directory)
    try:
        description = json.loads((directory / "model.json").read_text())
    except (OSError, ValueError):
        return None
    plots = sorted(path for path in (directory / "plots").glob("*") if path.suffix in PLOT_TYPES)
    return ModelCard(description=description, plots=plots)

"""The tables of the model card, in Markdown."""

from ml.intervals import wilson_interval
from ml.labels import CLASSES, NAMES

# (name, path in the metrics, the figure to reach or None, whether more is better)
TARGETS = (
    ("macro AUC", ("macro_auc",), 0.96, True),
    ("accuracy, predicted class", ("accuracy",), 0.80, True),
    ("balanced accuracy, predicted class", ("plain", "balanced_accuracy"), None, True),
    ("balanced accuracy, balanced decision", ("balanced_accuracy",), 0.78, True),
    ("aim for the balanced accuracy: best public-data entry, ISIC 2018", ("balanced_accuracy",), 0.856, True),
    ("melanoma recall, predicted class", ("per_class", "mel", "sensitivity_plain"), None, True),
    ("melanoma recall, balanced decision", ("melanoma", "recall_balanced"), 0.75, True),
    ("specificity at malignant sensitivity 0.95, on this data's ROC", ("malignant", "specificity_at_95"), 0.65, True),
    ("expected calibration error", ("ece",), 0.03, False),
)


def figure(place: dict, name: str, form: str = ".3f") -> str:
    """`0.912 (0.881 to 0.940)`, `0.912` where no interval can be had, or a dash where no figure can."""
    value = place.get(name)
    if value is None:
        return "–"
    low, high = place.get(f"{name}_interval") or (None, None)
    return f"{value:{form}}" if low is None else f"{value:{form}} ({low:{form}} to {high:{form}})"


def difference(place: dict, name: str) -> str:
    """`+0.041 (+0.024 to +0.061)`, or as `figure` where something cannot be had."""
    return figure(place, name, "+.3f")


def percent(place: dict, name: str) -> str:
    """`1.9 % (1.2 to 2.7)`, or `1.9 %` where no interval can be had."""
    low, high = place.get(f"{name}_interval") or (None, None)
    return f"{100 * place[name]:.1f} %" + ("" if low is None else f" ({100 * low:.1f} to {100 * high:.1f})")


def share_of(share: float, n: int) -> str:
    """`95% (84 to 98)`: a share of n, with Wilson's interval."""
    low, high = wilson_interval(share * n, n)
    return f"{share:.0%} ({100 * low:.0f} to {100 * high:.0f})"


def table(header: list[str], rows: list[list]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def at(metrics: dict, path: tuple[str, ...]) -> tuple[dict, str]:
    """The dict that holds a figure, and the figure's name in it."""
    for key in path[:-1]:
        metrics = metrics[key]
    return metrics, path[-1]


def targets(metrics: dict) -> tuple[str, str]:
    """The table of what was to be reached, and a paragraph on what was missed."""
    rows, missed = [], []

    def add(name, shown, wanted, met):
        rows.append([name, shown, wanted, "yes" if met else "**no**"])
        if not met:
            missed.append(f"{name}: {shown}, wanted {wanted}")

    for name, path, goal, larger in TARGETS:
        place, key = at(metrics, path)
        if goal is None:
            rows.append([name, figure(place, key), "–", "–"])
        else:
            add(name, figure(place, key), *_bound(place.get(key), goal, larger))
    for name in CLASSES:
        own = metrics["per_class"][name]
        add(f"AUC {name}", figure(own, "auc"), *_bound(own["auc"], 0.92, True))
    for name, own in metrics["conformal"]["per_class"].items():
        if own["n"] >= 40 and own["coverage"] is not None:
            met = round(abs(own["coverage"] - 0.9), 4) <= 0.02
            add(f"coverage {name}", figure(own, "coverage"), "0.88 to 0.92", met)
    text = "Every figure was reached."
    if missed:
        text = "**Missed**: " + "; ".join(missed) + "."
    return table(["figure", "measured", "to reach", "reached"], rows), text


def _bound(value: float | None, goal: float, larger: bool) -> tuple[str, bool]:
    """What is wanted, and whether the value is that."""
    met = value is not None and (value >= goal if larger else value <= goal)
    return f"{'≥' if larger else '≤'} {goal:g}", met


def class_table(metrics: dict) -> str:
    rows = []
    for name in CLASSES:
        own = metrics["per_class"][name]
        covered = figure(metrics["conformal"]["per_class"][name], "coverage")
        figures = [figure(own, key) for key in ("auc", "marked", "sensitivity", "specificity", "sensitivity_plain")]
        rows.append([f"{name} ({NAMES[name]})", own["n"], *figures, covered])
    return table(
        ["class", "n", "AUC", "marked", "sensitivity", "specificity", "sensitivity, plain argmax", "coverage"], rows
    )


def confusion_table(metrics: dict) -> str:
    """Counts; behind each the interval of its share of the row, in percent, where that was measured."""
    confusion = metrics["confusion_matrix"]
    shares = confusion.get("row_shares", {}).get("balanced", {})

    def cell(truth, decided, count):
        low, high = shares.get(truth, {}).get(f"{decided}_interval") or (None, None)
        return count if low is None else f"{count} ({100 * low:.0f} to {100 * high:.0f})"

    rows = [
        [truth, *(cell(truth, decided, count) for decided, count in zip(CLASSES, row, strict=True))]
        for truth, row in zip(CLASSES, confusion["balanced"], strict=True)
    ]
    return table(["", *CLASSES], rows)


def operating_table(metrics: dict) -> str:
    rows = []
    for target in ("malignant", "melanoma"):
        place = metrics[target]
        for name, point in place["operating_points"].items():
            row = [target, name.replace("_", " "), f"{point['threshold']:.4f}"]
            rows.append([*row, figure(point, "sensitivity"), figure(point, "specificity"), figure(place, "auc")])
    return table(["target", "shipped threshold", "value", "sensitivity", "specificity", "AUC"], rows)


def group_table(groups: dict, first: str) -> str:
    """One row a group: groups is {kind: {group: figures}}."""
    rows = []
    for kind, members in groups.items():
        for name, own in members.items():
            malignant = [figure(own["malignant"], key) for key in ("auc", "sensitivity", "specificity")]
            whole = [figure(own, key) for key in ("accuracy", "balanced_accuracy", "macro_auc", "ece")]
            counts = own["n"], own.get("n_malignant", "–")
            rows.append([f"{kind}: {name}" if kind else name, *counts, *whole, *malignant])
    header = ["n", "malignant", "accuracy", "balanced accuracy", "macro AUC", "ECE"]
    return table([first, *header, "malignant AUC", "sensitivity", "specificity"], rows)


def parts_table(parts: dict) -> str:
    """How many photographs and lesions of each class the parts of a split hold."""
    rows = [
        [name, part["images"], part["lesions"], *(part["classes"][one] for one in CLASSES)]
        for name, part in parts.items()
    ]
    return table(["part", "photographs", "lesions", *CLASSES], rows)


def strangers_table(stopped: dict) -> str:
    rows = [[kind, own["n"], share_of(own["stopped"], own["n"])] for kind, own in stopped.items()]
    return table(["picture", "n", "stopped"], rows)


def changed_table(changed: dict) -> str:
    """What becomes of photographs that were changed; an older artefact tells only how many are stopped."""
    if any("missed" not in own for own in changed.values()):
        return strangers_table(changed)
    rows = []
    for kind, own in changed.items():
        n, malignant = own["n"], own["n_malignant"]
        counted = (("stopped", n), ("missed", malignant), ("marked", n - malignant))
        rows.append([kind, n, malignant, *(share_of(own[share], of) for share, of in counted)])
    return table(["picture", "n", "malignant", "stopped", "cancers missed", "others marked"], rows)


def views_table(compared: dict) -> str:
    keys = ("macro_auc", "malignant_auc", "melanoma_auc", "balanced_accuracy", "accuracy", "log_loss")
    rows = [
        [views, *(f"{own[key]:.3f}" for key in keys), f"{own['latency_ms']:.0f}"] for views, own in compared.items()
    ]
    return table(["views", *(key.replace("_", " ") for key in keys), "ms a photograph"], rows)

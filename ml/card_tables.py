"""The tables of the model card, in Markdown."""

from ml.labels import CLASSES, NAMES

# (name, path in the metrics, the figure to reach or None, whether more is better)
TARGETS = (
    ("macro AUC", ("macro_auc",), 0.96, True),
    ("accuracy, predicted class", ("accuracy",), 0.80, True),
    ("balanced accuracy, predicted class", ("plain", "balanced_accuracy"), None, True),
    ("balanced accuracy, balanced decision", ("balanced_accuracy",), 0.78, True),
    ("melanoma recall, predicted class", ("per_class", "mel", "sensitivity_plain"), None, True),
    ("melanoma recall, balanced decision", ("melanoma", "recall_balanced"), 0.75, True),
    ("specificity at malignant sensitivity 0.95, on this data's ROC", ("malignant", "specificity_at_95"), 0.65, True),
    ("expected calibration error", ("ece",), 0.03, False),
)


def figure(place: dict, name: str) -> str:
    """`0.912 (0.881 to 0.940)`, `0.912` where no interval can be had, or a dash where no figure can."""
    value = place.get(name)
    if value is None:
        return "–"
    low, high = place.get(f"{name}_interval") or (None, None)
    return f"{value:.3f}" if low is None else f"{value:.3f} ({low:.3f} to {high:.3f})"


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

    def add(name, shown, value, goal, larger):
        if goal is None:
            rows.append([name, shown, "–", "–"])
            return
        met = value is not None and (value >= goal if larger else value <= goal)
        rows.append([name, shown, f"{'≥' if larger else '≤'} {goal:g}", "yes" if met else "**no**"])
        if not met:
            missed.append(f"{name}: {shown}, wanted {goal:g}")

    for name, path, goal, larger in TARGETS:
        place, key = at(metrics, path)
        add(name, figure(place, key), place.get(key), goal, larger)
    for name in CLASSES:
        own = metrics["per_class"][name]
        add(f"AUC {name}", figure(own, "auc"), own["auc"], 0.92, True)
    for name, own in metrics["conformal"]["per_class"].items():
        if own["n"] >= 40 and own["coverage"] is not None:
            gap = abs(own["coverage"] - 0.9)
            add(f"coverage {name} within 0.02 of 0.9", figure(own, "coverage"), round(gap, 4), 0.02, False)
    text = "Every figure was reached."
    if missed:
        text = "**Missed**: " + "; ".join(missed) + "."
    return table(["figure", "measured", "to reach", "reached"], rows), text


def class_table(metrics: dict) -> str:
    rows = []
    for name in CLASSES:
        own = metrics["per_class"][name]
        covered = figure(metrics["conformal"]["per_class"][name], "coverage")
        figures = [figure(own, key) for key in ("auc", "sensitivity", "specificity", "sensitivity_plain")]
        rows.append([f"{name} ({NAMES[name]})", own["n"], *figures, covered])
    return table(["class", "n", "AUC", "sensitivity", "specificity", "sensitivity, plain argmax", "coverage"], rows)


def confusion_table(metrics: dict) -> str:
    matrix = metrics["confusion_matrix"]["balanced"]
    return table(["", *CLASSES], [[name, *row] for name, row in zip(CLASSES, matrix, strict=True)])


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


def strangers_table(stopped: dict) -> str:
    rows = [[kind, own["n"], f"{own['stopped']:.0%}"] for kind, own in stopped.items()]
    return table(["picture", "n", "stopped"], rows)


def changed_table(changed: dict) -> str:
    """What becomes of photographs that were changed; an older artefact tells only how many are stopped."""
    if any("missed" not in own for own in changed.values()):
        return strangers_table(changed)
    rows = [
        [kind, own["n"], own["n_malignant"], *(f"{own[share]:.0%}" for share in ("stopped", "missed", "marked"))]
        for kind, own in changed.items()
    ]
    return table(["picture", "n", "malignant", "stopped", "cancers missed", "others marked"], rows)


def views_table(compared: dict) -> str:
    keys = ("macro_auc", "malignant_auc", "melanoma_auc", "balanced_accuracy", "accuracy", "log_loss")
    rows = [
        [views, *(f"{own[key]:.3f}" for key in keys), f"{own['latency_ms']:.0f}"] for views, own in compared.items()
    ]
    return table(["views", *(key.replace("_", " ") for key in keys), "ms a photograph"], rows)

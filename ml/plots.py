"""The page of plots of an evaluation report."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ml.card_notes import counted
from ml.card_tables import figure as figure_of
from ml.labels import CLASSES

PAGE_SUFFIXES = (".svg", ".png", ".pdf")
INK, ACCENT, SOFT = "#1f2430", "#0b6e75", "#c9d6d8"


def check_page(path: Path) -> None:
    """Raises ValueError where no page could be drawn at `path`."""
    if path.suffix.lower() not in PAGE_SUFFIXES:
        raise ValueError(f"{path}: a page of plots is {', '.join(PAGE_SUFFIXES)}")
    if find_spec("matplotlib") is None:
        raise ValueError("plots need matplotlib: pip install -r requirements-train.txt")


def draw_page(report: dict, path: Path) -> None:
    """Write one page (.svg, .png or .pdf) for a report that `ml.evaluate` wrote."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    matplotlib.rcParams |= {"svg.hashsalt": "lesions", "font.size": 9, "axes.edgecolor": INK}
    figure, axes = pyplot.subplots(2, 3, figsize=(14, 8.5), layout="constrained")
    title = f"{report['model_version']}, {report['split'] or 'whole folder'}: {counted(report)}"
    figure.suptitle(f"{title}; bars, brackets and the band are 95 % intervals")
    draw_roc(axes[0, 0], report["malignant"])
    draw_classes(axes[0, 1], report["per_class"])
    draw_confusion(axes[0, 2], report["confusion_matrix"])
    draw_reliability(axes[1, 0], report)
    draw_coverage(axes[1, 1], report["conformal"])
    draw_slices(axes[1, 2], report["slices"])
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)


def draw_roc(axes, malignant: dict) -> None:
    curve = malignant["roc"]
    axes.plot(curve["false_positive_rate"], curve["sensitivity"], color=ACCENT)
    axes.plot((0, 1), (0, 1), color=SOFT, linestyle=":")
    if malignant["auc"] is not None:
        lows, highs = zip(*curve["sensitivity_intervals"], strict=True)
        axes.fill_between(curve["false_positive_rate"], lows, highs, color=ACCENT, alpha=0.15, linewidth=0)
    for name, point in malignant["operating_points"].items():
        sensitivity, specificity = point["sensitivity"], point["specificity"]
        label = f"{name.replace('_', ' ')}: {_text(sensitivity)} / {_text(specificity)}"
        is_known = sensitivity is not None and specificity is not None
        axes.plot(*([1 - specificity], [sensitivity]) if is_known else ([], []), "o", label=label)
    axes.legend(loc="lower right", title="threshold: sensitivity / specificity")
    axes.set(
        title=f"Malignant against benign: AUC {figure_of(malignant, 'auc')}",
        xlabel="1 - specificity",
        ylabel="sensitivity",
    )


def draw_classes(axes, per_class: dict) -> None:
    positions = np.arange(len(CLASSES))
    for shift, key, colour in ((-0.2, "auc", ACCENT), (0.2, "sensitivity", SOFT)):
        values = [_number(per_class[name][key]) for name in CLASSES]
        errors = _errors(values, [per_class[name][f"{key}_interval"] for name in CLASSES])
        axes.bar(positions + shift, values, 0.38, yerr=errors, color=colour, ecolor=INK, label=key)
    axes.set_xticks(positions, [f"{name}\n{per_class[name]['n']}" for name in CLASSES])
    axes.set(title="AUC, and sensitivity at argmax of p/prior", ylim=(0, 1.18))
    axes.legend(loc="upper center", ncols=2, frameon=False)


def draw_confusion(axes, confusion: dict) -> None:
    matrix = np.array(confusion["balanced"], dtype=float)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="GnBu", vmin=0, vmax=1)
    for row, column in np.ndindex(*matrix.shape):
        colour = "white" if shares[row, column] > 0.6 else INK
        axes.text(column, row, f"{matrix[row, column]:.0f}", ha="center", va="center", color=colour)
    axes.set_xticks(range(len(CLASSES)), CLASSES)
    axes.set_yticks(range(len(CLASSES)), CLASSES)
    axes.set(title="Decisions at argmax of p/prior", xlabel="decided", ylabel="true")


def draw_reliability(axes, report: dict) -> None:
    bins = [one for one in report["reliability"] if one["n"]]
    confidence = [one["confidence"] for one in bins]
    sizes = [8 + 300 * one["n"] / report["n"] for one in bins]
    axes.plot((0, 1), (0, 1), color=SOFT, linestyle=":")
    shares = [one["accuracy"] for one in bins]
    errors = _errors(shares, [one["accuracy_interval"] for one in bins])
    axes.errorbar(confidence, shares, errors, fmt="none", ecolor=INK, elinewidth=0.8)
    axes.scatter(confidence, shares, sizes, color=ACCENT)
    axes.set(
        title=f"Reliability: ECE {figure_of(report, 'ece')}",
        xlabel="confidence",
        ylabel="share right",
        xlim=(0, 1),
        ylim=(0, 1),
    )


def draw_coverage(axes, conformal: dict) -> None:
    names = [name for name in CLASSES if conformal["per_class"][name]["n"]]
    values = [conformal["per_class"][name]["coverage"] for name in names]
    errors = _errors(values, [conformal["per_class"][name]["coverage_interval"] for name in names])
    axes.errorbar(range(len(names)), values, errors, fmt="o", color=ACCENT, capsize=3)
    axes.axhline(0.9, color=INK, linestyle=":")
    axes.set_xticks(range(len(names)), names)
    title = f"Prediction sets: coverage; {conformal['mean_size']:.2f} classes a set"
    axes.set(title=title, ylim=(_lowest(0.5, values, errors), 1.02))


def draw_slices(axes, slices: dict) -> None:
    rows = [
        (f"{kind}: {group} ({figures['n']})", figures["malignant"])
        for kind, groups in slices.items()
        for group, figures in groups.items()
        if kind in ("age", "sex", "skin_tone", "image_size") and figures["malignant"]["auc"] is not None
    ]
    values = [malignant["auc"] for _, malignant in rows]
    errors = _errors(values, [malignant["auc_interval"] for _, malignant in rows])
    axes.errorbar(values, range(len(rows)), xerr=errors, fmt="o", color=ACCENT, capsize=2)
    axes.set_yticks(range(len(rows)), [label for label, _ in rows], fontsize=7)
    axes.invert_yaxis()
    axes.set(title="Malignant AUC by group (photographs)", xlim=(_lowest(0.4, values, errors), 1.02))


def _errors(values: list[float], intervals: list) -> np.ndarray:
    # A figure without an interval is drawn with no bracket.
    bounds = [interval or (value, value) for value, interval in zip(values, intervals, strict=True)]
    return np.array([(max(0, v - low), max(0, high - v)) for v, (low, high) in zip(values, bounds, strict=True)]).T


def _lowest(usual: float, values: list[float], errors: np.ndarray) -> float:
    """Where an axis of shares begins: at the usual place, or below the lowest bracket."""
    return min([usual, *(np.array(values) - errors[0] - 0.02)]) if len(values) else usual


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _number(value: float | None, otherwise: float = 0.0) -> float:
    return otherwise if value is None or not np.isfinite(value) else value

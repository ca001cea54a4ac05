"""Write the model card from model.json.

    python -m ml.card [--artifact ml/artifact] [--metrics REPORT.json]

With --metrics, a report of `ml.evaluate` is first stored in model.json. Headings follow Model Cards
(Mitchell et al., FAT* 2019) and CLEAR Derm (Daneshjou et al., JAMA Dermatology 2022).
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from ml import model_json
from ml.classifier import ARTIFACT
from ml.config import TrainConfig
from ml.labels import CLASSES, NAMES

NOTES = "notes.md"  # beside model.json: what a person has to say about this model
TEMPLATE = Path(__file__).parent / "card_template.md"
# Shown always; other settings of the training where they are not the default.
SETTINGS = (
    "init",
    "stages",
    "batch_size",
    "sampling",
    "focal_gamma",
    "peak_rate",
    "dropout",
    "average_momentum",
    "minutes",
)
DARK = ("tan", "brown", "dark")
# (name, path in the metrics, the figure to reach, whether more is better)
TARGETS = (
    ("macro AUC", ("macro_auc",), 0.96, True),
    ("balanced accuracy", ("balanced_accuracy",), 0.78, True),
    ("accuracy", ("accuracy",), 0.80, True),
    ("melanoma recall, balanced decision", ("melanoma", "recall_balanced"), 0.75, True),
    ("specificity at malignant sensitivity 0.95, on this data's ROC", ("malignant", "specificity_at_95"), 0.65, True),
    ("expected calibration error", ("ece",), 0.03, False),
)


def figure(place: dict, name: str) -> str:
    """`0.912 (0.881 to 0.940)`, or a dash where the data cannot give the figure."""
    value = place.get(name)
    if value is None:
        return "–"
    low, high = place.get(f"{name}_interval", (None, None))
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
            rows.append([f"{kind}: {name}" if kind else name, own["n"], *whole, *malignant])
    header = ["accuracy", "balanced accuracy", "macro AUC", "ECE"]
    return table([first, "n", *header, "malignant AUC", "sensitivity", "specificity"], rows)


def strangers_note(stopped: dict) -> str:
    """What the kinds of pictures are, as far as this artefact was tried on them."""
    note = "generated ones; example photographs of Python packages, whole and cropped"
    if "other pictures" in stopped:
        note += '; "other pictures" are those of the folder that `--others` named'
    return note


def strangers_table(stopped: dict) -> str:
    rows = [[kind, own["n"], f"{own['stopped']:.0%}"] for kind, own in stopped.items()]
    return table(["picture", "n", "stopped"], rows)


def views_table(compared: dict) -> str:
    keys = ("macro_auc", "malignant_auc", "melanoma_auc", "balanced_accuracy", "accuracy", "log_loss")
    rows = [
        [views, *(f"{own[key]:.3f}" for key in keys), f"{own['latency_ms']:.0f}"] for views, own in compared.items()
    ]
    return table(["views", *(key.replace("_", " ") for key in keys), "ms a photograph"], rows)


def settings_note(training: dict) -> str:
    """SETTINGS, and whatever else differs from ml.train's defaults."""
    usual = json.loads(json.dumps(asdict(TrainConfig())))  # with lists for tuples, as in model.json
    others = [
        name
        for name in usual
        if name not in (*SETTINGS, "class_counts") and training.get(name, usual[name]) != usual[name]
    ]
    return ", ".join(f"{name} {training[name]}" for name in (*SETTINGS, *others) if name in training)


def input_note(photograph: int, network: int) -> str:
    """What goes in: photographs of so many pixels a side, which the network may enlarge."""
    enlarged = "" if photograph == network else f" (enlarged to {network} x {network} by the network itself)"
    return f"{photograph} x {photograph} pixels in{enlarged}"


def networks_note(number: int) -> str:
    """What answers: one network, or the mean of several."""
    return "EfficientNetB3" if number == 1 else f"the mean of {number} EfficientNetB3 side by side, each"


def interval_note(metrics: dict) -> str:
    """Which intervals are of another kind; a report from before there were two says nothing of it."""
    if "intervals" not in metrics:
        return ""
    return (
        ", by percentiles; for the calibration error, to which resampling adds, by reverse percentiles; "
        "for a share in which all lesions agree, which resampling cannot move, Wilson's on these lesions"
    )


def write_card(metadata: dict, notes: str = "") -> str:
    """The card's text. Raises KeyError where model.json was not calibrated or not measured."""
    metrics, training, networks = metadata["metrics"], metadata["training"], model_json.networks(metadata)
    wanted, missed = targets(metrics)
    tones = metrics["slices"]["skin_tone"]
    dark = {name: tones[name]["n"] for name in DARK if name in tones}
    fusion, calibration = metadata["metadata_fusion"], metadata["conformal"]["n"]
    return TEMPLATE.read_text().format(
        **{key: metadata[key] for key in ("version", "created_at", "model_sha256", "weights_provenance")},
        input_note=input_note(metadata["input_size"], training["input_size"]),
        networks_note=networks_note(len(networks)),
        validation_state="Validated." if metadata["is_validated"] else "Not validated.",
        megabytes=f"{metadata['model_bytes'] / 2**20:.1f}",
        interval_note=interval_note(metrics),
        training="; the next network: ".join(settings_note(one["training"]) for one in networks),
        kernels=metadata.get("kernels", "float16"),
        agreement=f"{max(metadata['agreement']['largest_difference'].values()):.1e}",
        agreement_photographs=metadata["agreement"]["photographs"],
        agreement_limit=metadata["agreement"]["limit"],
        rounding_change=f"{metadata['agreement']['rounding']['largest_logit_change']:.2f}",
        rounding_same=f"{metadata['agreement']['rounding']['same_class']:.1%}",
        dark_skin=f"Of {metrics['n']} test photographs the following look darker than intermediate: {dark or 'none'}.",
        threshold_n=sum(calibration.values()),
        evaluation_data=f"{metrics['n']} photographs of {metrics['n_lesions']} lesions, split `{metrics['split']}`: "
        + ", ".join(f"{name} {metrics['per_class'][name]['n']}" for name in CLASSES)
        + ".",
        training_counts=", ".join(f"{n} {c}" for n, c in zip(CLASSES, training["class_counts"], strict=True)),
        manifest_hashes=", ".join(f"{name} `{sha[:12]}…`" for name, sha in metadata["manifest_sha256"].items()),
        targets_table=wanted,
        missed=missed,
        ece_by_chance=f"{metrics['ece_by_chance']:.3f}",
        notes=notes.strip(),
        class_table=class_table(metrics),
        confusion_table=confusion_table(metrics),
        operating_table=operating_table(metrics),
        conformal_level=metadata["conformal"]["level"],
        coverage=figure(metrics["conformal"], "coverage"),
        mean_size=figure(metrics["conformal"], "mean_size"),
        conformal_note="Quantiles rest on these numbers of photographs: "
        + ", ".join(f"{name} {n}" for name, n in calibration.items())
        + "; with under 40 the coverage of a class may be off by 10 points by chance alone, and a class with under 9 is"
        " in every set.",
        fusion_weight=f"{fusion['weight']:g}",
        fusion_temperature=f"{fusion['temperature']:.2f}",
        fusion_note="Log loss of the facts alone on calibration photographs: "
        + ", ".join(f"{name} {loss:.3f}" for name, loss in fusion["log_loss_alone"].items())
        + ".",
        metadata_table=group_table({"": metrics["metadata"]}, "facts told"),
        flagged=f"{metrics['out_of_distribution']['flagged_share']:.1%}",
        strangers_note=strangers_note(metadata["out_of_distribution"]["stopped"]),
        exposures=" to ".join(f"{factor:g}" for factor in metadata["out_of_distribution"]["exposures"]),
        strangers_table=strangers_table(metadata["out_of_distribution"]["stopped"]),
        changed_table=strangers_table(metadata["out_of_distribution"]["stopped_when_changed"]),
        views=metadata["test_time_augmentation"],
        views_table=views_table(metadata["views_compared"]),
        slices_table=group_table(metrics["slices"], "group"),
        plots="plots/test.svg",
        test_n=metrics["n"],
        prior=", ".join(f"{name} {p:.1%}" for name, p in zip(CLASSES, metadata["prior"], strict=True)),
        commands=table(["command", "wall time"], [[f"`{s['command']}`", _minutes(s)] for s in metadata["made_by"]]),
    )


def _minutes(step: dict) -> str:
    return "unknown" if step["seconds"] is None else f"{step['seconds'] / 60:.1f} min"


def _report_of(metadata: dict, path: Path) -> dict:
    """A report of ml.evaluate on this very artefact. Raises ValueError for one of something else."""
    version, views = metadata["version"], metadata["test_time_augmentation"]
    report = json.loads(path.read_text())
    if report.get("model_version") != version:
        raise ValueError(f"{path} measured {report.get('model_version')}, not {version}")
    if report["views"] != views:
        raise ValueError(f"{path} measured with the views {report['views']}, and the artefact uses {views}")
    if report["split"] in ("train", "validation", "calibration"):
        raise ValueError(f"{path} measured {report['split']}, on which the model was made")
    return report


def notes_on(version: str, path: Path) -> str:
    """What a person wrote of this very version, which the first line names; of another it says nothing."""
    if not path.exists():
        return ""
    first, _, notes = path.read_text().partition("\n")
    if first == f"<!-- {version} -->":
        return notes
    print(f"{path} is left out: its first line is not <!-- {version} -->", file=sys.stderr)
    return ""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ml.card", description=__doc__.split("\n")[0])
    parser.add_argument("--artifact", type=Path, default=ARTIFACT)
    parser.add_argument("--metrics", type=Path, help="a report of ml.evaluate, to be stored in model.json")
    options = parser.parse_args(arguments)
    try:
        metadata = model_json.read(options.artifact)
        if options.metrics:
            metadata["metrics"] = _report_of(metadata, options.metrics)
            model_json.write(options.artifact, metadata)
        card = write_card(metadata, notes_on(metadata["version"], options.artifact / NOTES))
    except (OSError, ValueError) as error:
        print(f"cannot write the card: {error}", file=sys.stderr)
        return 1
    except KeyError as error:
        print(f"model.json lacks {error}: run ml.calibrate, ml.views and ml.evaluate first", file=sys.stderr)
        return 1
    (options.artifact / "MODEL_CARD.md").write_text(card)
    return 0


if __name__ == "__main__":
    sys.exit(main())

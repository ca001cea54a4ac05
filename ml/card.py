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
from ml.card_tables import (
    changed_table,
    class_table,
    confusion_table,
    figure,
    group_table,
    operating_table,
    strangers_table,
    table,
    targets,
    views_table,
)
from ml.classifier import ARTIFACT
from ml.config import TrainConfig
from ml.labels import CLASSES

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


def strangers_note(stopped: dict) -> str:
    """What the kinds of pictures are, as far as this artefact was tried on them."""
    note = "generated ones; example photographs of Python packages, whole and cropped"
    if "other pictures" in stopped:
        note += '; "other pictures" are those of the folder that `--others` named'
    return note


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
    note = (
        ", by percentiles; for a calibration error, to which resampling adds, by reverse percentiles; "
        "for a share in which all lesions agree, which resampling cannot move, Wilson's on these lesions"
    )
    if "other figures that resampling cannot move" in metrics["intervals"]:
        note += ". Any other figure that resampling cannot move rests on too few and has none"
    return note


def counted(metrics: dict) -> str:
    """How many photographs, and of how many lesions where a table names these."""
    lesions = f" of {metrics['n_lesions']} lesions" if metrics["n_lesions"] else ""
    return f"{metrics['n']} photographs{lesions}"


def dark_skin_note(metrics: dict) -> str:
    """How many photographs show skin of the groups that the data hardly hold."""
    tones = metrics["slices"].get("skin_tone")
    if tones is None:
        return f"On none of {metrics['n']} test photographs could the tone of the skin be told."
    dark = ", ".join(f"{name} {tones[name]['n']}" for name in DARK if name in tones)
    return f"Of {metrics['n']} test photographs the following look darker than intermediate: {dark or 'none'}."


def risk_note(metrics: dict) -> str:
    """Whether the risks come true as often as they say; a report from before this was measured says nothing."""
    if "reliability" not in metrics["malignant"]:
        return ""
    return "".join(
        f" The mean {said} is {figure(metrics[name], 'mean_predicted')}, and {figure(metrics[name], 'share_true')} of"
        f" the photographs are {name}; in ten bins it is off by {figure(metrics[name], 'ece')} on average."
        for name, said in (("malignant", "malignancy risk"), ("melanoma", "p(mel)"))
    )


def write_card(metadata: dict, notes: str = "") -> str:
    """The card's text. Raises KeyError where model.json was not calibrated or not measured."""
    metrics, training, networks = metadata["metrics"], metadata["training"], model_json.networks(metadata)
    wanted, missed = targets(metrics)
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
        dark_skin=dark_skin_note(metrics),
        resampled=metrics.get("resampled", "lesions"),
        threshold_n=sum(calibration.values()),
        evaluation_data=f"{counted(metrics)}, {_where(metrics)}: "
        + ", ".join(f"{name} {metrics['per_class'][name]['n']}" for name in CLASSES)
        + ".",
        training_counts=", ".join(f"{n} {c}" for n, c in zip(CLASSES, training["class_counts"], strict=True)),
        manifest_hashes=", ".join(f"{name} `{sha[:12]}…`" for name, sha in metadata["manifest_sha256"].items()),
        targets_table=wanted,
        missed=missed,
        risk_note=risk_note(metrics),
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
        changed_table=changed_table(metadata["out_of_distribution"]["stopped_when_changed"]),
        views=metadata["test_time_augmentation"],
        views_table=views_table(metadata["views_compared"]),
        slices_table=group_table(metrics["slices"], "group"),
        plots="plots/test.svg",
        test_n=metrics["n"],
        prior=", ".join(f"{name} {p:.1%}" for name, p in zip(CLASSES, metadata["prior"], strict=True)),
        commands=table(["command", "wall time"], [[f"`{s['command']}`", _minutes(s)] for s in metadata["made_by"]]),
    )


def _where(metrics: dict) -> str:
    return f"split `{metrics['split']}`" if metrics["split"] else "a whole folder"


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

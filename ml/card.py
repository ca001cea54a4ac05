"""Write the model card from model.json.

    python -m ml.card [--artifact ml/artifact] [--metrics REPORT.json]

With --metrics, a report of `ml.evaluate` is first stored in model.json. Headings follow Model Cards
(Mitchell et al., FAT* 2019) and CLEAR Derm (Daneshjou et al., JAMA Dermatology 2022).
"""

import argparse
import json
import re
import sys
import time
from pathlib import Path

from ml import model_json
from ml.card_comparisons import facts_note, facts_table, others_note, others_table
from ml.card_notes import (
    counted,
    dark_skin_note,
    ece_note,
    flagged_note,
    input_note,
    interval_note,
    networks_note,
    parts_note,
    risk_note,
    settings_note,
    strangers_note,
)
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
from ml.data import MANIFESTS
from ml.labels import CLASSES

NOTES = "notes.md"  # beside model.json: what a person has to say about this model
TEMPLATE = Path(__file__).parent / "card_template.md"


def write_card(metadata: dict, notes: str = "", manifests: Path = MANIFESTS) -> str:
    """The card's text; manifests: of the split, whose sizes are told where it is the artefact's own.

    Raises KeyError where model.json was not calibrated or not measured.
    """
    metrics, training, networks = metadata["metrics"], metadata["training"], model_json.networks(metadata)
    wanted, missed = targets(metrics)
    passed = metadata["out_of_distribution"].get("passed_calibration", 0.99)
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
        parts=parts_note(training, parts_of(metadata, manifests)),
        manifest_hashes=", ".join(f"{name} `{sha[:12]}…`" for name, sha in metadata["manifest_sha256"].items()),
        targets_table=wanted,
        missed=missed,
        risk_note=risk_note(metrics),
        ece_note=ece_note(metrics),
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
        facts_table=facts_table(metrics),
        facts_note=facts_note(metrics),
        others_table=others_table(metrics),
        others_note=others_note(metrics),
        passed=f"{100 * passed:g} %",
        flagged_note=flagged_note(metrics, passed),
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
        commands=table(["command", "wall time"], [[f"`{_told(s)}`", _minutes(s)] for s in metadata["made_by"]]),
    )


def _where(metrics: dict) -> str:
    return f"split `{metrics['split']}`" if metrics["split"] else "a whole folder"


def _told(step: dict) -> str:
    """Its command with DIR and pictures, as in docs/model.md, for folders that lie elsewhere for everybody."""
    command = re.sub(r"(--data) ('[^']*'|\S+)", r"\1 DIR", step["command"])
    return re.sub(r"(--others) ('[^']*'|\S+)", r"\1 pictures", command)


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


def store_report(metadata: dict, report: dict) -> None:
    """Put a report's figures into model.json's settings, and its command to those that made the artefact.

    ml.evaluate only measures an artefact and writes nothing into it, so its report brings its command along.
    """
    metadata["metrics"] = {name: value for name, value in report.items() if name != "made_by"}
    if "made_by" in report:  # an older report does not tell
        model_json.note_step(metadata, report["made_by"])


def parts_of(metadata: dict, manifests: Path) -> dict | None:
    """The summary of the split that the artefact was made of, where `manifests` is that one."""
    path = manifests / "manifest.json"
    if not path.exists() or model_json.manifest_hashes(manifests) != metadata["manifest_sha256"]:
        return None
    return json.loads(path.read_text())["parts"]


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
    parser.add_argument("--manifests", type=Path, default=MANIFESTS, help="of the split, to tell its sizes")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    try:
        metadata = model_json.read(options.artifact)
        if options.metrics:
            store_report(metadata, _report_of(metadata, options.metrics))
            model_json.add_step(metadata, "ml.card", arguments or sys.argv[1:], started)
            model_json.write(options.artifact, metadata)
        notes = notes_on(metadata["version"], options.artifact / NOTES)
        card = write_card(metadata, notes, options.manifests)
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

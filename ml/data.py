"""Records of a skin-lesion folder, and their lesion-grouped split.

Two layouts are read, of which ml.tables tells more: HAM10000 (HAM10000_metadata.csv, or a table with its
columns) and ISIC 2018 Task 3 (one-hot ground-truth CSVs, optionally CSVs of lesions and facts). Pictures
lie in any folder below.

    python -m ml.data --data DIR --out FOLDER

writes a split of DIR's labelled photographs as manifests, for `--manifests FOLDER` of the other
commands.
"""

import argparse
import csv
import filecmp
import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ml import facts
from ml.files import files_below
from ml.labels import CLASSES
from ml.made_with import PARTS, fingerprint, write_signs
from ml.perceptual_hash import near_identical, perceptual_hash
from ml.preprocess import UnreadableImage, decode, to_square
from ml.tables import PICTURE_SUFFIXES, DatasetError, read_photographs, read_rows

FRACTIONS = {"train": 0.72, "validation": 0.06, "calibration": 0.10, "test": 0.12}
MANIFESTS = Path(__file__).parent / "manifests"
NAMED = 10  # of a list that may be long


@dataclass(frozen=True)
class Record:
    """One image. `label` is one of CLASSES, `age` is in years; what is not known is None.

    dx_type: by what the diagnosis is known, a word of HAM10000's ("histo", say); "" where it is not told.
    """

    image_id: str
    lesion_id: str
    path: Path
    label: str | None = None
    age: float | None = None
    sex: str | None = None
    site: str | None = None
    source: str | None = None
    dx_type: str = ""


def read_dataset(directory: Path | str) -> list[Record]:
    """Every image a folder's table names, ordered by image id.

    A row that tells no diagnosis may lack its picture, and is then left out; a fact that is not understood
    is unknown. Both are counted on stderr, where a truth that is not read is named. Raises NotADirectoryError
    when there is no such folder, and DatasetError when it has no table that is understood, when its table lacks
    a column, when a row with a diagnosis has no picture, two unlike ones or an unknown diagnosis, or is there twice.
    """
    records, left_out = _read(Path(directory), needs_all_pictures=True)
    if left_out:
        print(f"rows with neither a diagnosis nor a picture, left out: {left_out}", file=sys.stderr)
    return records


def read_pictured(directory: Path | str) -> tuple[list[Record], int]:
    """As read_dataset, but only the images of which the folder has a picture, and how many of the table it lacks.

    Raises DatasetError, as read_dataset does, when it has none at all.
    """
    return _read(Path(directory), needs_all_pictures=False)


def shortened(items: Sequence[str], separator: str = ", ") -> str:
    """The first NAMED of the items, and how many more there are."""
    more = [f"and {len(items) - NAMED} more"] if len(items) > NAMED else []
    return separator.join([*items[:NAMED], *more])


def load_pixels(records: list[Record], size: int, out: np.ndarray | None = None) -> np.ndarray:
    """Decoded and squared pictures, uint8 (N, size, size, 3), in the order of `records`.

    Raises DatasetError with the list of all unreadable files, after trying every one.
    """
    pixels = np.empty((len(records), size, size, 3), np.uint8) if out is None else out
    for position, image in decoded(records):
        pixels[position] = np.asarray(to_square(image, size))
    return pixels


def split_records(records: list[Record], seed: int = 0) -> dict[str, list[Record]]:
    """Split into train, validation, calibration and test by FRACTIONS.

    All images of a lesion, and of lesions that share a near-identical image, end in one
    part. Groups are dealt out class by class, each to the part that is furthest below its
    share of the class, so the parts keep the class frequencies. Raises DatasetError where the lesions
    are so few that a part would stay empty.
    """
    groups = defaultdict(list)
    for record, group in zip(records, group_lesions(records), strict=True):
        groups[group].append(record)
    order = np.random.default_rng(seed).permutation(len(groups))
    shuffled = [list(groups.values())[position] for position in order]
    parts: dict[str, list[Record]] = {name: [] for name in FRACTIONS}
    counts = {name: defaultdict(int) for name in FRACTIONS}
    # Large groups first: the small ones then even out what they leave.
    for group in sorted(shuffled, key=len, reverse=True):
        label = group[0].label
        total = sum(part[label] for part in counts.values()) + len(group)
        name = max(FRACTIONS, key=lambda part: FRACTIONS[part] * total - counts[part][label])
        parts[name].extend(group)
        counts[name][label] += len(group)
    if empty := [name for name, part in parts.items() if not part]:
        raise DatasetError(f"too few lesions ({len(_lesion_ids(records))}): no photograph for {', '.join(empty)}")
    return {name: sorted(part, key=lambda record: record.image_id) for name, part in parts.items()}


def group_lesions(records: list[Record]) -> list[int]:
    """A group number for each record: equal for one lesion and for lesion ids that share a
    near-identical picture (HAM10000 holds a few lesions under two ids).

    Raises DatasetError with the list of all unreadable files.
    """
    lesions = {lesion: number for number, lesion in enumerate(_lesion_ids(records))}
    parent = list(range(len(lesions)))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    hashes = [perceptual_hash(image) for _, image in decoded(records)]
    for first, second in near_identical(np.array(hashes)):
        one, other = root(lesions[records[first].lesion_id]), root(lesions[records[second].lesion_id])
        parent[max(one, other)] = min(one, other)
    return [root(lesions[record.lesion_id]) for record in records]


def write_manifests(parts: dict[str, list[Record]], directory: Path, seed: int) -> None:
    """Write each part's ids and labels as CSV, their SHA-256 to manifest.json, and what the photographs look
    like that a model is made with."""
    directory.mkdir(parents=True, exist_ok=True)
    summary = {"seed": seed, "fractions": FRACTIONS, "parts": {}}
    for name, part in parts.items():
        path = directory / f"{name}.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["image_id", "lesion_id", "label"])
            writer.writerows((r.image_id, r.lesion_id, r.label) for r in part)
        summary["parts"][name] = {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "images": len(part),
            "lesions": len({record.lesion_id for record in part}),
            "classes": {label: sum(r.label == label for r in part) for label in CLASSES},
        }
    (directory / "manifest.json").write_text(json.dumps(summary, indent=2) + "\n")
    made_with = [record for name in PARTS for record in parts[name]]
    write_signs(directory, [fingerprint(image) for _, image in decoded(made_with)])


def read_split(records: list[Record], name: str, directory: Path = MANIFESTS) -> list[Record]:
    """The records that a manifest names. Raises DatasetError when the manifest does not
    match its hash or the folder lacks one of its images."""
    path = directory / f"{name}.csv"
    if name not in FRACTIONS or not path.exists():
        raise DatasetError(f"no manifest for a split called {name!r}")
    summary = json.loads((directory / "manifest.json").read_text())
    if hashlib.sha256(path.read_bytes()).hexdigest() != summary["parts"][name]["sha256"]:
        raise DatasetError(f"{path} does not match the hash in manifest.json")
    known = {record.image_id: record for record in records}
    wanted = [row["image_id"] for row in read_rows(path)]
    missing = [image_id for image_id in wanted if image_id not in known]
    if missing:
        raise DatasetError(f"{len(missing)} images of {name} are missing: {shortened(missing)}")
    return [known[image_id] for image_id in wanted]


def decoded(records: list[Record]) -> Iterator[tuple[int, Image.Image]]:
    """Each record's position and picture; at the end DatasetError, where files were unreadable."""
    faults = []
    for position, record in enumerate(records):
        try:
            image = decode(record.path.read_bytes())
        except (UnreadableImage, OSError) as error:
            faults.append(f"{record.path}: {error}")
        else:
            yield position, image
    if faults:
        raise DatasetError(f"{len(faults)} unreadable files:\n" + "\n".join(faults))


def _lesion_ids(records: list[Record]) -> list[str]:
    return list(dict.fromkeys(record.lesion_id for record in records))


def _read(directory: Path, needs_all_pictures: bool) -> tuple[list[Record], int]:
    """The records, and how many rows were left out for want of a picture."""
    pictures, twins = _pictures(directory)
    rows, tables_left_out = read_photographs(directory, pictures)
    needs_all_pictures |= not any(row["image_id"] in pictures for row in rows)
    kept = [row for row in rows if row["image_id"] in pictures or (needs_all_pictures and row["dx"])]
    records = [_record(row, pictures) for row in kept]
    notes = [f"table left out: {reason}" for reason in tables_left_out]
    _check(directory, records, twins, notes)
    for column, odd in facts.not_understood(kept).items():
        values = shortened([repr(value) for value, _ in odd.most_common()])
        notes.append(f"{column}, not understood and taken as unknown: {odd.total()} ({values})")
    for note in notes:
        print(note, file=sys.stderr)
    return sorted(records, key=lambda record: record.image_id), len(rows) - len(kept)


def _pictures(directory: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """Each picture by its file name's stem, and of those that are there twice and differ the other one."""
    pictures, twins = {}, {}
    for path in files_below(directory, PICTURE_SUFFIXES):
        first = pictures.setdefault(path.stem, path)
        if first != path and not filecmp.cmp(first, path, shallow=False):
            twins[path.stem] = path
    return pictures, twins


def _record(row: dict[str, str | None], pictures: dict[str, Path]) -> Record:
    return Record(
        image_id=row["image_id"],
        lesion_id=row["lesion_id"],
        path=pictures.get(row["image_id"]),
        label=row["dx"],
        source=row.get("dataset") or None,
        dx_type=row.get("dx_type", "").lower(),
        **facts.understood(row),
    )


def _check(directory: Path, records: list[Record], twins: dict[str, Path], notes: list[str]) -> None:
    faults = [f"{r.image_id}: no picture" for r in records if r.path is None]
    faults += [
        f"{r.image_id}: two pictures that differ, {r.path} and {twins[r.image_id]}"
        for r in records
        if r.image_id in twins
    ]
    faults += [
        f"{r.image_id}: diagnosis {r.label!r} is not one of {', '.join(CLASSES)}"
        for r in records
        if r.label is not None and r.label not in CLASSES
    ]
    seen = set()
    for record in records:
        if record.image_id in seen:
            faults.append(f"{record.image_id}: listed twice")
        seen.add(record.image_id)
    if not records:
        faults.append("no image is listed")
    if faults:
        raise DatasetError("\n".join([f"{directory}, {len(faults)} faults:", shortened(faults, "\n"), *notes]))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ml.data", description="Split a folder's labelled photographs.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="for the manifests")
    parser.add_argument("--seed", type=int, default=0, help="another one, another split")
    options = parser.parse_args(arguments)
    try:
        known = read_dataset(options.data)
        records = [record for record in known if record.label is not None]
        if unlabelled := len(known) - len(records):
            print(f"photographs without a diagnosis, left out: {unlabelled}", file=sys.stderr)
        parts = split_records(records, options.seed)
        write_manifests(parts, options.out, options.seed)
    except (OSError, ValueError) as error:
        print(f"cannot split: {error}", file=sys.stderr)
        return 1
    print(", ".join(f"{name} {len(part)}" for name, part in parts.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())

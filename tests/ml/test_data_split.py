"""The lesion-grouped split, its manifests, and the command that writes them."""

import csv
import json
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from ml.data import (
    FRACTIONS,
    MANIFESTS,
    DatasetError,
    main,
    read_dataset,
    read_split,
    split_records,
    write_manifests,
)
from ml.labels import CLASSES
from ml.made_with import SIGNS
from ml.perceptual_hash import near_identical, perceptual_hash
from tests.ml.tiny import paint_lesion, write_isic


def test_no_lesion_is_in_two_parts_and_nothing_is_lost(tiny_dataset):
    records = read_dataset(tiny_dataset)
    parts = split_records(records, seed=1)
    assert sorted(r.image_id for part in parts.values() for r in part) == [r.image_id for r in records]
    homes = [{record.lesion_id for record in part} for part in parts.values()]
    assert sum(len(home) for home in homes) == len(set.union(*homes))


def test_each_part_gets_its_share_of_each_class(tiny_dataset):
    records = read_dataset(tiny_dataset)
    totals = Counter(record.label for record in records)
    for name, part in split_records(records, seed=1).items():
        counts = Counter(record.label for record in part)
        for label in CLASSES:
            assert abs(counts[label] - FRACTIONS[name] * totals[label]) <= 2


def test_the_split_depends_on_the_seed_alone(tiny_dataset):
    records = read_dataset(tiny_dataset)
    assert split_records(records, seed=1) == split_records(records, seed=1)
    assert split_records(records, seed=1) != split_records(records, seed=2)


def test_lesions_that_share_a_picture_under_two_ids_stay_together(writable):
    records = read_dataset(writable)
    first = records[0]
    others = [r for r in records if r.label == first.label and r.lesion_id != first.lesion_id][:4]
    for other in others:
        # The same picture again, smaller and compressed harder.
        with Image.open(first.path) as image:
            image.resize((100, 75)).save(other.path, quality=70)
    for seed in range(3):
        parts = split_records(records, seed=seed)
        together = {first.lesion_id, *(other.lesion_id for other in others)}
        homes = [n for n, part in parts.items() if together & {r.lesion_id for r in part}]
        assert len(homes) == 1


def test_unlike_pictures_are_not_near_identical():
    hashes = np.array([perceptual_hash(paint_lesion(label, seed)) for seed, label in enumerate(CLASSES)])
    blank = perceptual_hash(Image.new("RGB", (50, 50)))
    assert near_identical(np.vstack([hashes, blank, blank])) == []


def test_manifests_give_the_split_back_and_notice_a_change(tiny_dataset, tmp_path):
    records = read_dataset(tiny_dataset)
    parts = split_records(records)
    write_manifests(parts, tmp_path, seed=0)
    for name, part in parts.items():
        assert read_split(records, name, tmp_path) == part
    with pytest.raises(DatasetError, match=rf"are missing: (ISIC_\d+, ){{10}}and {len(parts['train']) - 10} more$"):
        read_split([], "train", tmp_path)
    with (tmp_path / "test.csv").open("a") as file:
        file.write("ISIC_9999999,HAM_x,nv\n")
    with pytest.raises(DatasetError, match="does not match the hash"):
        read_split(records, "test", tmp_path)
    with pytest.raises(DatasetError, match="no manifest"):
        read_split(records, "holdout", tmp_path)


def test_command_writes_the_split_of_what_has_a_label(writable, tmp_path, capsys):
    table = writable / "HAM10000_metadata.csv"
    table.write_text(table.read_text().replace(",vasc,", ",,"))
    assert main(["--data", str(writable), "--out", str(tmp_path / "split")]) == 0
    records = read_dataset(writable)
    parts = {name: read_split(records, name, tmp_path / "split") for name in FRACTIONS}
    assert {record.label for part in parts.values() for record in part} == set(CLASSES) - {"vasc"}
    said = capsys.readouterr()
    assert said.out.startswith(f"train {len(parts['train'])}, ")
    assert said.err == "photographs without a diagnosis, left out: 24\n"


@pytest.mark.parametrize(("labels", "empty"), [(["nv"] * 3 + ["mel"], "validation"), ([], "train, validation")])
def test_too_few_lesions_for_a_split_are_one_sentence_and_nothing_is_written(tmp_path, capsys, labels, empty):
    folder = write_isic(tmp_path / "isic", labels + ["vasc"])
    truth = folder / "truth.csv"
    truth.write_text(truth.read_text().replace("0.0,1.0\n", "0.0,0.0\n"))  # the vascular one is none of the seven
    assert main(["--data", str(folder), "--out", str(tmp_path / "split")]) == 1
    *_, said = capsys.readouterr().err.splitlines()
    assert said.startswith(f"cannot split: too few lesions ({len(labels)}): no photograph for {empty}")
    assert not (tmp_path / "split").exists()


def test_command_says_which_picture_it_cannot_read(tmp_path, capsys):
    folder = write_isic(tmp_path / "isic", ["nv", "mel"])
    (folder / "ISIC_0000001.jpg").write_bytes(b"no picture")
    assert main(["--data", str(folder), "--out", str(tmp_path / "split")]) == 1
    assert "ISIC_0000001.jpg" in capsys.readouterr().err
    assert not (tmp_path / "split").exists()


def test_the_committed_manifests_are_disjoint_by_lesion():
    summary = json.loads((MANIFESTS / "manifest.json").read_text())
    homes = []
    for name in FRACTIONS:
        with (MANIFESTS / f"{name}.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == summary["parts"][name]["images"]
        homes.append({row["lesion_id"] for row in rows})
    assert sum(len(home) for home in homes) == len(set.union(*homes)) == 7470


@pytest.mark.slow
def test_the_committed_manifests_are_what_the_split_gives(ham10000, tmp_path):
    write_manifests(split_records(read_dataset(ham10000)), tmp_path, seed=0)
    for name in (*(f"{part}.csv" for part in FRACTIONS), "manifest.json"):
        assert (tmp_path / name).read_bytes() == (MANIFESTS / name).read_bytes()
    unlike = np.bitwise_count(np.load(tmp_path / SIGNS) ^ np.load(MANIFESTS / SIGNS))
    assert unlike.mean() < 0.08, "of the eight bits of a byte another Pillow may round a few otherwise, no more"

"""Both layouts, the lesion-grouped split, the manifests."""

import csv
import json
import shutil
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from ml.data import (
    FRACTIONS,
    MANIFESTS,
    DatasetError,
    load_pixels,
    main,
    read_dataset,
    read_split,
    split_records,
    write_manifests,
)
from ml.labels import CLASSES
from ml.made_with import SIGNS
from ml.perceptual_hash import near_identical, perceptual_hash
from tests.ml.tiny import paint_lesion


@pytest.fixture
def writable(tiny_dataset, tmp_path):
    return shutil.copytree(tiny_dataset, tmp_path / "data")


def write_isic(folder, labels, lesions=None):
    folder.mkdir()
    for number, label in enumerate(labels):
        paint_lesion(label, number).save(folder / f"ISIC_{number:07d}.jpg")
    with (folder / "truth.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"])
        for number, label in enumerate(labels):
            order = ["mel", "nv", "bcc", "akiec", "bkl", "df", "vasc"]
            writer.writerow([f"ISIC_{number:07d}", *(float(name == label) for name in order)])
    if lesions:
        with (folder / "grouping.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["image", "lesion_id"])
            writer.writerows((f"ISIC_{n:07d}", lesion) for n, lesion in enumerate(lesions))
    return folder


def test_ham10000_rows_become_records_and_unknown_facts_none(tiny_dataset):
    records = read_dataset(tiny_dataset)
    assert len(records) == 168
    assert {record.label for record in records} == set(CLASSES)
    assert all(record.path.exists() for record in records)
    assert any(record.age is None for record in records)
    assert any(record.sex is None for record in records)
    assert [record.image_id for record in records] == sorted(r.image_id for r in records)


def test_the_official_two_folders_load_as_one_data_set(writable):
    flat = read_dataset(writable)
    pictures = sorted((writable / "images").iterdir())
    for part in (1, 2):
        folder = writable / f"HAM10000_images_part_{part}"
        folder.mkdir()
        for picture in pictures[part - 1 :: 2]:
            picture.rename(folder / picture.name)
    split = read_dataset(writable)
    assert [r.image_id for r in split] == [r.image_id for r in flat]
    assert {r.path.parent.name for r in split} == {"HAM10000_images_part_1", "HAM10000_images_part_2"}


def test_isic_2018_ground_truth_loads_with_and_without_lesions(tmp_path):
    labels = ["nv", "mel", "vasc", "akiec"]
    alone = read_dataset(write_isic(tmp_path / "alone", labels))
    assert [record.label for record in alone] == labels
    assert [record.lesion_id for record in alone] == [record.image_id for record in alone]
    grouped = read_dataset(write_isic(tmp_path / "grouped", labels, ["a", "a", "b", "c"]))
    assert [record.lesion_id for record in grouped] == ["a", "a", "b", "c"]


def move_rows(table, start, target):
    """The rows from number `start` on go to a table of their own."""
    header, *rows = table.read_text().splitlines(keepends=True)
    table.write_text("".join([header, *rows[:start]]))
    target.write_text("".join([header, *rows[start:]]))


def test_several_isic_tables_are_one_truth(tmp_path):
    labels = ["nv", "mel", "vasc", "akiec"]
    folder = write_isic(tmp_path / "isic", labels, ["a", "a", "b", "c"])
    move_rows(folder / "truth.csv", 2, folder / "more_truth.csv")
    move_rows(folder / "grouping.csv", 2, folder / "more_grouping.csv")
    records = read_dataset(folder)
    assert [record.label for record in records] == labels
    assert [record.lesion_id for record in records] == ["a", "a", "b", "c"]
    shutil.copy(folder / "truth.csv", folder / "again.csv")
    with pytest.raises(DatasetError, match="listed twice"):
        read_dataset(folder)


def test_facts_are_read_as_serving_reads_them(writable):
    table = writable / "HAM10000_metadata.csv"
    first = read_dataset(writable)[0]
    header, *rows = table.read_text().splitlines()
    columns = header.split(",")
    row = dict(zip(columns, next(row for row in rows if first.image_id in row).split(","), strict=True))
    row |= {"age": "62 ", "sex": "Male", "localization": " Back"}
    table.write_text(f"{header}\n{','.join(row[column] for column in columns)}\n")
    [record] = read_dataset(writable)
    assert (record.age, record.sex, record.site) == (62.0, "male", "back")


def test_what_a_diagnosis_rests_on_is_read_where_it_is_told(writable):
    assert {record.dx_type for record in read_dataset(writable)} == {"histo"}
    table = writable / "HAM10000_metadata.csv"
    told = table.read_text()
    table.write_text(told.replace(",histo,", ", Follow_Up,", 1))
    assert sorted(record.dx_type for record in read_dataset(writable))[:2] == ["follow_up", "histo"]
    table.write_text(told.replace("dx_type", "other"))
    assert {record.dx_type for record in read_dataset(writable)} == {""}


@pytest.mark.parametrize("suffix", [".bmp", ".tif", ".TIFF", ".webp", ".PNG"])
def test_pictures_of_every_form_that_can_be_decoded_are_found(tmp_path, suffix):
    folder = write_isic(tmp_path / "isic", ["nv", "mel"])
    picture = folder / "ISIC_0000001.jpg"
    paint_lesion("mel", 1).save(picture.with_suffix(suffix))
    picture.unlink()
    records = read_dataset(folder)
    assert records[1].path.suffix == suffix
    assert load_pixels(records, 24).shape == (2, 24, 24, 3)


def test_ids_that_are_written_as_file_names_find_their_pictures(writable):
    plain = read_dataset(writable)
    table = writable / "HAM10000_metadata.csv"
    table.write_text(table.read_text().replace("ISIC_0000001,", "ISIC_0000001.JPG ,"))
    assert read_dataset(writable) == plain


def test_two_pictures_of_one_name_must_be_the_same(writable):
    picture = writable / "images" / "ISIC_0000001.jpg"
    copy = writable / "elsewhere" / picture.name
    copy.parent.mkdir()
    copy.write_bytes(picture.read_bytes())
    assert read_dataset(writable)
    copy.with_suffix(".png").write_bytes(b"a mask")
    with pytest.raises(DatasetError, match="ISIC_0000001: two pictures that differ"):
        read_dataset(writable)


def test_missing_pictures_and_unknown_diagnoses_are_all_named(writable):
    for name in ("ISIC_0000001", "ISIC_0000009"):
        (writable / "images" / f"{name}.jpg").unlink()
    table = writable / "HAM10000_metadata.csv"
    table.write_text(table.read_text().replace("ISIC_0000003,nv", "").replace(",mel,", ",scc,", 1))
    with pytest.raises(DatasetError) as error:
        read_dataset(writable)
    assert "ISIC_0000001: no picture" in str(error.value)
    assert "ISIC_0000009: no picture" in str(error.value)
    assert "'scc' is not one of" in str(error.value)


def test_row_without_a_diagnosis_needs_no_picture(writable):
    table = writable / "HAM10000_metadata.csv"
    before = read_dataset(writable)
    for record in before[:2]:
        table.write_text(table.read_text().replace(f"{record.image_id},{record.label}", f"{record.image_id},"))
    before[0].path.unlink()
    records = read_dataset(writable)
    assert [r.image_id for r in records] == [r.image_id for r in before[1:]]
    assert [r.label for r in records[:2]] == [None, before[2].label]


def test_a_folder_without_a_table_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="neither"):
        read_dataset(tmp_path)


def test_every_unreadable_file_is_listed_and_stops_the_run(writable):
    records = read_dataset(writable)
    records[3].path.write_bytes(b"not a picture")
    records[8].path.write_bytes(records[8].path.read_bytes()[:300])
    with pytest.raises(DatasetError, match="2 unreadable files") as error:
        load_pixels(records, 32)
    assert str(records[3].path) in str(error.value)
    assert str(records[8].path) in str(error.value)


def test_pixels_follow_the_records_order(tiny_dataset):
    records = read_dataset(tiny_dataset)
    pixels = load_pixels(records[:5], 24)
    assert pixels.shape == (5, 24, 24, 3)
    assert pixels.dtype == np.uint8
    assert (load_pixels([records[4]], 24)[0] == pixels[4]).all()


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
    with pytest.raises(DatasetError, match="are missing"):
        read_split(records[:50], "train", tmp_path)
    with (tmp_path / "test.csv").open("a") as file:
        file.write("ISIC_9999999,HAM_x,nv\n")
    with pytest.raises(DatasetError, match="does not match the hash"):
        read_split(records, "test", tmp_path)
    with pytest.raises(DatasetError, match="no manifest"):
        read_split(records, "holdout", tmp_path)


def test_command_writes_the_split_of_what_has_a_label(tmp_path, capsys):
    folder = write_isic(tmp_path / "isic", ["nv", "mel", "vasc"])
    truth = folder / "truth.csv"
    truth.write_text(truth.read_text().replace("0.0,1.0\n", "0.0,0.0\n"))  # the vascular one is none of the seven
    assert main(["--data", str(folder), "--out", str(tmp_path / "split")]) == 0
    records = read_dataset(folder)
    parts = {name: read_split(records, name, tmp_path / "split") for name in FRACTIONS}
    assert sorted(record.label for part in parts.values() for record in part) == ["mel", "nv"]
    assert capsys.readouterr().out.startswith(f"train {len(parts['train'])}, ")


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

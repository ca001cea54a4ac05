"""Both layouts: which photographs a folder holds, and what its tables tell of them."""

import csv
import shutil

import numpy as np
import pytest

from ml.data import DatasetError, load_pixels, read_dataset, read_pictured
from ml.labels import CLASSES
from tests.ml.tiny import paint_lesion, write_isic


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


def test_facts_that_are_not_understood_are_unknown_and_named(writable, capsys):
    table = writable / "HAM10000_metadata.csv"
    read_dataset(writable)
    assert capsys.readouterr().err == ""
    with table.open() as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        row["age"] = "forty" if number < 3 else "²" if number == 3 else "unknown"
        row["localization"] = f"Place {number:02}" if number < 15 else "Back"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    records = read_dataset(writable)
    assert {record.age for record in records} == {None}
    assert sum(record.site is None for record in records) == 15
    places = ", ".join(f"'Place {number:02}'" for number in range(10))
    assert capsys.readouterr().err.splitlines() == [
        "age, not understood and taken as unknown: 4 ('forty', '²')",
        f"localization, not understood and taken as unknown: 15 ({places}, and 5 more)",
    ]


def test_age_that_nobody_reaches_is_unknown_and_named(writable, capsys):
    table = writable / "HAM10000_metadata.csv"
    ages = [record.age for record in read_dataset(writable)]
    table.write_text(table.read_text().replace(",histo,35,", ",histo,500,", 1).replace(",histo,40,", ",histo,120,", 1))
    changed = [record.age for record in read_dataset(writable)]
    assert (changed.count(None), changed.count(120)) == (ages.count(None) + 1, 1)
    assert capsys.readouterr().err == "age, not understood and taken as unknown: 1 ('500')\n"


def test_isics_places_are_read_only_where_they_mean_one_of_ham10000s(tmp_path, capsys):
    folder = write_isic(tmp_path / "isic", ["nv", "mel", "bcc", "df"])
    places = ["Posterior torso", "lower extremity", "head/neck", "torso"]
    rows = [f"ISIC_{number:07d},40.0,male,{place}\n" for number, place in enumerate(places)]
    (folder / "metadata.csv").write_text("isic_id,age_approx,sex,anatom_site_general\n" + "".join(rows))
    records = read_dataset(folder)
    assert [record.site for record in records] == ["back", "lower extremity", None, None]
    assert {(record.age, record.sex) for record in records} == {(40.0, "male")}
    assert capsys.readouterr().err == ("localization, not understood and taken as unknown: 2 ('head/neck', 'torso')\n")


def test_pictures_behind_links_are_found_and_a_link_upwards_ends(writable, tmp_path):
    before = read_dataset(writable)
    (writable / "images").rename(tmp_path / "elsewhere")
    (writable / "photographs").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "up").symlink_to(writable)
    records = read_dataset(writable)
    assert [record.image_id for record in records] == [record.image_id for record in before]
    assert {record.path.parent for record in records} == {writable / "photographs"}


def test_truth_that_is_not_read_is_named_with_and_without_a_fault(writable, capsys):
    (writable / "clinic.csv").write_text("image_id,dx\nISIC_0000001,nv\n")
    named = f"table left out: {writable / 'clinic.csv'}: {writable / 'HAM10000_metadata.csv'} is read instead"
    read_dataset(writable)
    assert capsys.readouterr().err.splitlines() == [named]
    (writable / "images" / "ISIC_0000001.jpg").unlink()
    with pytest.raises(DatasetError) as error:
        read_dataset(writable)
    assert str(error.value).splitlines()[1:] == ["ISIC_0000001: no picture", named]


def test_truth_that_has_the_pictures_is_read_before_the_official_one(tmp_path, tiny_dataset, capsys):
    folder = write_isic(tmp_path / "isic", ["nv", "mel"])
    official = folder / "HAM10000_metadata.csv"
    official.write_text((tiny_dataset / official.name).read_text().replace("ISIC_", "HAM_"))
    assert [record.label for record in read_dataset(folder)] == ["nv", "mel"]
    assert capsys.readouterr().err == (
        f"table left out: {official}: there is a picture of none of its rows, {folder / 'truth.csv'} is read instead\n"
    )


def test_rows_without_a_picture_can_be_counted_instead_of_refused(writable):
    records = read_dataset(writable)
    for record in records[2:]:
        record.path.unlink()
    table = writable / "HAM10000_metadata.csv"
    table.write_text(
        table.read_text().replace(f"{records[9].image_id},{records[9].label}", f"{records[9].image_id},scc")
    )
    assert read_pictured(writable) == (records[:2], 166)
    shutil.rmtree(writable / "images")
    with pytest.raises(DatasetError, match=f"{records[0].image_id}: no picture"):
        read_pictured(writable)


@pytest.mark.parametrize("read", [read_dataset, read_pictured])
def test_folder_that_is_not_there_is_called_so(tmp_path, read):
    (tmp_path / "file").touch()
    for path in (tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(NotADirectoryError, match=f"^no such folder: {path}$"):
            read(path)


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


def test_long_list_of_faults_is_cut_and_counted(writable):
    shutil.rmtree(writable / "images")
    with pytest.raises(DatasetError) as error:
        read_dataset(writable)
    first, *named, last = str(error.value).splitlines()
    assert first == f"{writable}, 168 faults:"
    assert (len(named), last) == (10, "and 158 more")


def test_row_without_a_diagnosis_needs_no_picture(writable, capsys):
    table = writable / "HAM10000_metadata.csv"
    before = read_dataset(writable)
    for record in before[:2]:
        table.write_text(table.read_text().replace(f"{record.image_id},{record.label}", f"{record.image_id},"))
    before[0].path.unlink()
    records = read_dataset(writable)
    assert [r.image_id for r in records] == [r.image_id for r in before[1:]]
    assert [r.label for r in records[:2]] == [None, before[2].label]
    assert capsys.readouterr().err == "rows with neither a diagnosis nor a picture, left out: 1\n"


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

"""Which tables of a folder are read, and what their cells mean."""

import pytest

from ml.tables import DatasetError, photograph_id, read_photographs, read_rows

DIAGNOSES = "image_id,lesion_id,dx,age\nISIC_1,L1,mel,40\nISIC_2,L2,nv,50\n"
ONE_HOT = "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\nISIC_1,0,1,0,0,0,0,0\nISIC_2,0,1,0,0,0,0,0\n"
LATIN = "image,note\nISIC_1,Nävus\n".encode("latin-1")
MELANOMA_AND_MOLE = [("ISIC_1", "L1", "mel"), ("ISIC_2", "L2", "nv")]
TWO_MOLES = [("ISIC_1", "ISIC_1", "nv"), ("ISIC_2", "ISIC_2", "nv")]


FACTS = "image,lesion_id,age,sex,localization\nISIC_1,L1,40,male,back\nISIC_2.jpg,L1,unknown,,face\n"


def read_both(folder, pictured=()):
    rows, left_out = read_photographs(folder, pictured)
    return [(row["image_id"], row["lesion_id"], row["dx"]) for row in rows], left_out


def read(folder):
    return read_both(folder)[0]


@pytest.mark.parametrize(
    ("cell", "meant"),
    [
        ("ISIC_0024306.jpg", "ISIC_0024306"),
        (" ISIC_0024306 ", "ISIC_0024306"),
        ("ISIC_0024306.JPEG\t", "ISIC_0024306"),
        ("ISIC_0024306.tif", "ISIC_0024306"),
        ("clinic.7", "clinic.7"),
        ("jpg", "jpg"),
        (".png", ".png"),
    ],
)
def test_id_is_what_is_left_of_blanks_and_the_pictures_suffix(cell, meant):
    assert photograph_id(cell) == meant


@pytest.mark.parametrize(
    ("name", "text", "photographs"),
    [
        ("my_clinic.csv", DIAGNOSES, MELANOMA_AND_MOLE),
        ("HAM10000_metadata.CSV", DIAGNOSES, MELANOMA_AND_MOLE),
        ("my_clinic.CSV", ONE_HOT, TWO_MOLES),
        ("my_clinic.csv", DIAGNOSES.replace("image_id,lesion_id,dx", " Image_ID ,LESION_ID,Dx "), MELANOMA_AND_MOLE),
        ("my_clinic.csv", ONE_HOT.replace("image,MEL,NV", "Image,mel , Nv"), TWO_MOLES),
        ("my_clinic.csv", ONE_HOT.replace("image,", "image_id,"), TWO_MOLES),
        ("my_clinic.csv", ONE_HOT.replace("image,", "isic_id,"), TWO_MOLES),
        ("my_clinic.csv", DIAGNOSES.replace("image_id,", "isic_id,"), MELANOMA_AND_MOLE),
        ("my_clinic.csv", DIAGNOSES.replace("image_id,", "image,"), MELANOMA_AND_MOLE),
        ("my_clinic.csv", "\ufeff" + DIAGNOSES.replace("\n", "\r\n"), MELANOMA_AND_MOLE),
        ("my_clinic.csv", "\ufeff" + ONE_HOT.replace("\n", "\r\n"), TWO_MOLES),
        ("my_clinic.csv", DIAGNOSES.replace("ISIC_1", "ISIC_1.jpg").replace("mel", " MEL "), MELANOMA_AND_MOLE),
        ("my_clinic.csv", ONE_HOT.replace("ISIC_1", '"ISIC_1 "').replace("ISIC_2", "ISIC_2.PNG"), TWO_MOLES),
        ("my_clinic.csv", ONE_HOT.replace(",", ";"), TWO_MOLES),
        ("my_clinic.csv", "\ufeff" + DIAGNOSES.replace(",", ";"), MELANOMA_AND_MOLE),
        ("HAM10000_metadata.csv", DIAGNOSES.replace(",", "\t"), MELANOMA_AND_MOLE),
    ],
)
def test_table_is_known_by_its_columns(tmp_path, name, text, photographs):
    (tmp_path / name).write_bytes(text.encode())
    assert read_both(tmp_path) == (photographs, [])


def test_isic_2019_tells_keratoses_and_what_is_none_of_the_seven(tmp_path):
    (tmp_path / "truth.csv").write_text(
        "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK\nISIC_1,0,0,0,1,0,0,0,0,0\nISIC_2,0,0,0,0,0,0,0,1,0\n"
    )
    assert [dx for _, _, dx in read(tmp_path)] == ["akiec", None]


def test_ak_beside_akiec_is_not_read_instead_of_it(tmp_path):
    text = ONE_HOT.replace("VASC\n", "VASC,AK\n").replace("0\n", "0,1\n")
    (tmp_path / "truth.csv").write_text(text)
    assert read(tmp_path) == TWO_MOLES


def test_blank_diagnosis_is_none(tmp_path):
    (tmp_path / "t.csv").write_text(DIAGNOSES.replace("nv", " "))
    assert read(tmp_path) == [("ISIC_1", "L1", "mel"), ("ISIC_2", "L2", None)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (ONE_HOT.replace("AKIEC", "SCC"), " lacks akiec"),
        (ONE_HOT.replace("AKIEC", "SCC").replace("image", "name"), " lacks image, akiec"),
        (ONE_HOT.replace("AKIEC", "SCC").replace("image", "image_id"), " lacks akiec"),
        ("image_id,diagnosis\nISIC_1,mel\n", " lacks dx"),
        ("case,dx,age\nISIC_1,mel,40\n", " lacks image_id"),
        (ONE_HOT.replace("ISIC_2,0", "ISIC_2,NA"), " line 3: mel is 'NA', neither 0 nor 1"),
        (ONE_HOT.replace("ISIC_2,0,1", "ISIC_2,0.2,0.8"), " line 3: mel is '0.2', neither 0 nor 1"),
    ],
)
def test_table_that_is_nearly_a_truth_is_named_with_what_it_lacks(tmp_path, text, reason):
    (tmp_path / "GT.csv").write_text(text)
    with pytest.raises(DatasetError) as error:
        read(tmp_path)
    assert str(error.value).splitlines()[1:] == [f"{tmp_path / 'GT.csv'}{reason}"]
    (tmp_path / "truth.csv").write_text(ONE_HOT)
    assert read_both(tmp_path) == (TWO_MOLES, [f"{tmp_path / 'GT.csv'}{reason}"])


@pytest.mark.parametrize("columns", ["image,note", "pixel0,pixel1,label", "image,lesion_id"])
def test_table_of_something_else_is_passed_over_in_silence(tmp_path, columns):
    (tmp_path / "truth.csv").write_text(ONE_HOT)
    (tmp_path / "other.csv").write_text(columns + "\n")
    assert read_both(tmp_path) == (TWO_MOLES, [])


def test_short_and_long_rows_are_read_as_far_as_they_go(tmp_path):
    (tmp_path / "t.csv").write_text("image_id,dx,age\nISIC_1,mel\nISIC_2,nv,50,more,and more\n")
    assert [row.get("age") for row in read_photographs(tmp_path)[0]] == ["", "50"]


def test_table_of_lesions_names_them_where_it_can(tmp_path):
    (tmp_path / "truth.csv").write_text(ONE_HOT)
    (tmp_path / "lesions.csv").write_text("Image,Lesion_ID\nISIC_1.jpg, L7\nISIC_2,\n")
    assert read(tmp_path) == [("ISIC_1", "L7", "nv"), ("ISIC_2", "ISIC_2", "nv")]


def facts_of(folder):
    names = ("lesion_id", "age", "sex", "localization")
    return [tuple(row.get(name) for name in names) for row in read_photographs(folder)[0]]


def test_one_hot_table_keeps_its_own_lesions_and_facts(tmp_path):
    header, first, second = ONE_HOT.splitlines()
    told = [f"{header},lesion_id,age_approx,sex,anatom_site_general", f"{first},L1,40,male,back", f"{second},,,,face"]
    (tmp_path / "truth.csv").write_text("\n".join(told))
    assert facts_of(tmp_path) == [("L1", "40", "male", "back"), ("ISIC_2", "", "", "face")]


@pytest.mark.parametrize(
    "columns",
    [
        "image,lesion_id,age,sex,localization",
        "image_id,lesion_id,age,sex,localization",
        "isic_id,lesion_id,age_approx,sex,anatom_site_general",
    ],
)
def test_further_table_tells_facts_before_the_truth_where_it_tells_any(tmp_path, columns):
    header, first, second = ONE_HOT.splitlines()
    (tmp_path / "truth.csv").write_text(f"{header},lesion_id,age\n{first},L7,50\n{second},L8,60\n")
    (tmp_path / "z.csv").write_text(FACTS.replace(FACTS.splitlines()[0], columns))
    assert facts_of(tmp_path) == [("L1", "40", "male", "back"), ("L1", "60", None, "face")]


def test_facts_of_several_tables_are_joined(tmp_path):
    (tmp_path / "truth.csv").write_text(ONE_HOT)
    (tmp_path / "ages.csv").write_text("image,age\nISIC_1,40\n")
    (tmp_path / "sexes.csv").write_text("image,sex\nISIC_1,male\nISIC_9,female\n")
    assert facts_of(tmp_path) == [("ISIC_1", "40", "male", None), ("ISIC_2", None, None, None)]


def test_facts_without_a_truth_are_named_with_what_they_lack(tmp_path):
    (tmp_path / "facts.csv").write_text(FACTS)
    with pytest.raises(DatasetError) as error:
        read(tmp_path)
    assert str(error.value).splitlines()[1:] == [f"{tmp_path / 'facts.csv'} lacks dx"]


def test_table_that_tells_facts_is_read_instead_of_a_one_hot_one_and_that_is_said(tmp_path):
    one_hot, facts = tmp_path / "a_truth.csv", tmp_path / "facts.csv"
    one_hot.write_text(ONE_HOT)
    facts.write_text(DIAGNOSES)
    assert read_both(tmp_path) == (MELANOMA_AND_MOLE, [f"{one_hot}: {facts} is read instead"])


def test_official_table_is_read_alone_and_the_other_truths_are_named(tmp_path):
    (tmp_path / "below").mkdir()
    official, *others = (tmp_path / name for name in ("below/HAM10000_metadata.csv", "a.csv", "c.csv", "b.csv"))
    official.write_text(DIAGNOSES)
    for path, text in zip(others, (DIAGNOSES.replace("mel", "nv"), DIAGNOSES, ONE_HOT), strict=True):
        path.write_text(text)
    assert read_both(tmp_path) == (MELANOMA_AND_MOLE, [f"{path}: {official} is read instead" for path in others])


def test_truth_with_a_picture_is_read_before_one_without(tmp_path):
    official, one_hot = tmp_path / "HAM10000_metadata.csv", tmp_path / "truth.csv"
    official.write_text(DIAGNOSES.replace("ISIC_", "ISIC_1000"))
    one_hot.write_text(ONE_HOT)
    reason = f"{official}: there is a picture of none of its rows, {one_hot} is read instead"
    assert read_both(tmp_path, {"ISIC_2"}) == (TWO_MOLES, [reason])
    for pictured in ((), {"ISIC_2", "ISIC_10001"}):
        rows, left_out = read_both(tmp_path, pictured)
        assert rows[0] == ("ISIC_10001", "L1", "mel")
        assert left_out == [f"{one_hot}: {official} is read instead"]


@pytest.mark.parametrize("truth", [DIAGNOSES, ONE_HOT])
def test_another_table_that_cannot_be_read_is_named_and_skipped(tmp_path, truth):
    (tmp_path / "truth.csv").write_text(truth)
    (tmp_path / "notes.csv").write_bytes(LATIN)
    (tmp_path / "utf-16.csv").write_bytes(ONE_HOT.encode("utf-16"))
    rows, (first, second) = read_both(tmp_path)
    assert len(rows) == 2
    assert first.startswith(f"{tmp_path / 'notes.csv'} is no CSV table in UTF-8: ")
    assert second.startswith(f"{tmp_path / 'utf-16.csv'} is no CSV table in UTF-8: ")


@pytest.mark.parametrize(
    "content",
    [
        ONE_HOT.encode("utf-16"),
        ONE_HOT.replace("ISIC_1", "Ä").encode("latin-1"),
        b"image_id,dx\n" + b"x" * 200_000,  # longer than a cell may be
    ],
)
def test_folder_without_a_truth_that_can_be_read_is_refused_with_the_files_name(tmp_path, content):
    (tmp_path / "truth.csv").write_bytes(content)
    for reading in (lambda: read_photographs(tmp_path), lambda: read_rows(tmp_path / "truth.csv")):
        with pytest.raises(DatasetError) as error:
            reading()
        assert f"{tmp_path / 'truth.csv'} is no CSV table in UTF-8: " in str(error.value)


@pytest.mark.parametrize("column", ["image_id", "dx"])
def test_official_table_without_a_column_is_refused_by_its_name(tmp_path, column):
    (tmp_path / "HAM10000_metadata.csv").write_text(DIAGNOSES.replace(column, "other", 1))
    (tmp_path / "more.csv").write_text(DIAGNOSES)
    with pytest.raises(DatasetError, match=rf"HAM10000_metadata\.csv has no column {column}$"):
        read_photographs(tmp_path)


def test_table_of_predictions_is_no_truth(tmp_path):
    (tmp_path / "truth.csv").write_text(ONE_HOT)
    (tmp_path / "z_predictions.csv").write_text(ONE_HOT.replace("0,1,", "0.2,0.8,"))
    assert read(tmp_path) == TWO_MOLES
    (tmp_path / "truth.csv").unlink()
    with pytest.raises(DatasetError, match="zeros and ones"):
        read_photographs(tmp_path)


def test_files_that_begin_with_a_dot_are_no_tables(tmp_path):
    (tmp_path / "truth.csv").write_text(ONE_HOT)
    (tmp_path / "._truth.csv").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X \xb0")
    (tmp_path / ".before.csv").write_text(DIAGNOSES)
    (tmp_path / "folder.csv").mkdir()
    assert read_both(tmp_path) == (TWO_MOLES, [])

"""The CSV tables of a folder of photographs, told apart by their columns.

HAM10000's has image_id and dx. ISIC 2018's truth has image and, for each class, a column of zeros and ones. A table
of image and lesion_id, age, sex or localization tells more of the photographs of such a truth. image may be called
image_id, and image_id isic_id; age and localization may have ISIC's names. Capitals in a column's name do not
matter. ISIC 2019's AK (actinic keratosis) is read as AKIEC, of which it is a part; its SCC and UNK are none of the
seven classes.
"""

import csv
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ml import facts
from ml.files import files_below
from ml.labels import CLASSES

HAM_TABLE = "HAM10000_metadata.csv"
DIAGNOSES, ONE_HOT, FURTHER = "diagnoses", "one-hot truth", "further facts"
TRUTHS = {DIAGNOSES: ("image_id", "dx"), ONE_HOT: ("image", *CLASSES)}  # a table is of the first whose columns it has
FURTHER_COLUMNS = ("lesion_id", *facts.COLUMNS)
SYNONYMS = {"ak": "akiec", "isic_id": "image_id", "age_approx": "age", "anatom_site_general": "localization"}
DELIMITERS = ",;\t"  # a spreadsheet writes semicolons where the comma is the decimal sign
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")  # of ml.preprocess.FORMATS


class DatasetError(ValueError):
    """The folder cannot be used; the message names every file at fault."""


@dataclass(frozen=True)
class Table:
    """One file's rows, by column; kind is one of TRUTHS, FURTHER, or None where there is nothing in it for us."""

    path: Path
    kind: str | None
    rows: list[dict[str, str]]


def read_photographs(directory: Path, pictured: Container[str] = ()) -> tuple[list[dict[str, str | None]], list[str]]:
    """A row for each photograph that a folder's tables name, and which tables were left out, and why.

    A row has image_id, lesion_id, dx, and what else is told; dx is None where it is blank, or a one-hot table
    marks no class or several. HAM10000_metadata.csv is read alone; without it, tables with image_id and dx
    before one-hot ones, as they tell facts too. Several tables of the kind that is read are one. A truth of
    none of whose photographs there is a picture (an id in `pictured`) gives way to another that has some. Left
    out are truths that are not read for another's sake, those that lack a column, and tables that cannot be read.

    Raises DatasetError when no table tells what the photographs show, or HAM10000_metadata.csv lacks a column.
    """
    tables, left_out = _read_tables(directory)
    further = _further(tables)
    truths = [
        (group, [_photograph(table.kind, row, further) for table in group for row in table.rows])
        for group in _truths(tables)
    ]
    if not truths:
        lacking = f"neither {HAM_TABLE}, or columns image_id and dx, nor an ISIC ground-truth CSV of zeros and ones"
        no_truths = [f"{table.path} lacks dx" for table in tables if table.kind == FURTHER]
        raise DatasetError("\n".join([f"{directory} holds {lacking}", *no_truths, *left_out]))
    has_pictures = [any(row["image_id"] in pictured for row in rows) for _, rows in truths]
    chosen = has_pictures.index(True) if any(has_pictures) else 0
    read, rows = truths[chosen]
    for position, (group, _) in enumerate(truths):
        if position != chosen:
            reason = "there is a picture of none of its rows, " if position < chosen else ""
            left_out += [f"{table.path}: {reason}{read[0].path} is read instead" for table in group]
    return rows, left_out


def read_rows(path: Path) -> list[dict[str, str]]:
    """A table's rows, by column. Raises DatasetError where the file is no table."""
    with _opened(path) as reader:
        return [_stripped(row) for row in reader]


def photograph_id(cell: str) -> str:
    """The image id that a cell means: in some tables it has its picture's suffix."""
    name = cell.strip()
    stem, _, suffix = name.rpartition(".")
    return stem if stem and f".{suffix.lower()}" in PICTURE_SUFFIXES else name


def _read_tables(directory: Path) -> tuple[list[Table], list[str]]:
    """The tables that count, and why others could not be read."""
    # A name that begins with a dot is macOS's notes on a file, or hidden on purpose.
    paths = [path for path in files_below(directory, (".csv",)) if not path.name.startswith(".")]
    tables, left_out = [], []
    for path in paths:
        try:
            tables.append(_read_table(path))
        except (_NoTable, OSError) as error:
            left_out.append(str(error))
    return tables, left_out


def _truths(tables: list[Table]) -> list[list[Table]]:
    """Tables that are read together, those that are read rather than others first."""
    official = [[table] for table in tables if _is_official(table.path)]
    others = [[table for table in tables if table.kind == kind and not _is_official(table.path)] for kind in TRUTHS]
    return official + [group for group in others if group]


def _further(tables: list[Table]) -> dict[str, dict[str, str]]:
    """What FURTHER tables tell of each image id."""
    told = {}
    for row in (row for table in tables if table.kind == FURTHER for row in table.rows):
        cells = {column: row[column] for column in FURTHER_COLUMNS if facts.is_told(row.get(column))}
        told[_image_of(row)] = told.get(_image_of(row), {}) | cells
    return told


def _read_table(path: Path) -> Table:
    with _opened(path) as reader:
        kind = _kind_of(path, reader.fieldnames)
        # What is not ours may be a table of every pixel, too large to be read for nothing.
        rows = []
        for row in reader if kind else ():
            rows.append(_stripped(row))
            if kind == ONE_HOT:
                _check_truth(rows[-1], f"{path} line {reader.line_num}")
    return Table(path, kind, rows)


@contextmanager
def _opened(path: Path) -> Iterator[csv.DictReader]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            file.seek(0)
            reader = csv.DictReader(file, delimiter=max(DELIMITERS, key=first.count))
            names = [name.strip().lower() for name in reader.fieldnames or ()]
            reader.fieldnames = [name if SYNONYMS.get(name) in names else SYNONYMS.get(name, name) for name in names]
            yield reader
    except (UnicodeDecodeError, csv.Error) as error:
        raise _NoTable(f"{path} is no CSV table in UTF-8: {error}") from error


class _NoTable(DatasetError):
    """One file is no table, and others may do."""


def _stripped(row: dict) -> dict[str, str]:
    # Of a row that is too short or too long, the reader gives None as a cell or as a column.
    return {column: (cell or "").strip() for column, cell in row.items() if column is not None}


def _is_official(path: Path) -> bool:
    return path.name.lower() == HAM_TABLE.lower()


def _kind_of(path: Path, columns: list[str]) -> str | None:
    if _is_official(path):
        lacking = [column for column in TRUTHS[DIAGNOSES] if column not in columns]
        if lacking:
            raise DatasetError(f"{path} has no column {' and no column '.join(lacking)}")
    names = {"image", "image_id"}
    known = names.union(columns) if names.intersection(columns) else set(columns)
    for kind, wanted in TRUTHS.items():
        if known.issuperset(wanted):
            return kind
    _check_nearly(path, ONE_HOT, known)
    if "image" in known and known.intersection(FURTHER_COLUMNS):
        return FURTHER
    _check_nearly(path, DIAGNOSES, columns)
    return None


def _check_nearly(path: Path, kind: str, columns: Container[str]) -> None:
    lacking = [column for column in TRUTHS[kind] if column not in columns]
    if len(lacking) <= len(TRUTHS[kind]) / 2:
        raise _NoTable(f"{path} lacks {', '.join(lacking)}")


def _photograph(kind: str, row: dict[str, str], further: dict[str, dict[str, str]]) -> dict[str, str | None]:
    image_id = _image_of(row)
    if kind == DIAGNOSES:
        dx = row["dx"].lower() or None
    else:
        marked = [name for name in CLASSES if float(row[name] or 0) == 1]
        dx = marked[0] if len(marked) == 1 else None
        row = row | further.get(image_id, {})
    return row | {"image_id": image_id, "lesion_id": row.get("lesion_id") or image_id, "dx": dx}


def _image_of(row: dict[str, str]) -> str:
    return photograph_id(row.get("image_id") or row.get("image", ""))


def _check_truth(row: dict[str, str], place: str) -> None:
    # A table of predictions has the same columns, and shares in them.
    for name in CLASSES:
        try:
            is_truth = float(row[name] or 0) in (0, 1)
        except ValueError:
            is_truth = False
        if not is_truth:
            raise _NoTable(f"{place}: {name} is {row[name]!r}, neither 0 nor 1")

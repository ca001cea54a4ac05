"""The CSV tables of a folder of photographs, told apart by their columns.

HAM10000's has image_id and dx. ISIC 2018's truth has image and, for each class, a column of zeros and ones; its
grouping has image and lesion_id. Capitals in a column's name do not matter. ISIC 2019's AK (actinic keratosis)
is read as AKIEC, of which it is a part; its SCC and UNK are none of the seven classes.
"""

import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ml.labels import CLASSES

HAM_TABLE = "HAM10000_metadata.csv"
DIAGNOSES, ONE_HOT, LESIONS = "diagnoses", "one-hot truth", "lesions"
COLUMNS = {  # a table is of the first kind whose columns it has
    DIAGNOSES: ("image_id", "dx"),
    ONE_HOT: ("image", *CLASSES),
    LESIONS: ("image", "lesion_id"),
}
SYNONYMS = {"ak": "akiec"}
DELIMITERS = ",;\t"  # a spreadsheet writes semicolons where the comma is the decimal sign
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")  # of ml.preprocess.FORMATS


class DatasetError(ValueError):
    """The folder cannot be used; the message names every file at fault."""


@dataclass(frozen=True)
class Table:
    """One file's rows, by column; kind is one of COLUMNS, or None where there is nothing in it for us."""

    path: Path
    kind: str | None
    rows: list[dict[str, str]]


def read_photographs(directory: Path) -> list[dict[str, str | None]]:
    """A row for each photograph that a folder's tables name: image_id, lesion_id, dx, and what else they tell.

    dx is None where it is blank, or a one-hot table marks no class or several. HAM10000_metadata.csv is
    read before, and instead of, all other tables; without it, tables with image_id and dx instead of
    one-hot ones, as they tell facts too. Several tables of the kind that is read are one. A truth that is
    not read for another's sake, one that lacks a column, and a table that cannot be read are named on stderr.

    Raises DatasetError when no table tells what the photographs show, or HAM10000_metadata.csv lacks a column.
    """
    tables, left_out = _read_tables(directory)
    kinds = {table.kind for table in tables}
    if DIAGNOSES in kinds:
        rows = [_of_diagnoses(row) for row in _rows_of(tables, DIAGNOSES)]
        left_out += [f"{table.path}: others have image_id and dx" for table in tables if table.kind == ONE_HOT]
    elif ONE_HOT in kinds:
        lesions = {photograph_id(row["image"]): row["lesion_id"] for row in _rows_of(tables, LESIONS)}
        rows = [_of_one_hot(row, lesions) for row in _rows_of(tables, ONE_HOT)]
    else:
        lacking = f"neither {HAM_TABLE}, or columns image_id and dx, nor an ISIC ground-truth CSV of zeros and ones"
        raise DatasetError("\n".join([f"{directory} holds {lacking}", *left_out]))
    for reason in left_out:
        print(f"table left out: {reason}", file=sys.stderr)
    return rows


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
    paths = sorted(p for p in directory.rglob("*") if p.suffix.lower() == ".csv" and not p.name.startswith("."))
    tables, left_out = [], []
    for path in sorted(filter(Path.is_file, paths), key=lambda path: not _is_official(path)):
        try:
            table = _read_table(path)
        except (_NoTable, OSError) as error:
            left_out.append(str(error))
            continue
        if _is_official(path):
            return [table], left_out
        tables.append(table)
    return tables, left_out


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
        lacking = [column for column in COLUMNS[DIAGNOSES] if column not in columns]
        if lacking:
            raise DatasetError(f"{path} has no column {' and no column '.join(lacking)}")
    for kind, wanted in COLUMNS.items():
        if set(wanted) <= set(columns):
            return kind
    for wanted in (COLUMNS[DIAGNOSES], COLUMNS[ONE_HOT]):
        lacking = [column for column in wanted if column not in columns]
        if len(lacking) <= len(wanted) / 2:  # nearly a truth
            raise _NoTable(f"{path} lacks {', '.join(lacking)}")
    return None


def _rows_of(tables: list[Table], kind: str) -> list[dict[str, str]]:
    return [row for table in tables if table.kind == kind for row in table.rows]


def _of_diagnoses(row: dict[str, str]) -> dict[str, str | None]:
    image_id = photograph_id(row["image_id"])
    return row | {"image_id": image_id, "lesion_id": row.get("lesion_id") or image_id, "dx": row["dx"].lower() or None}


def _of_one_hot(row: dict[str, str], lesions: dict[str, str]) -> dict[str, str | None]:
    image_id = photograph_id(row["image"])
    marked = [name for name in CLASSES if float(row[name] or 0) == 1]
    dx = marked[0] if len(marked) == 1 else None
    return {"image_id": image_id, "lesion_id": lesions.get(image_id) or image_id, "dx": dx}


def _check_truth(row: dict[str, str], place: str) -> None:
    # A table of predictions has the same columns, and shares in them.
    for name in CLASSES:
        try:
            is_truth = float(row[name] or 0) in (0, 1)
        except ValueError:
            is_truth = False
        if not is_truth:
            raise _NoTable(f"{place}: {name} is {row[name]!r}, neither 0 nor 1")

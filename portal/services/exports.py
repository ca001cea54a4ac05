"""The results as CSV: streamed from one consistent read, safe to open in a spreadsheet, audited."""

import csv
import io
import re
from datetime import UTC

from ml.labels import CLASSES
from portal.database import begin_write
from portal.extensions import db
from portal.queries.results import select_result_count, select_result_rows
from portal.services import audit

COLUMNS = (
    "case_id",
    "clinic",
    "patient_ref",
    "lesion_ref",
    "body_site",
    "age",
    "sex",
    "submitted_at",
    "submitted_by",
    "status",
    "tier",
    "model_version",
    "predicted_class",
    "confidence",
    *(f"p_{name}" for name in CLASSES),
    "malignancy_risk",
    "prediction_set",
    "checklist_score",
    "review_diagnosis",
    "review_disposition",
    "agrees",
    "reviewed_by",
    "reviewed_at",
)
ROWS_AT_A_TIME = 500

# A cell, or a line of one, that a spreadsheet would run as a formula: it opens with one of these signs, plain or
# full-width, after any blanks; a semicolon or a tab begins a new cell where those separate cells.
_CELL_STARTS = r"(^|[\n\r\v\f\x85\u2028\u2029;\t])"
_BLANKS = r"[\x01-\x09\x0e-\x20\xa0\u1680\u2000-\u200f\u202f\u205f\u2060\u3000\ufeff]*"
_FORMULA = re.compile(_CELL_STARTS + f"(?={_BLANKS}[=+@＝＋－＠\\t\\r-])")


class ResultsExport:
    """The rows as they are at one moment, whatever is written meanwhile; close it when the last line is sent."""

    def __init__(self, filters):
        self._connection = db.engine.connect()
        if self._connection.dialect.name == "postgresql":
            # On SQLite every read transaction is a snapshot.
            self._connection = self._connection.execution_options(isolation_level="REPEATABLE READ")
        self._filters = filters
        self.row_count = self._connection.scalar(select_result_count(filters))

    def lines(self):
        """CSV text, the header first, then some hundred rows at a time."""
        yield _to_csv([COLUMNS])
        rows = self._connection.execution_options(yield_per=ROWS_AT_A_TIME).execute(select_result_rows(self._filters))
        for part in rows.partitions():
            yield _to_csv(_cells(row) for row in part)

    def close(self):
        self._connection.close()


def export_results(*, filters):
    """Open an export of the cases the filters choose, and audit it with its row count."""
    export = ResultsExport(filters)
    try:
        begin_write(db.session)
        audit.record(action="results.export", details={**filters.as_details(), "rows": export.row_count})
        db.session.commit()
    except BaseException:
        export.close()
        raise
    return export


def safe_cell(text):
    """The text with an apostrophe before whatever a spreadsheet would take for a formula.

    Source: OWASP, "CSV Injection".
    """
    return _FORMULA.sub(r"\1'", text.replace("\0", ""))


def _cells(row):
    probabilities = row.probabilities or {}
    values = (
        str(row.id),
        row.clinic,
        row.patient_ref,
        f"L{row.lesion_number}",
        row.body_site,
        row.age_years,
        row.sex,
        _iso(row.submitted_at),
        row.submitted_by,
        row.status,
        row.tier,
        row.model_version,
        row.predicted_class,
        _number(row.confidence),
        *(_number(probabilities.get(name)) for name in CLASSES),
        _number(row.malignancy_risk),
        " ".join(row.prediction_set or ()),
        row.checklist_score,
        row.review_diagnosis,
        row.review_disposition,
        None if row.agrees is None else str(row.agrees).lower(),
        row.reviewed_by,
        _iso(row.reviewed_at),
    )
    return [safe_cell(value) if isinstance(value, str) else value for value in values]


def _iso(at):
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if at else None


def _number(value):
    return None if value is None else f"{value:.6f}"


def _to_csv(rows):
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()

"""The CSV: every row, the promised columns, nothing that a spreadsheet would run."""

import csv
import io
from datetime import UTC, datetime
from uuid import uuid4

import openpyxl
import pytest
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from ml.labels import CLASSES
from portal.database import utc_now
from portal.extensions import db
from portal.models import AuditEvent, Case
from portal.queries.results import ResultFilters
from portal.services.exports import COLUMNS, export_results, safe_cell
from tests import factories

pytestmark = pytest.mark.databases

# DESIGN.md's list, written out so that neither side changes alone.
PROMISED = [
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
    "p_akiec",
    "p_bcc",
    "p_bkl",
    "p_df",
    "p_mel",
    "p_nv",
    "p_vasc",
    "malignancy_risk",
    "prediction_set",
    "checklist_score",
    "review_diagnosis",
    "review_disposition",
    "agrees",
    "reviewed_by",
    "reviewed_at",
]

PAYLOADS = [
    "=1+1",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://evil.example","x")',
    "=IMPORTXML(CONCAT(A1),A2)",
    "=WEBSERVICE(A1)",
    '=DDE("cmd";"/C calc")',
    "+1+1",
    "+cmd|' /C calc'!A0",
    "-1+1",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "@A1",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "\r\n=1+1",
    " =1+1",
    "     =1+1",
    " \t =1+1",
    "\u00a0=1+1",
    "\u2003=1+1",
    "\u3000=1+1",
    "\ufeff=1+1",
    "\u200b=1+1",
    "\0=1+1",
    "\x01=1+1",
    "\x0b=1+1",
    "\x0c=1+1",
    "\x1f=1+1",
    "a\n=1+1",
    "a\r=1+1",
    "a\r\n  +1",
    "a\n\n\t@x",
    "a\u2028=1+1",
    "a\x85=1+1",
    "a;=1+1",
    "a; -1",
    "a\t=1+1",
    "＝1+1",
    "＋1",
    "－1",
    "＠x",
    '"=1+1',
    "\tharmless",
]
LINE_BREAKS = "\n\r\v\f\x85\u2028\u2029"
SIGNS = "=+-@＝＋－＠"


def rows_of(**filters):
    export = export_results(filters=ResultFilters(**filters))
    try:
        return export.row_count, list(csv.DictReader(io.StringIO("".join(export.lines()), newline="")))
    finally:
        export.close()


def is_harmless(cell):
    """Nothing that begins a cell or a line of one is a sign, whatever blanks stand before it."""
    lines = [cell]
    for separator in (*LINE_BREAKS, ";", "\t"):
        lines = [part for line in lines for part in line.split(separator)]
    stripped = [line.strip().strip("\u200b\ufeff").strip("".join(map(chr, range(33)))) for line in lines]
    return not any(line.startswith(tuple(SIGNS)) for line in stripped) and not cell.startswith(("\t", "\r"))


def test_columns_are_the_promised_ones_in_order():
    assert list(COLUMNS) == PROMISED


def test_one_row_a_case_with_all_it_has(app):
    clinic = factories.make_clinic(name="Hill")
    patient = factories.make_patient(clinic=clinic, reference="P-1", sex="female")
    nurse = factories.make_user("health_worker", clinic=clinic)
    # No two figures of a row are alike, so none can stand in the place of another.
    probabilities = dict(zip(CLASSES, (0.03, 0.05, 0.07, 0.11, 0.61, 0.12, 0.01), strict=True))
    case = factories.make_case(
        "reviewed",
        tier="soon",
        lesion=factories.make_lesion(patient=patient),
        submitted_by=nurse,
        prediction={
            "model_version": "b3-9",
            "predicted_class": "mel",
            "confidence": 0.62,
            "probabilities": probabilities,
            "malignancy_risk": 0.69,
            "melanoma_probability": 0.6,
            "prediction_set": ["mel", "nv"],
        },
        submitted_at=datetime(2026, 11, 23, 12, 30, 15, 999_999, tzinfo=UTC),
        checklist_score=3,
    )
    count, (row,) = rows_of()
    review = case.latest_review
    assert count == 1
    assert list(row) == PROMISED
    assert row["case_id"] == str(case.id)
    assert (row["clinic"], row["patient_ref"], row["lesion_ref"]) == ("Hill", "P-1", "L1")
    assert (row["age"], row["sex"], row["body_site"], row["checklist_score"]) == ("62", "female", "back", "3")
    assert row["submitted_at"] == "2026-11-23T12:30:15Z"
    assert (row["submitted_by"], row["status"], row["tier"]) == (nurse.email, "reviewed", "soon")
    assert (row["predicted_class"], row["prediction_set"]) == ("mel", "mel nv")
    assert row["model_version"] == "b3-9"
    assert {name: float(row[f"p_{name}"]) for name in CLASSES} == probabilities
    assert (float(row["confidence"]), float(row["malignancy_risk"])) == (0.62, 0.69)
    assert (row["review_diagnosis"], row["review_disposition"], row["agrees"]) == ("nv", "no_action", "true")
    assert row["reviewed_by"] == review.reviewer.email
    assert datetime.fromisoformat(row["reviewed_at"]) == review.created_at.replace(microsecond=0)


def test_the_latest_review_counts_and_no_row_doubles(app):
    case = factories.make_case("reviewed")
    factories.make_review(case, diagnosis="mel", agrees=False, disposition="biopsy")
    count, (row,) = rows_of()
    assert count == 1
    assert (row["review_diagnosis"], row["agrees"]) == ("mel", "false")


def test_a_case_without_a_result_has_empty_cells(app):
    factories.make_case("queued", tier=None, age_years=None)
    _count, (row,) = rows_of()
    empty = ["age", "tier", "predicted_class", "confidence", "p_mel", "prediction_set", "agrees", "reviewed_at"]
    assert [row[name] for name in empty] == [""] * len(empty)


def test_filters_choose_rows_and_the_count_says_how_many(app):
    here, there = factories.make_clinic(), factories.make_clinic()
    for day, clinic, status in [(1, here, "queued"), (2, here, "failed"), (3, there, "failed"), (4, there, "queued")]:
        patient = factories.make_patient(clinic=clinic)
        at = datetime(2026, 11, day, 23, 59, 59, tzinfo=UTC)
        factories.make_case(status, lesion=factories.make_lesion(patient=patient), submitted_at=at, with_image=False)

    def days(**args):
        count, rows = rows_of(**vars(ResultFilters.from_args(args)))
        assert count == len(rows)
        return [int(row["submitted_at"][8:10]) for row in rows]

    assert days() == [1, 2, 3, 4]
    assert days(**{"from": "2026-11-02", "to": "2026-11-03"}) == [2, 3]
    assert days(**{"from": "20261102", "to": "20261103"}) == [2, 3]
    assert days(status="failed") == [2, 3]
    assert days(clinic=str(here.id)) == days(clinic=here.name) == [1, 2]
    assert days(clinic=str(there.id), status="queued", to="2026-11-03") == []
    assert days(**{"from": "2026-11-03T23:59:59Z", "to": "", "status": ""}) == [3, 4]


def test_a_long_export_is_whole_and_of_one_moment(app):
    lesion = factories.make_lesion()
    nurse = factories.make_user("health_worker", clinic=lesion.patient.clinic)
    for _number in range(1203):
        db.session.add(make_bare_case(lesion, nurse))
    db.session.commit()
    export = export_results(filters=ResultFilters())
    lines = export.lines()
    text = next(lines) + next(lines)
    db.session.add(make_bare_case(lesion, nurse))
    db.session.commit()
    text += "".join(lines)
    export.close()
    assert export.row_count == len(list(csv.reader(io.StringIO(text)))) - 1 == 1203
    event = db.session.scalar(db.select(AuditEvent))
    assert (event.action, event.details["rows"]) == ("results.export", 1203)


def make_bare_case(lesion, nurse):
    return Case(
        submission_key=uuid4().hex,
        clinic=lesion.patient.clinic,
        lesion=lesion,
        submitted_by=nurse,
        consent_at=utc_now(),
    )


def test_payloads_are_text_when_the_export_is_opened(app):
    clinic = factories.make_clinic()
    nurse = factories.make_user("health_worker", clinic=clinic)
    for number, payload in enumerate(PAYLOADS):
        # PostgreSQL stores no NUL, and no reference comes twice.
        reference = f"{payload.replace(chr(0), chr(1))}~{number}"
        patient = factories.make_patient(clinic=clinic, reference=reference[:40])
        lesion = factories.make_lesion(patient=patient)
        factories.make_case("queued", lesion=lesion, submitted_by=nurse, with_image=False)
    count, rows = rows_of()
    assert count == len(rows) == len(PAYLOADS) >= 40
    sheet = openpyxl.Workbook().active
    for row in rows:
        assert is_harmless(row["patient_ref"]), ascii(row["patient_ref"])
        # As an import puts it into a spreadsheet: openpyxl takes what begins with an equals sign for a formula.
        sheet.append([ILLEGAL_CHARACTERS_RE.sub("", row["patient_ref"])])
    assert {cell.data_type for (cell,) in sheet.iter_rows()} == {"s"}


@pytest.mark.parametrize("payload", PAYLOADS, ids=ascii)
def test_each_payload_is_guarded(payload):
    assert is_harmless(safe_cell(payload)), ascii(safe_cell(payload))


@pytest.mark.parametrize("text", ["P-17", "a-b", "x=1", "O'Neil", "क्लिनिक", "5 + 3", "a@b.example", ""])
def test_ordinary_text_stays_as_it_is(text):
    assert safe_cell(text) == text

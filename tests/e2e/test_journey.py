"""The whole journey in a real browser: a photo is sent, read, judged by a clinician, and leaves as a CSV row."""

import csv
import io
from datetime import timedelta

from ml.labels import CLASSES
from portal.database import begin_write, utc_now
from portal.extensions import db
from portal.models import Case, Clinic
from tests import factories
from tests.photos import lesion_photo
from tests.processes import wait_until

# What a browser sends again after "back" and "reload": the same fields, the same key, the same photo.
SEND_AGAIN = """async ([fields, photo]) => {
  const data = new FormData();
  for (const [name, value] of fields) data.append(name, value);
  const bytes = Uint8Array.from(atob(photo), (character) => character.charCodeAt(0));
  data.append("dermoscopic", new Blob([bytes], { type: "image/jpeg" }), "photo.jpg");
  return (await fetch("/cases/new", { method: "POST", body: data })).url;
}"""
READ_MS = 60_000  # a photo waits for the worker's first load of the model


def fill_new_case(page, reference, photo):
    """The four steps of the form, up to the button that sends."""
    page.goto("/cases/new")
    page.click("#register-patient")
    page.fill("[name=reference]", reference)
    page.fill("[name=birth_year]", "1958")
    tick(page, "[name=sex][value=female]")
    page.click("#step-who .step-next")
    page.select_option("[name=body_site]", "back")
    page.click("#step-where .step-next")
    tick(page, "[name=checklist][value=change_in_size]")
    tick(page, "[name=checklist][value=irregular_shape]")
    page.click("#step-changed .step-next")
    page.set_input_files("[name=dermoscopic]", files=[{"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": photo}])
    page.get_by_text("Photo ready:").wait_for()  # before, the page does not send
    tick(page, "[name=consent]")


def tick(page, selector):
    """Tap the label, as people do: the box itself may be drawn by its label."""
    page.locator(f"label:has({selector})").click()


def send(page):
    page.click("#send")
    page.wait_for_url("**/cases/*-*")
    return page.url


def wait_for_result(page):
    """The result appears on the open page by itself."""
    page.locator(".explanation").wait_for(timeout=READ_MS)


def test_a_photo_goes_all_the_way(open_as):
    nurse = open_as("health_worker", width=390, height=844)
    fill_new_case(nurse, "JOURNEY-1", lesion_photo(1))
    address = send(nurse)
    wait_for_result(nurse)
    # Two majors of the checklist score 4: the photo alone cannot make this less than "soon".
    assert nurse.locator(".tier-banner.tier-urgent, .tier-banner.tier-soon").count() == 1

    doctor = open_as("clinician")
    doctor.goto("/queue")
    doctor.get_by_text("JOURNEY-1").first.click()
    doctor.wait_for_url(address)
    assert doctor.locator(".bars .bar").count() == len(CLASSES)
    tick(doctor, "[name=diagnosis][value=mel]")
    tick(doctor, "[name=agrees][value=no]")
    tick(doctor, "[name=disposition][value=urgent_referral]")
    doctor.fill("[name=note]", "Please see this week.")
    doctor.locator("button[name=then][value=show]").click()
    doctor.get_by_text("Please see this week.").first.wait_for()

    nurse.goto(address)
    assert nurse.get_by_text("Please see this week.").count()

    admin = open_as("admin")
    response = admin.request.get("/admin/export.csv")
    rows = [row for row in csv.DictReader(io.StringIO(response.text())) if row["patient_ref"] == "JOURNEY-1"]
    assert len(rows) == 1
    assert rows[0]["status"] == "reviewed"
    assert rows[0]["review_diagnosis"] == "mel"
    assert rows[0]["review_disposition"] == "urgent_referral"
    assert abs(sum(float(rows[0][f"p_{name}"]) for name in CLASSES) - 1) < 0.01
    for page in (nurse, doctor, admin):
        assert not page.complaints


def test_a_clinician_is_faster_than_the_computer(open_as, database, people):
    """The case waits unread; its view comes while the form is half filled, and is seen before the decision counts."""
    with database():
        clinic = db.session.scalar(db.select(Clinic).where(Clinic.name == "Hill clinic"))
        lesion = factories.make_lesion(patient=factories.make_patient(clinic=clinic))
        later = utc_now() + timedelta(hours=1)
        case_id = factories.make_case("queued", lesion=lesion, ring_at=later, status_changed_at=later).id
    page = open_as("clinician")
    page.goto(f"/cases/{case_id}")
    page.get_by_text("You need not wait for it.").wait_for()
    for name, value in (("diagnosis", "nv"), ("disposition", "no_action")):
        page.locator(f"label:has([name={name}][value={value}])").click()
    page.fill("[name=note]", "Seen without the computer.")

    with database():
        begin_write(db.session)  # the worker writes meanwhile: a read that turns into a write would be refused
        db.session.get(Case, case_id).ring_at = utc_now()
        db.session.commit()
    page.locator("#live-ready").wait_for(timeout=READ_MS)
    page.locator("button[name=then][value=show]").click()
    page.get_by_text("The computer read this photo while you decided").wait_for()
    assert page.locator(".bars .bar").count() == len(CLASSES)
    assert page.input_value("[name=note]") == "Seen without the computer."
    page.locator("label:has([name=agrees][value=no])").click()
    page.locator("button[name=then][value=show]").click()
    page.get_by_text("Your decision is recorded.").wait_for()
    with database():
        case = db.session.get(Case, case_id)
        assert (case.status, case.latest_review.agrees) == ("reviewed", False)
        assert case.latest_review.prediction_id == case.prediction_id


def test_the_same_form_sent_twice_makes_one_case(open_as, database):
    nurse = open_as("health_worker")
    fill_new_case(nurse, "TWICE-1", lesion_photo(2))
    fields = nurse.evaluate(
        "[...new FormData(document.querySelector('#new-case'))].filter(([, value]) => typeof value === 'string')"
    )
    photo = nurse.evaluate("Object.entries(sessionStorage).find(([key]) => key.endsWith(':photo:dermoscopic'))[1]")
    address = send(nurse)
    assert nurse.evaluate(SEND_AGAIN, [fields, photo]) == address
    with database():
        keys = db.session.scalars(db.select(Case.id).where(Case.submission_key == dict(fields)["submission_key"])).all()
    assert len(keys) == 1


def test_the_back_button_does_not_send_again(open_as, database):
    nurse = open_as("health_worker")
    fill_new_case(nurse, "BACK-1", lesion_photo(3))
    send(nurse)
    with database():
        before = db.session.scalar(db.select(db.func.count()).select_from(Case))
    nurse.go_back()
    nurse.wait_for_load_state()
    nurse.reload()
    with database():
        assert db.session.scalar(db.select(db.func.count()).select_from(Case)) == before


def test_real_photos_are_read(open_as, database, ham10000):
    """One photo a class, a melanoma among them; each gets a result, and none is taken for something else."""
    with open(ham10000 / "HAM10000_metadata.csv", newline="") as file:
        records = list(csv.DictReader(file))
    nurse = open_as("health_worker", width=390, height=844)
    for name in ("mel", "nv", "bcc", "bkl", "vasc"):
        image_id = next(record["image_id"] for record in records if record["dx"] == name)
        fill_new_case(nurse, f"REAL-{name}", (ham10000 / "images" / f"{image_id}.jpg").read_bytes())
        send(nurse)
        wait_for_result(nurse)

    def references():
        with database():
            cases = db.session.scalars(db.select(Case).where(Case.status == "classified")).all()
            return {case.patient.reference: case.prediction.out_of_distribution for case in cases}

    read = wait_until(references, 10)
    assert {f"REAL-{name}" for name in ("mel", "nv", "bcc", "bkl", "vasc")} <= set(read)
    assert not any(is_odd for reference, is_odd in read.items() if reference.startswith("REAL-"))

"""Whom a new case is about: found, registered, changed for another, corrected meanwhile."""

from datetime import UTC, datetime

from playwright.sync_api import expect

from portal.database import begin_write
from portal.extensions import db
from portal.models import LoginSession, User
from tests import factories
from tests.e2e.new_case_form import fill_in, send, stored_cases


def test_a_draft_shows_the_patient_as_corrected_since(phone):
    db.session.rollback()
    clinic = db.session.scalar(db.select(User)).clinic
    patient = factories.make_patient(clinic=clinic, reference="HS-7", name="Ana Ruiz", birth_year=1961)
    db.session.rollback()
    phone.fill("#patient-query", "HS-7")
    phone.click("#patient-results button")
    chosen = phone.locator("[data-chosen-facts]")
    chosen.filter(has_text="Ana Ruiz, 1961").wait_for(state="attached")
    begin_write(db.session)
    patient.birth_year = 1991
    db.session.commit()
    phone.reload()
    chosen.filter(has_text="Ana Ruiz, 1991").wait_for(state="attached")
    assert phone.complaints == []


def test_a_patient_changed_for_another_is_not_back_after_a_reload(phone, live_server):
    db.session.rollback()
    clinic = db.session.scalar(db.select(User)).clinic
    patient = factories.make_patient(clinic=clinic, reference="HS-7")
    factories.make_lesion(patient=patient)
    phone.goto(f"{live_server.url}/cases/new?patient={patient.id}")
    phone.locator("#step-who summary").click()
    phone.click("#forget-patient")
    fill_in(phone)
    phone.reload()
    phone.get_by_text("You had begun a case for P-1.").wait_for()
    phone.get_by_text("Photo kept from before:").wait_for()
    send(phone)
    (case,) = stored_cases()
    assert case.patient.reference == "P-1"


def test_a_new_patient_begun_does_not_stand_in_the_way_of_a_known_one(phone):
    db.session.rollback()
    clinic = db.session.scalar(db.select(User)).clinic
    factories.make_patient(clinic=clinic, reference="HS-7")
    fill_in(phone)
    phone.click("#step-who summary")
    phone.fill("[name=birth_year]", "65")
    phone.click("#search-again")
    phone.fill("#patient-query", "HS-7")
    phone.click("#patient-results button")
    send(phone)
    (case,) = stored_cases()
    assert case.patient.reference == "HS-7"


def test_when_all_is_there_a_change_leads_to_send_and_the_focus_is_never_lost(phone):
    db.session.rollback()
    clinic = db.session.scalar(db.select(User)).clinic
    factories.make_patient(clinic=clinic, reference="HS-7")
    fill_in(phone)
    phone.click("label:has(#consent)")
    phone.click("#step-where summary")
    phone.press("#step-where .step-next", "Enter")
    expect(phone.locator("#send")).to_be_focused()
    assert phone.locator("#step-where").get_attribute("open") is None
    phone.click("#step-who summary")
    phone.press("#search-again", "Enter")
    expect(phone.locator("#patient-query")).to_be_focused()
    phone.keyboard.type("HS-7")
    phone.press("#patient-results button", "Enter")
    expect(phone.locator("#send")).to_be_focused()
    assert phone.locator("#step-who").get_attribute("open") is None


def test_a_taken_reference_leads_to_the_patient(phone):
    begin_write(db.session)
    clinic = db.session.scalar(db.select(factories.User)).clinic
    factories.make_lesion(patient=factories.make_patient(clinic=clinic, reference="P-1", name="Ada Example"))
    fill_in(phone)
    phone.click("label:has(#consent)")
    phone.click("#send")
    phone.locator("#patient-results-status", has_text="registered already").wait_for()
    phone.complaints.clear()
    phone.locator("#patient-results button").click()
    assert "All there." in phone.locator("#missing").inner_text()
    phone.click("#send")
    phone.wait_for_url("**/cases/*-*")
    assert len(stored_cases()) == 1


def test_the_last_photo_has_the_date_that_every_page_gives_it(phone):
    begin_write(db.session)
    clinic = db.session.scalar(db.select(factories.User)).clinic
    lesion = factories.make_lesion(patient=factories.make_patient(clinic=clinic, reference="P-1"))
    factories.make_case("reviewed", lesion=lesion, submitted_at=datetime(2026, 11, 22, 20, 30, tzinfo=UTC))
    zone = {"timezoneId": "Pacific/Auckland"}  # where it was the 23rd already
    phone.context.new_cdp_session(phone).send("Emulation.setTimezoneOverride", zone)
    phone.click("#patient-query")
    phone.keyboard.type("P-1")
    phone.locator("#patient-results button").click()
    assert "Nov 22, 2026" in phone.locator("#lesion-options").inner_text()


def test_a_search_after_the_login_ended_says_so(phone):
    db.session.rollback()
    db.session.execute(db.delete(LoginSession))
    db.session.commit()
    phone.fill("#patient-query", "HS-7")
    phone.locator("#patient-results-status", has_text="You were logged out").wait_for()
    phone.complaints.clear()  # the browser tells of the 401


def test_a_new_photo_that_is_asked_for_shows_the_spot_as_it_was_taken_before(phone, live_server):
    db.session.rollback()
    nurse = db.session.scalar(db.select(User))
    lesion = factories.make_lesion(patient=factories.make_patient(clinic=nurse.clinic))
    case = factories.make_case("retake", lesion=lesion, submitted_by=nurse)
    phone.goto(f"{live_server.url}/cases/new?replaces={case.id}")
    phone.locator("#step-where summary").click()
    phone.get_by_alt_text("The last photo of this spot").wait_for()
    phone.get_by_role("img", name="Body, from the back, L1: Back").wait_for()

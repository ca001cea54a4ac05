"""The form in which a clinician decides: what follows by itself, what is kept, what does not come back."""

from datetime import timedelta

from playwright.sync_api import expect

from portal.database import begin_write, utc_now
from portal.extensions import db
from portal.models import LoginSession, User
from tests import factories


def fill_in(page):
    page.get_by_role("radio", name="Melanoma").check()
    page.locator("[name=disposition][value=monitor]").check()
    page.fill("[name=monitor_weeks]", "6")
    page.fill("[name=note]", "Ask about the itch.")


def filled_in(page):
    names = ("diagnosis", "agrees", "disposition", "monitor_weeks", "note")
    value = "(form, name) => form.elements[name].value"
    return [page.locator("form[data-review]").evaluate(value, name) for name in names]


ANSWERS = ["mel", "no", "monitor", "6", "Ask about the itch."]
NO_ANSWERS = [""] * 5


def test_agreement_follows_the_diagnosis_until_said_otherwise(tab, make_case):
    tab.open(f"/cases/{make_case(1).id}")
    tab.get_by_role("radio", name="Mole (naevus)").check()
    assert tab.get_by_role("radio", name="Yes").is_checked()
    tab.get_by_role("radio", name="Melanoma").check()
    assert tab.get_by_role("radio", name="No", exact=True).is_checked()
    tab.get_by_role("radio", name="Yes").check()
    tab.get_by_role("radio", name="Unclear").check()
    assert tab.get_by_role("radio", name="Yes").is_checked()


def test_agreement_follows_the_diagnosis_in_a_form_that_comes_filled_in(tab, make_case):
    case = make_case(1)
    tab.open(f"/cases/{case.id}")
    mole, melanoma = (tab.get_by_role("radio", name=name) for name in ("Mole (naevus)", "Melanoma"))
    yes, no = (tab.get_by_role("radio", name=name, exact=True) for name in ("Yes", "No"))
    mole.check()
    tab.reload()
    tab.get_by_text("Here is what you had entered before.").wait_for()
    assert yes.is_checked()
    melanoma.check()
    assert no.is_checked()
    mole.check()
    tab.get_by_role("button", name="Record", exact=True).click()
    tab.get_by_text("Choose what happens next.").wait_for()
    tab.complaints.clear()  # the browser tells of the 400
    assert yes.is_checked()
    melanoma.check()
    assert no.is_checked()
    yes.check()
    tab.open(f"/cases/{case.id}")
    tab.get_by_text("Here is what you had entered before.").wait_for()
    tab.get_by_role("radio", name="Unclear").check()
    assert yes.is_checked(), "the clinician said so against what follows from the diagnosis"


def test_the_key_to_the_form_leads_to_the_chosen_diagnosis(tab, make_case):
    tab.open(f"/cases/{make_case(1).id}")
    melanoma = tab.get_by_role("radio", name="Melanoma")
    melanoma.check()
    tab.locator("[data-stage]").focus()
    tab.keyboard.press("r")
    expect(melanoma).to_be_focused()


def test_back_after_recording_shows_an_empty_form(tab, make_case):
    case, other = make_case(2), make_case(1)
    tab.open(f"/cases/{case.id}")
    fill_in(tab)
    tab.get_by_role("button", name="Record, then next").click()
    tab.wait_for_url(f"**/cases/{other.id}*")
    tab.go_back()
    tab.wait_for_url(f"**/cases/{case.id}")
    tab.wait_for_load_state()
    assert filled_in(tab) == NO_ANSWERS
    assert tab.locator("[name=expected_review_count]").input_value() == "1"


def test_a_decision_begun_before_a_pause_is_there_after_the_login(tab, make_case):
    case = make_case(1)
    tab.open(f"/cases/{case.id}")
    fill_in(tab)
    db.session.rollback()
    db.session.execute(db.update(LoginSession).values(last_active_at=utc_now() - timedelta(minutes=16)))
    db.session.commit()
    tab.get_by_role("button", name="Record", exact=True).click()
    tab.get_by_text("nothing was recorded. Your answers are kept").wait_for()
    tab.log_in()
    tab.wait_for_url(f"**/cases/{case.id}")
    tab.get_by_text("Here is what you had entered before.").wait_for()
    assert filled_in(tab) == ANSWERS
    tab.get_by_role("button", name="Record", exact=True).click()
    tab.get_by_text("Your decision is recorded.").wait_for()
    tab.wait_for_load_state()  # a draft ends in a script, which runs after the sentence is shown
    assert filled_in(tab) == NO_ANSWERS
    assert tab.evaluate("sessionStorage.length") == 0


def test_a_case_left_by_a_slip_of_a_key_shows_what_was_entered(tab, make_case):
    first, second = make_case(2), make_case(1)
    tab.open(f"/cases/{first.id}")
    fill_in(tab)
    tab.locator("[name=disposition]:checked").focus()
    tab.keyboard.press("j")
    tab.wait_for_url(f"**/cases/{second.id}")
    assert filled_in(tab) == NO_ANSWERS
    tab.go_back()
    tab.wait_for_url(f"**/cases/{first.id}")
    tab.get_by_text("It is not recorded yet.").wait_for()
    assert filled_in(tab) == ANSWERS


def test_answers_kept_are_of_the_case_as_it_was(tab, make_case, clinic):
    case = make_case(1)
    tab.open(f"/cases/{case.id}")
    tab.locator("[data-mine]").wait_for()
    fill_in(tab)
    db.session.rollback()
    factories.make_review(case, factories.make_user("clinician", clinic=clinic))
    tab.open(f"/cases/{case.id}")
    tab.get_by_text("It is not recorded yet.").wait_for()
    assert filled_in(tab) == ANSWERS
    assert tab.locator("[name=expected_review_count]").input_value() == "0", "the other decision is met as a collision"
    db.session.rollback()
    factories.make_review(case, db.session.get(User, tab.user_id))
    tab.open(f"/cases/{case.id}")
    assert filled_in(tab) == NO_ANSWERS, "one's own decision came of them"


def test_answers_begun_before_the_view_came_wait_for_the_own_impression(tab, make_case, clinic):
    case = make_case(1, "running", prediction=False)
    clinic.first_read_required = True
    db.session.commit()
    tab.open(f"/cases/{case.id}")
    tab.locator("[data-mine]").wait_for()
    tab.locator("[name=disposition][value=biopsy]").check()
    tab.fill("[name=note]", "Ask about the itch.")
    begin_write(db.session)
    factories.make_prediction(case)
    case.status = "classified"
    db.session.commit()
    tab.open(f"/cases/{case.id}")
    tab.get_by_role("radio", name="Melanoma").check()
    tab.get_by_role("button", name="Record and show the computer's view").click()
    tab.get_by_text("Here is what you had entered before.").wait_for()
    assert filled_in(tab) == ["mel", "", "biopsy", "", "Ask about the itch."]

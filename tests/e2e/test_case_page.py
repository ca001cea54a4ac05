"""What only a browser can show of the clinician's pages: zoom, map, keys, taking, swiping."""

from datetime import timedelta

import pytest

from portal.database import begin_write, utc_now
from portal.extensions import db
from portal.models import LoginSession, User
from tests import factories
from tests.processes import wait_until


@pytest.fixture
def clinic(app):
    return factories.make_clinic()


@pytest.fixture
def make_case(clinic):
    def make(hours, status="classified", **values):
        lesion = values.pop("lesion", None) or factories.make_lesion(patient=factories.make_patient(clinic=clinic))
        sent_at = utc_now() - timedelta(hours=hours)
        return factories.make_case(status, lesion=lesion, submitted_at=sent_at, **values)

    return make


@pytest.fixture
def tab(live_server, page, clinic):
    """A tab in which a clinician has logged in; ``tab.open(path)`` goes there."""
    user = factories.make_user("clinician", clinic=clinic)
    page.user_id, page.email = user.id, user.email
    db.session.rollback()  # a snapshot from before the login could not be written to
    page.goto(f"{live_server.url}/login")
    log_in(page)
    page.wait_for_url("**/queue")
    page.open = lambda path: page.goto(live_server.url + path)
    return page


def log_in(page):
    page.fill("[name=email]", page.email)
    page.fill("[name=password]", factories.PASSWORD)
    page.press("[name=password]", "Enter")


def taker(case):
    db.session.rollback()
    return db.session.get(type(case), case.id).taken_by_id


def transform(page):
    return page.evaluate("new DOMMatrix(getComputedStyle(document.querySelector('[data-plane]')).transform).a")


def opacity(page):
    return page.evaluate("getComputedStyle(document.querySelector('.viewer-map')).opacity")


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


def test_a_case_is_taken_when_seen_and_given_back_when_left(tab, make_case):
    first, second = make_case(2), make_case(1)
    tab.open(f"/cases/{first.id}")
    wait_until(lambda: taker(first) == tab.user_id, 20)
    tab.keyboard.press("j")
    tab.wait_for_url(f"**/cases/{second.id}")
    wait_until(lambda: taker(first) is None, 20)
    tab.keyboard.press("r")
    tab.keyboard.press("Space")
    tab.get_by_label("Note").fill("jkr?")
    tab.keyboard.press("Escape")
    assert tab.url.endswith(str(second.id)), "keys rest while somebody types"
    tab.goto("about:blank")
    assert taker(second) == tab.user_id, "an answer begun is not given back"


def test_a_case_left_while_its_taking_is_under_way_is_given_back(tab, make_case):
    first, second = make_case(2), make_case(1)
    held = []
    tab.route("**/take", lambda route: held.append((route, route.fetch())), times=1)
    tab.open(f"/cases/{first.id}")
    wait_until(lambda: tab.wait_for_timeout(20) or held, 20)
    assert taker(first) == tab.user_id, "the server has taken it, and the page has not heard of it"
    tab.keyboard.press("j")
    tab.wait_for_timeout(300)
    assert tab.url.endswith(str(first.id))
    route, answer = held[0]
    route.fulfill(response=answer)
    tab.wait_for_url(f"**/cases/{second.id}")
    wait_until(lambda: taker(first) is None, 20)


def test_another_tab_leaves_the_case_where_it_is(tab, make_case):
    first, second = make_case(2), make_case(1)
    tab.open(f"/cases/{first.id}")
    tab.locator("[data-mine]").wait_for()
    with tab.context.expect_page() as opened:
        tab.locator("[data-leave=next]").click(modifiers=["Control"])
    opened.value.wait_for_url(f"**/cases/{second.id}")
    wait_until(lambda: taker(second) == tab.user_id, 20)
    assert taker(first) == tab.user_id, "its own page is still open"


def test_what_is_fetched_ahead_takes_nothing(tab, make_case):
    case = make_case(1)
    assert tab.request.get(tab.url.replace("/queue", f"/cases/{case.id}")).ok
    assert taker(case) is None


def test_the_photo_zooms_by_wheel_keys_and_buttons_and_the_map_lies_over_it(tab, make_case):
    case = make_case(1)
    tab.open(f"/cases/{case.id}")
    tab.locator("[data-stage]").hover()
    tab.mouse.wheel(0, -300)
    assert transform(tab) > 1.5
    tab.keyboard.press("0")
    assert transform(tab) == 1
    tab.locator("[data-zoom=in]").click()
    assert transform(tab) == pytest.approx(1.4)
    assert opacity(tab) == "0"
    tab.keyboard.press("m")
    assert opacity(tab) == "0.6"
    # Not wait_for_function: it evaluates a string within the page, which the page's policy refuses.
    canvas = tab.locator(".viewer-map")
    middle = "c => c.getContext('2d').getImageData(c.width / 2, c.height / 2, 1, 1).data[3]"
    wait_until(lambda: canvas.evaluate(middle) > 0, seconds=10)


def test_agreement_follows_the_diagnosis_until_said_otherwise(tab, make_case):
    tab.open(f"/cases/{make_case(1).id}")
    tab.get_by_role("radio", name="Mole (naevus)").check()
    assert tab.get_by_role("radio", name="Yes").is_checked()
    tab.get_by_role("radio", name="Melanoma").check()
    assert tab.get_by_role("radio", name="No", exact=True).is_checked()
    tab.get_by_role("radio", name="Yes").check()
    tab.get_by_role("radio", name="Unclear").check()
    assert tab.get_by_role("radio", name="Yes").is_checked()


def test_a_decision_begun_before_a_pause_is_there_after_the_login(tab, make_case):
    case = make_case(1)
    tab.open(f"/cases/{case.id}")
    fill_in(tab)
    db.session.rollback()
    db.session.execute(db.update(LoginSession).values(last_active_at=utc_now() - timedelta(minutes=16)))
    db.session.commit()
    tab.get_by_role("button", name="Record", exact=True).click()
    tab.get_by_text("nothing was recorded. Your answers are kept").wait_for()
    log_in(tab)
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


def test_keys_can_be_switched_off_and_rest_behind_their_list(tab, make_case):
    tab.open(f"/cases/{make_case(1).id}")
    tab.keyboard.press("?")
    tab.keyboard.press("m")
    tab.keyboard.press("+")
    assert (opacity(tab), transform(tab)) == ("0", 1)
    tab.get_by_label("Use keys on this device").uncheck()
    tab.get_by_role("button", name="Close").click()
    tab.evaluate("localStorage.clear(), sessionStorage.clear()")  # as logging out does
    tab.reload()
    tab.keyboard.press("m")
    tab.keyboard.press("+")
    assert (opacity(tab), transform(tab)) == ("0", 1)
    tab.get_by_role("button", name="Keys").click()
    tab.get_by_label("Use keys on this device").check()
    tab.keyboard.press("Escape")
    tab.keyboard.press("m")
    tab.keyboard.press("+")
    assert (opacity(tab), transform(tab)) == ("0.6", pytest.approx(1.4))


def test_where_no_switch_is_keys_act_on_the_photo_in_focus_alone(tab, make_case, clinic):
    case = make_case(1)
    tab.email = factories.make_user("health_worker", clinic=clinic).email
    tab.context.clear_cookies()
    tab.open(f"/cases/{case.id}")
    log_in(tab)
    tab.wait_for_url(f"**/cases/{case.id}")
    tab.keyboard.press("+")
    tab.keyboard.press("m")
    assert (opacity(tab), transform(tab)) == ("0", 1)
    tab.locator("[data-stage]").focus()
    tab.keyboard.press("+")
    tab.keyboard.press("m")
    assert (opacity(tab), transform(tab)) == ("0.6", pytest.approx(1.4))


def test_two_visits_are_picked_and_swiped_by_keyboard(tab, make_case):
    later = make_case(1)
    make_case(900, lesion=later.lesion)
    make_case(500, lesion=later.lesion)
    tab.set_viewport_size({"width": 360, "height": 740})
    tab.open(f"/patients/{later.lesion.patient_id}")
    boxes = tab.locator("[name=compare]")
    for index in range(3):
        boxes.nth(index).check()
    assert [boxes.nth(index).is_checked() for index in range(3)] == [False, True, True]
    tab.get_by_role("button", name="Compare").click()
    handle = tab.get_by_role("slider")
    handle.focus()
    for _ in range(5):
        tab.keyboard.press("ArrowRight")
    assert tab.evaluate("document.querySelector('[data-over]').style.clipPath") == "inset(0px 45% 0px 0px)"
    assert tab.evaluate("document.documentElement.scrollWidth") == 360

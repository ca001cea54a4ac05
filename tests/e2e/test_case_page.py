"""What only a browser can show of the clinician's pages: zoom, map, keys, taking, swiping."""

import pytest
from playwright.sync_api import expect

from portal.extensions import db
from tests import factories
from tests.processes import wait_until


def taker(case):
    db.session.rollback()
    return db.session.get(type(case), case.id).taken_by_id


def transform(page):
    return page.evaluate("new DOMMatrix(getComputedStyle(document.querySelector('[data-plane]')).transform).a")


def opacity(page):
    return page.evaluate("getComputedStyle(document.querySelector('.viewer-map')).opacity")


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
    tab.log_in()
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
    tab.go_back()
    expect(boxes.nth(2)).to_be_checked()
    boxes.nth(0).check()
    assert [boxes.nth(index).is_checked() for index in range(3)] == [True, False, True]
    tab.get_by_role("button", name="Compare").click()
    tab.get_by_role("slider").wait_for()

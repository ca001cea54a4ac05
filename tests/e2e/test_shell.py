"""What every page has in common: its bars and menu, its letters and colours as people set them, its end."""

import pytest
from playwright.sync_api import expect

from portal.extensions import db
from tests import factories
from tests.browsers import FLAGS, find_chromium
from tests.e2e.new_case_form import fill_in


def test_a_log_out_empties_the_other_tabs_too(phone, live_server):
    fill_in(phone)
    other = phone.context.new_page()
    other.goto(live_server.url + "/cases")
    other.click("details.menu summary")
    other.get_by_role("button", name="Log out").click()
    other.wait_for_url("**/login")
    phone.wait_for_url("**/login")
    assert phone.evaluate("sessionStorage.length") == 0


def test_the_menu_closes_behind_whoever_leaves_it_by_keyboard(tab):
    menu = tab.locator("details.menu")
    tab.focus("details.menu summary")
    tab.keyboard.press("Enter")
    for _item in menu.locator(".menu-item").all():
        tab.keyboard.press("Tab")
        expect(menu).to_have_attribute("open", "")
    tab.keyboard.press("Tab")
    expect(menu).not_to_have_attribute("open", "")


@pytest.mark.parametrize(("letters", "width"), [(32, 360), (24, 320)])
def test_large_letters_leave_every_part_usable(browser, live_server, letters, width):
    user = factories.make_user(name="Maria Fernanda Gonzalez de la Torre")
    db.session.rollback()
    flags = (*FLAGS, f"--blink-settings=defaultFontSize={letters}")
    with browser.browser_type.launch(executable_path=find_chromium(), args=flags) as large:
        page = large.new_page(base_url=live_server.url, viewport={"width": width, "height": 740}, locale="en")
        page.goto("/login")
        page.fill("[name=email]", user.email)
        page.fill("[name=password]", factories.PASSWORD)
        page.click("main button")
        page.wait_for_url("**/cases")
        page.goto("/cases/new")
        assert page.locator(".send-bar").bounding_box()["height"] < 300
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.click("details.menu summary")
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url("**/login")


def test_a_choice_is_seen_in_the_colours_of_the_system_and_on_paper(tab, make_case):
    case = make_case(1, tier="urgent")
    tab.emulate_media(forced_colors="active")
    tab.open(f"/cases/{case.id}")
    for field in ("[name=diagnosis]", "[name=disposition]"):
        expect(tab.locator(field).first).to_have_css("appearance", "auto")
    tab.open("/queue")
    expect(tab.locator(".chip[aria-current]")).to_have_css("outline-style", "solid")

    tab.emulate_media(forced_colors="none", media="print")
    word = tab.locator(".tier.tier-urgent").first
    expect(word).to_have_css("color", "rgb(140, 26, 17)")
    expect(word.locator(".icon")).to_have_css("color", "rgb(140, 26, 17)")
    tab.open(f"/patients/{case.patient.id}")
    expect(tab.locator(".visit-pick span").first).to_be_visible()
    expect(tab.locator("[name=compare]").first).to_be_hidden()

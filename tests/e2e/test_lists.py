"""Lists left open: they tell of news, and nobody who comes back to one finds it old."""

from playwright.sync_api import expect

from portal.database import begin_write, utc_now
from portal.extensions import db
from portal.models import LoginSession, User
from tests import factories
from tests.browsers import FLAGS, find_chromium

A_MINUTE = 61_000
COME_BACK = "document.dispatchEvent(new Event('visibilitychange'))"


def test_a_queue_left_open_says_that_a_case_came_in(tab, make_case):
    tab.clock.install()
    tab.open("/queue")
    news = tab.locator("[data-news] .notice")
    with tab.expect_response("**/queue/news"):
        tab.clock.fast_forward(A_MINUTE)
    expect(news).to_be_hidden()
    make_case(0, tier="urgent")
    tab.clock.fast_forward(A_MINUTE)
    expect(news).to_be_visible()
    assert tab.locator(".queue-link").count() == 0
    news.get_by_role("link").click()
    expect(tab.locator(".chip.tier-urgent strong")).to_have_text("1")
    expect(news).to_be_hidden()

    begin_write(db.session)
    db.session.execute(db.update(LoginSession).values(ended_at=utc_now()))
    db.session.commit()
    with tab.expect_response(lambda response: response.status == 401):
        tab.clock.fast_forward(A_MINUTE)
    asked = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.clock.fast_forward(A_MINUTE)
    tab.wait_for_timeout(200)
    assert asked == []
    tab.complaints.clear()  # the browser complains of the 401 itself


def test_a_list_come_back_to_is_shown_anew_unless_it_is_in_use(phone, live_server):
    case = sent_case("running")
    phone.clock.install()
    phone.goto(live_server.url + "/cases")
    expect(phone.locator(".case-row")).to_contain_text("Being read.")
    begin_write(db.session)
    case.status, case.status_changed_at = "failed", utc_now()
    db.session.commit()
    phone.clock.fast_forward(A_MINUTE)
    expect(phone.locator("[data-news] .notice")).to_be_visible()
    phone.evaluate(COME_BACK)
    expect(phone.locator(".case-row")).not_to_contain_text("Being read.")

    phone.goto(live_server.url + "/patients")
    phone.fill("[name=q]", "An")
    phone.clock.fast_forward(A_MINUTE)
    phone.evaluate("window.isOld = true")
    phone.evaluate(COME_BACK)
    phone.wait_for_timeout(200)
    assert phone.evaluate("window.isOld")


def test_the_way_back_leads_to_the_list_as_it_is_now(browser, live_server):
    user = factories.make_user()
    db.session.rollback()
    kept_off = ["--disable-back-forward-cache"]
    with browser.browser_type.launch(
        executable_path=find_chromium(), args=FLAGS, ignore_default_args=kept_off
    ) as with_cache:
        page = with_cache.new_page(base_url=live_server.url, locale="en")
        page.goto("/login")
        page.fill("[name=email]", user.email)
        page.fill("[name=password]", factories.PASSWORD)
        page.click("main button")
        page.wait_for_url("**/cases")
        factories.make_review(sent_case("classified"), disposition="urgent_referral")
        page.goto("/cases")
        page.get_by_text("Tell the patient:").wait_for()
        page.locator(".case-row a").click()
        with page.expect_navigation():
            page.get_by_role("button", name="The patient has been told").click()
        page.evaluate("history.go(-2)")
        page.wait_for_url("**/cases", wait_until="commit")
        expect(page.get_by_text("Decided:")).to_be_visible()
        expect(page.get_by_text("Tell the patient:")).to_be_hidden()


def sent_case(status):
    """A case of the one person there is."""
    db.session.rollback()
    user = db.session.scalar(db.select(User))
    lesion = factories.make_lesion(patient=factories.make_patient(clinic=user.clinic))
    return factories.make_case(status, lesion=lesion, submitted_by=user)

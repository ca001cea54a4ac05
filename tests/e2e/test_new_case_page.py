"""The new-case page on a phone: nothing is lost, nothing is sent twice, nothing of the file but its picture leaves."""

import io

import pytest
from PIL import Image as Picture
from playwright.sync_api import expect

from portal.extensions import db
from tests import factories
from tests.e2e.new_case_form import NAME, attach, fill_in, send, stored_cases
from tests.photos import lesion_image, lesion_photo

# The browser shows no test the files of a request: the page itself tells what it is about to send.
NOTE_WHAT_IS_SENT = """
const send = XMLHttpRequest.prototype.send;
XMLHttpRequest.prototype.send = async function (form) {
  const photo = form.get("dermoscopic");
  await noteSent({ name: photo.name, content: await photo.text() });
  send.call(this, form);
};
"""

# What is written to the draft, and how often the line on what is missing is written anew.
NOTE_WHAT_A_KEY_DOES = """() => {
  const noted = (window.noted = { longest: 0, announcements: 0 });
  const { setItem } = Storage.prototype;
  Storage.prototype.setItem = function (key, text) {
    noted.longest = Math.max(noted.longest, text.length);
    setItem.call(this, key, text);
  };
  new MutationObserver(() => noted.announcements++).observe(document.getElementById("missing"), { childList: true });
}"""

# Photos chosen while ``isSlow`` is set are ready only when ``finish()`` is called.
PREPARE_SLOWLY = """
window.isSlow = false;
const waiting = [];
window.finish = () => waiting.splice(0).forEach((go) => go());
const toBlob = HTMLCanvasElement.prototype.toBlob;
HTMLCanvasElement.prototype.toBlob = function (done, ...how) {
  const { isSlow } = window;
  toBlob.call(this, (blob) => (isSlow ? waiting.push(() => done(blob)) : done(blob)), ...how);
};
"""


def test_a_reload_loses_nothing_and_success_leaves_nothing(phone):
    fill_in(phone)
    phone.reload()
    phone.get_by_text("Photo kept from before:").wait_for()
    assert phone.locator("#missing").inner_text() == "Still missing: consent"
    send(phone)
    assert phone.evaluate("sessionStorage.length") == 0
    (case,) = stored_cases()
    assert (case.patient.reference, case.lesion.body_site, case.checklist) == ("P-1", "face", ["oozing"])
    assert case.dermoscopic_image.width == lesion_image().width


def test_a_draft_found_again_says_whose_it_is_and_asks_for_consent_anew(phone, live_server):
    fill_in(phone)
    phone.click("label:has(#consent)")
    phone.goto(live_server.url + "/cases")
    phone.goto(live_server.url + "/cases/new")
    phone.get_by_text("You had begun a case for P-1. Go on with it, or start over.").wait_for()
    assert phone.locator("#step-who").get_attribute("open") is not None
    assert phone.locator("#missing").inner_text() == "Still missing: consent"
    phone.reload()
    phone.get_by_text("You had begun").wait_for()
    assert phone.locator("#missing").inner_text() == "Still missing: consent"
    phone.get_by_role("button", name="Start over").click()
    phone.get_by_text("You had begun").wait_for(state="hidden")
    phone.get_by_text("Still missing: who").wait_for()


def test_a_key_pressed_writes_no_photo_and_says_nothing_anew(phone):
    fill_in(phone)
    phone.click("#step-changed summary")
    phone.evaluate(NOTE_WHAT_A_KEY_DOES)
    phone.locator("[name=comment]").press_sequentially("It itches.")
    assert "It itches." in phone.evaluate("Object.values(sessionStorage).join()")
    assert phone.evaluate("noted.longest") < 2000
    assert phone.evaluate("noted.announcements") == 0


def test_a_photo_from_further_away_can_be_taken_out_again(phone):
    fill_in(phone)
    phone.click("details.more summary")
    phone.set_input_files("#overview", files=[{"name": NAME, "mimeType": "image/jpeg", "buffer": lesion_photo()}])
    overview = phone.locator("[data-photo=overview]")
    overview.get_by_text("Photo ready:").wait_for()
    overview.get_by_role("button", name="Remove the photo").click()
    assert overview.locator("figure").is_hidden()
    expect(overview.locator("[data-camera]")).to_be_focused()
    phone.reload()
    phone.get_by_text("Photo kept from before:").wait_for()
    send(phone)
    (case,) = stored_cases()
    assert [image.kind for image in case.images] == ["dermoscopic"]


def test_the_photo_chosen_last_is_sent_and_none_while_it_is_prepared(phone):
    phone.add_init_script(PREPARE_SLOWLY)
    phone.reload()
    fill_in(phone, lesion_photo(width=610))
    phone.click("label:has(#consent)")
    phone.evaluate("isSlow = true")
    attach(phone, lesion_photo(width=620))
    phone.locator("#missing", has_text="Preparing the photo").wait_for()
    phone.click("#send")
    assert phone.locator("#progress").is_hidden() and phone.locator("#dermoscopic-error").count() == 0
    phone.evaluate("isSlow = false")
    attach(phone, lesion_photo(width=630))
    phone.get_by_text("630 × 600").wait_for()
    phone.evaluate("finish()")
    assert "630 × 600" in phone.locator("figcaption").first.inner_text()
    phone.click("#send")
    phone.wait_for_url("**/cases/*-*")
    (case,) = stored_cases()
    assert case.dermoscopic_image.width == 630


def test_only_the_picture_leaves_the_phone_scaled_down(phone):
    content = io.BytesIO()
    exif = Picture.Exif()
    exif[0x010E] = "Ada Example, left cheek"
    lesion_image(width=3000, height=2000).save(content, "JPEG", exif=exif)
    sent = []
    phone.expose_function("noteSent", lambda photo: sent.append(photo))
    phone.add_init_script(NOTE_WHAT_IS_SENT)
    phone.reload()
    fill_in(phone, content.getvalue())
    assert "2048 × 1365" in phone.locator("figcaption").first.inner_text()
    send(phone)
    (photo,) = sent
    assert photo["name"] == "photo.jpg"
    assert photo["content"].startswith("\ufffd\ufffd\ufffd\ufffd\x00\x10JFIF")
    assert "Ada Example" in content.getvalue().decode(errors="replace") and "Ada Example" not in photo["content"]


def test_without_a_connection_everything_stays_and_is_sent_later_once(phone):
    fill_in(phone)
    phone.context.set_offline(True)
    phone.click("label:has(#consent)")
    phone.click("#send")
    phone.get_by_text("No connection. Nothing is lost").wait_for()
    phone.context.set_offline(False)
    phone.complaints.clear()
    phone.click("#send")
    phone.wait_for_url("**/cases/*-*")
    assert len(stored_cases()) == 1


def lose_the_answer(route):
    route.fetch()
    route.abort()


# Bytes as the page sends them: how often some went out, and what came of it, in <body data-steps data-problem>.
POST = """async ([url, size]) => {
    const { send } = await import("/static/js/send.js");
    const body = new FormData(), { dataset } = document.body;
    body.append("photo", new Blob([new Uint8Array(size)]));
    dataset.steps = 0;
    send(url, body, () => { dataset.steps++; }).then(({ problem }) => { dataset.problem = problem; });
}"""


def test_a_slow_line_is_waited_for_as_long_as_something_moves(phone):
    phone.clock.install()
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 100_000}
    phone.context.new_cdp_session(phone).send("Network.emulateNetworkConditions", slow)
    phone.evaluate(POST, ["/cases/new", 400_000])
    for _ in range(3):
        before = phone.get_attribute("body", "data-steps")
        expect(phone.locator("body")).not_to_have_attribute("data-steps", before)
        phone.clock.fast_forward(100_000)
    expect(phone.locator("body")).to_have_attribute("data-problem", "login")
    phone.complaints.clear()  # the form had no token, so the answer was a 400


def test_a_line_on_which_nothing_moves_is_given_up(phone):
    phone.clock.install()
    phone.route("**/silence", lambda route: None)
    phone.evaluate(POST, ["/silence", 1000])
    phone.clock.fast_forward(179_000)
    assert phone.get_attribute("body", "data-problem") is None
    phone.clock.fast_forward(2_000)
    expect(phone.locator("body")).to_have_attribute("data-problem", "offline")


def test_other_answers_after_a_lost_answer_are_told_and_sent_as_a_new_case(phone):
    fill_in(phone)
    phone.route("**/cases/new", lose_the_answer)
    phone.click("label:has(#consent)")
    phone.click("#send")
    phone.get_by_text("No connection. Nothing is lost").wait_for()
    phone.unroute("**/cases/new")
    (first,) = stored_cases()
    phone.click("#step-changed summary")
    phone.click("label:has([name=is_worried])")
    phone.click("#send")
    phone.get_by_text("This was sent already, as it was then.").wait_for()
    assert phone.get_attribute("#open-first", "href") == f"/cases/{first.id}"
    phone.complaints.clear()
    phone.click("#send-as-new")
    phone.locator("#patient-results-status", has_text="registered already").wait_for()
    phone.complaints.clear()
    phone.click("#patient-results button")
    phone.click("#send")
    phone.wait_for_url("**/cases/*-*")
    assert sorted(case.is_worried for case in stored_cases()) == [False, True]
    phone.complaints.clear()


def test_a_login_that_ended_meanwhile_loses_nothing_but_the_consent(phone, live_server):
    fill_in(phone)
    phone.context.clear_cookies()
    phone.click("label:has(#consent)")
    phone.click("#send")
    phone.get_by_text("You were logged out").wait_for()
    phone.complaints.clear()
    phone.click("#load-again")
    user = db.session.scalar(db.select(factories.User))
    phone.fill("[name=email]", user.email)
    phone.fill("[name=password]", factories.PASSWORD)
    phone.click("main button")
    phone.get_by_text("You had begun a case for P-1.").wait_for()
    phone.click("#step-photo summary")
    phone.get_by_text("Photo kept from before:").wait_for()
    send(phone)
    assert len(stored_cases()) == 1


def test_a_file_that_is_no_photo_is_told_at_once(phone):
    phone.click("#step-photo summary")
    attach(phone, b"not a photo")
    error = phone.locator("#dermoscopic-error")
    error.wait_for()
    assert "cannot be read as a photo" in error.inner_text()


@pytest.mark.parametrize(
    ("x", "y", "site"),
    [
        (0.5, 0.26, "chest"),
        (0.5, 0.4, "abdomen"),
        (0.5, 0.09, "face"),
        (0.275, 0.12, "ear"),  # beside the ear of the larger head: a thumb is not that exact
        (0.84, 0.11, "acral"),
        (0.43, 0.75, "lower extremity"),
    ],
)
def test_a_tap_on_the_body_chooses_the_place(phone, x, y, site):
    phone.click("#step-where summary")
    shown = phone.locator(".body-map.is-shown")
    box = shown.bounding_box()
    shown.click(position={"x": x * box["width"], "y": y * box["height"]})
    assert phone.locator("[name=body_site]").input_value() == site
    assert phone.locator("[name=body_view]").input_value() == "front"
    assert float(phone.locator("[name=map_x]").input_value()) == pytest.approx(x, abs=0.01)
    assert float(phone.locator("[name=map_y]").input_value()) == pytest.approx(y, abs=0.01)


def test_the_list_serves_the_keyboard_and_takes_the_mark_away(phone):
    phone.click("#step-where summary")
    phone.locator(".body-map.is-shown [data-site=chest]").click()
    phone.select_option("[name=body_site]", "back")
    assert phone.locator("[name=map_x]").input_value() == ""
    assert phone.locator(".body-map.is-shown").get_attribute("data-view") == "back"


def test_without_script_it_is_a_long_plain_form(browser, phone, live_server):
    context = browser.new_context(java_script_enabled=False, storage_state=phone.context.storage_state())
    page = context.new_page()
    page.goto(live_server.url + "/cases/new")
    page.fill("[name=reference]", "P-2")
    page.check("#consent")
    page.click("#send")
    assert page.locator("#dermoscopic-error").is_visible() and page.locator("#body_site-error").is_visible()
    assert page.locator("[name=reference]").input_value() == "P-2"
    page.select_option("[name=body_site]", "hand")
    attach(page, lesion_photo())
    page.click("#send")
    assert page.locator("#live").is_visible()
    context.close()
    assert stored_cases()[0].lesion.body_site == "hand"

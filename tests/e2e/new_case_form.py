"""Filling in the new-case page as a health worker does."""

from portal.extensions import db
from portal.models import Case
from tests.photos import lesion_photo

NAME = "Ada Example 1964.jpg"


def fill_in(page, photo=None):
    page.click("#register-patient")
    page.fill("[name=reference]", "P-1")
    page.click("#step-who .step-next")
    page.select_option("[name=body_site]", "face")
    page.click("#step-where .step-next")
    page.click("label:has([value=oozing])")
    page.click("#step-changed .step-next")
    attach(page, photo or lesion_photo())
    page.get_by_text("Photo ready:").wait_for()


def attach(page, content, name=NAME):
    page.set_input_files("#dermoscopic", files=[{"name": name, "mimeType": "image/jpeg", "buffer": content}])


def send(page):
    page.click("label:has(#consent)")
    page.click("#send")
    page.wait_for_url(lambda url: "/cases/new" not in url)


def stored_cases():
    db.session.rollback()
    return db.session.scalars(db.select(Case)).all()

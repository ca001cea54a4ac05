"""Take the pictures in docs/screenshots again: ``make screenshots``. Two a role, of a portal with drawn photos.

No patient's photo and none of HAM10000 is in them: tests/photos.py draws the lesions.
"""

import io
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from PIL import Image  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

from config import TestingConfig  # noqa: E402
from portal import create_app  # noqa: E402
from portal.extensions import db  # noqa: E402
from portal.models import Case  # noqa: E402
from portal.services import cases, reviews  # noqa: E402
from tests import factories  # noqa: E402
from tests.browsers import launch_chromium  # noqa: E402
from tests.photos import lesion_photo  # noqa: E402
from tests.processes import Portal, wait_until  # noqa: E402

TARGET = ROOT / "docs" / "screenshots"
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 860}
PEOPLE = [
    ("H-1042", "Amina Yusuf", 1958, "female", 3, "back", ["change_in_size", "irregular_shape"], True),
    ("H-1043", "Jon Berg", 1949, "male", 1, "face", ["inflammation"], False),
    ("H-1044", "Lucia Ramos", 1990, "female", 4, "lower extremity", [], False),
    ("H-1045", "Peter Kay", 1967, "male", 2, "chest", ["irregular_colour", "change_in_size"], False),
    ("H-1046", "Mei Tan", 1982, "female", 3, "abdomen", [], False),
    ("H-1047", "Olu Ade", 1971, "male", 6, "foot", ["change_in_sensation"], True),
]


def main():
    TARGET.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="portal-") as directory:
        portal = Portal(Path(directory) / "data").start()
        try:
            app = create_app(TestingConfig({"DATA_DIR": portal.data_dir}))
            with app.app_context():
                people, case_id = fill()
            with sync_playwright() as playwright:
                browser = launch_chromium(playwright)
                for name, role, path, window in plan(case_id):
                    take(browser, portal.url, people[role], path, window, TARGET / f"{name}.png")
                browser.close()
        finally:
            portal.stop()


def plan(case_id):
    """What is photographed: file name, who looks, address, window."""
    return [
        ("health-worker-new-case", "health_worker", "/cases/new", PHONE),
        ("health-worker-result", "health_worker", f"/cases/{case_id}", PHONE),
        ("clinician-queue", "clinician", "/queue", DESKTOP),
        ("clinician-case", "clinician", f"/cases/{case_id}", DESKTOP),
        ("admin-results", "admin", "/admin/results", DESKTOP),
        ("admin-system", "admin", "/admin/system", DESKTOP),
    ]


def fill():
    """People and cases, read by the real worker; returns ({role: email}, id of the case to show)."""
    clinic = factories.make_clinic(name="Hill clinic")
    people = {
        "health_worker": factories.make_user("health_worker", clinic=clinic, name="Nora Okafor"),
        "clinician": factories.make_user("clinician", clinic=clinic, name="Dr Dana Weiss"),
        "admin": factories.make_user("admin", name="Alex Moreau"),
    }
    emails = {role: person.email for role, person in people.items()}
    ids = [submit(people["health_worker"], number, *person).id for number, person in enumerate(PEOPLE)]
    wait_until(lambda: all_are_read(ids), 180, interval=0.5)
    done = db.session.get(Case, ids[2])
    reviews.record_review(
        case=done,
        reviewer=people["clinician"],
        expected_review_count=0,
        diagnosis="nv",
        agrees=done.prediction.predicted_class == "nv",
        disposition="monitor",
        monitor_weeks=12,
        note="Looks harmless; photograph it again in three months.",
    )
    return emails, ids[0]


def submit(nurse, number, reference, name, birth_year, sex, skin_type, site, checklist, is_worried):
    values = factories.new_case_values(
        patient={"reference": reference, "name": name, "birth_year": birth_year, "sex": sex, "skin_type": skin_type},
        lesion={"body_site": site, "body_view": "front", "map_x": 0.5, "map_y": 0.4},
        checklist=checklist,
        is_worried=is_worried,
        dermoscopic=lesion_photo(number + 1, 1200, 900),
    )
    return cases.submit_case(submitter=nurse, **values)


def all_are_read(ids):
    db.session.rollback()
    left = db.select(db.func.count()).where(Case.id.in_(ids), Case.status.in_(["queued", "running"]))
    return db.session.scalar(left) == 0


def take(browser, url, email, path, window, target):
    context = browser.new_context(base_url=url, viewport=window, locale="en", device_scale_factor=1.5)
    page = context.new_page()
    page.goto("/login")
    page.fill("[name=email]", email)
    page.fill("[name=password]", factories.PASSWORD)
    page.locator("main button").first.click()
    page.wait_for_url(lambda address: "/login" not in address)
    page.goto(path)
    page.wait_for_load_state("networkidle")
    save(page.screenshot(), target)
    context.close()


def save(png, path):
    """256 colours are enough for a picture of a page, and a quarter of the bytes."""
    Image.open(io.BytesIO(png)).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()

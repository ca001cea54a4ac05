"""The two or three places each role has, in the order of the bars."""

from typing import NamedTuple

from flask import request
from flask_babel import lazy_gettext as _
from flask_login import current_user


class Place(NamedTuple):
    endpoint: str
    label: str
    icon: str
    parts: tuple = ()  # endpoints, or "blueprint." for all of one, that belong to this place
    is_main_act: bool = False

    @property
    def is_current(self):
        here = request.endpoint or ""
        return here == self.endpoint or any(
            here == part or part.endswith(".") and here.startswith(part) for part in self.parts
        )


PLACES = {
    "health_worker": (
        Place("cases.index", _("Cases"), "folder", ("cases.show", "cases.retry", "leaflet.show")),
        Place("cases.new", _("New case"), "camera", is_main_act=True),
        Place("patients.index", _("Patients"), "people", ("patients.",)),
    ),
    "clinician": (
        Place("queue.index", _("Queue"), "queue", ("queue.", "cases.", "reviews.", "leaflet.")),
        Place("patients.index", _("Patients"), "people", ("patients.",)),
    ),
    "admin": (
        Place("admin.users", _("People"), "people", ("admin.clinics", "admin.user", "admin.clinic")),
        Place("admin.results", _("Results"), "table", ("agreement.", "admin.export")),
        Place("admin.system", _("System"), "activity", ("admin.model", "admin.audit")),
    ),
}


def places():
    """The places of the person who asks; none before login."""
    return PLACES.get(current_user.role, ()) if current_user and current_user.is_authenticated else ()


def init_app(app):
    app.jinja_env.globals["places"] = places

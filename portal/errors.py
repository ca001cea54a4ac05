"""Errors in the user's words, in the portal's dress, with a number to quote where the log has a line of it."""

import secrets
import traceback
from pathlib import Path

from flask import current_app, g, render_template, request
from flask_babel import lazy_gettext as _
from flask_login import AnonymousUserMixin
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DataError, OperationalError
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, SecurityError

from config import ROOT
from portal.extensions import db

OWN_CODE = (str(ROOT / "portal"), str(ROOT / "ml"))

EXPLANATIONS = {
    400: (_("That did not arrive as expected"), _("Go back, check what you entered and send it again.")),
    403: (_("This page is for another role"), _("Ask an administrator if you should have access.")),
    404: (_("There is nothing here"), _("The address may be mistyped, or the page is not open to you.")),
    405: (_("That cannot be done here"), _("Go back and use the buttons on the page.")),
    409: (_("Somebody was faster"), _("This was changed while you had it open. Load it again to see the change.")),
    413: (_("That is too large"), _("A photo may have up to 10 MB. Take it at a lower resolution and try again.")),
    429: (_("Too many tries"), _("Wait a few minutes, then try again.")),
    500: (_("Something went wrong on our side"), _("Nothing you saved is lost. Try again; if it stays, tell support.")),
    503: (_("The portal is busy"), _("Nothing was saved this time. Wait a moment and send it again.")),
}


class DomainError(Exception):
    """A rule said no; the message is for the person, in their words."""

    status_code = 400

    def __init__(self, message, *, field=None):
        super().__init__(message)
        self.message = message
        self.field = field  # the form field it belongs to, if one does


class Conflict(DomainError):
    """Two people changed one thing."""

    status_code = 409


def init_app(app):
    app.register_error_handler(SecurityError, show_untrusted_host)
    app.register_error_handler(HTTPException, show_http_error)
    app.register_error_handler(RequestEntityTooLarge, show_too_large)
    app.register_error_handler(CSRFError, show_csrf_error)
    app.register_error_handler(DomainError, show_domain_error)
    app.register_error_handler(OperationalError, show_database_error)
    app.register_error_handler(DataError, show_impossible_value)
    app.register_error_handler(OverflowError, show_impossible_value)
    app.register_error_handler(Exception, show_unexpected_error)


def show_untrusted_host(_error):
    """No page: the links of one would lead to the host that the request made up."""
    return "Bad request\n", 400, {"Content-Type": "text/plain; charset=utf-8"}


def show_http_error(error):
    if error.code is not None and error.code < 400:
        return error
    return _page(error.code or 500, headers=error.get_headers(request.environ))


def show_too_large(_error):
    return _page(413, text=None if request.carries_photos else _("Shorten what you wrote, then send it again."))


def show_csrf_error(_error):
    text = _("The page was open for too long or was opened elsewhere. Load it again and repeat the last step.")
    return _page(400, text=text)


def show_domain_error(error):
    db.session.rollback()
    return _page(error.status_code, text=error.message)


def show_database_error(error):
    """The database is locked, full or gone: nothing was committed, and the page says so."""
    db.session.rollback()
    g._login_user = AnonymousUserMixin()  # Flask-Login's own place: this page asks the database nothing more
    return _page(503, reference=_log(error))


def show_impossible_value(error):
    """A number or a character that no column can hold; PostgreSQL and SQLite complain in words of their own."""
    db.session.rollback()
    return _page(400, reference=_log(error))


def show_unexpected_error(error):
    db.session.rollback()
    return _page(500, reference=_log(error))


def describe(error):
    """Kind and place of an exception for a log. Its own text may quote row values, which belong to patients."""
    frames = traceback.extract_tb(error.__traceback__)
    place = next((frame for frame in reversed(frames) if frame.filename.startswith(OWN_CODE)), frames[-1])
    return f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"


def _log(error):
    reference = secrets.token_hex(4)
    current_app.logger.error("error %s in %s: %s", reference, request.endpoint, describe(error))
    return reference


def _page(code, *, text=None, reference=None, headers=None):
    title, explanation = EXPLANATIONS.get(code, EXPLANATIONS[400 if code < 500 else 500])
    page = render_template("error.html", code=code, title=title, text=text or explanation, reference=reference)
    kept = [(name, value) for name, value in headers or () if name in {"Allow", "Retry-After"}]
    return page, code, kept

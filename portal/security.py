"""What every request is held to, and the headers that every response carries, errors and static files too."""

from flask import Request, current_app, request
from flask_login import current_user
from sqlalchemy.exc import OperationalError

from config import carries_photos
from portal.extensions import db
from portal.services import audit

# No inline script or style is needed anywhere; photos are shown from blob: before they are sent.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data: blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: the check against forged requests needs the Referer over TLS.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
HSTS = "max-age=31536000; includeSubDomains"
STATIC_ENDPOINTS = {"static", "bootstrap.static"}


class ShortRequest(Request):
    """Its body is as long as its address has use for: Werkzeug parses a form of any length that it may read.

    A property, as no hook is sure to run before the first that reads a form.
    """

    @property
    def carries_photos(self):
        return carries_photos(self.method, self.path, self.mimetype)

    @property
    def max_content_length(self):
        return current_app.config["MAX_CONTENT_LENGTH" if self.carries_photos else "MAX_FORM_MEMORY_SIZE"]


def init_app(app):
    app.request_class = ShortRequest
    app.after_request(record_denial)
    app.after_request(add_headers)


def record_denial(response):
    """Audit that a known person asked for another role's page, or for a row that is not there for them."""
    is_foreign_row = response.status_code == 404 and request.view_args and request.endpoint not in STATIC_ENDPOINTS
    if (response.status_code == 403 or is_foreign_row) and current_user.is_authenticated:
        row_id = next((str(value) for value in (request.view_args or {}).values()), None)
        details = {"endpoint": request.endpoint, "row": row_id, "status": response.status_code}
        try:
            audit.record_alone(action="denied", details=details)
        except OperationalError:  # the refusal itself must not fail
            db.session.rollback()
    return response


def add_headers(response):
    """A view that set one of these itself, stricter for what it serves, keeps its own."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if current_app.config["IS_PRODUCTION"]:
        response.headers.setdefault("Strict-Transport-Security", HSTS)
    if request.endpoint not in STATIC_ENDPOINTS or response.status_code >= 400:
        response.headers.setdefault("Cache-Control", "no-store")
    return response

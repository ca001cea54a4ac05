"""Clinician and computer side by side: everybody for the admin, oneself for the clinician."""

from datetime import UTC, date, datetime, time, timedelta

from flask import Blueprint, render_template, request
from flask_login import current_user

from ml.intervals import wilson_interval
from portal.database import utc_now
from portal.permissions import require_role
from portal.queries.agreement import find_agreement

blueprint = Blueprint("agreement", __name__)

USUAL_PERIOD = timedelta(days=90)


@blueprint.get("/admin/agreement")
@require_role("admin")
def index():
    return _page()


@blueprint.get("/agreement/mine")
@require_role("clinician")
def mine():
    return _page()


def _page():
    today = utc_now().date()
    until = min(today, request.args.get("to", today, type=date.fromisoformat))
    since = request.args.get("from", today - USUAL_PERIOD, type=date.fromisoformat)
    agreement = find_agreement(current_user, since=_start_of(since), until=_start_of(until + timedelta(days=1)))
    return render_template(
        "admin/agreement.html", agreement=agreement, since=since, until=until, interval=wilson_interval
    )


def _start_of(day):
    return datetime.combine(day, time.min, UTC)

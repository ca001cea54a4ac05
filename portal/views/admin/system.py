"""How the portal is doing, and what was done in it."""

from flask import current_app, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_login import current_user

from portal.errors import DomainError
from portal.explanations import FAILURES
from portal.model_card import read_model_card
from portal.permissions import get_case_or_404
from portal.queries import admin as queries
from portal.queries import system as system_queries
from portal.services.cases import retry_case
from portal.services.viewing import record_list


def show_system():
    failed_cases = system_queries.find_failed_cases()
    page = render_template(
        "admin/system.html",
        state=system_queries.load_system_state(),
        failed_cases=failed_cases,
        failures=FAILURES,
        card=read_model_card(current_app.config["MODEL_DIR"]),
    )
    record_list(action="system.view", cases=failed_cases)
    return page


def retry(case_id):
    try:
        retry_case(case=get_case_or_404(case_id), actor=current_user)
        flash(_("The photo is read again."), "success")
    except DomainError as error:
        flash(error.message, "error")
    return redirect(url_for(".system"))


def show_audit():
    filters = queries.AuditFilters(
        action=request.args.get("action", "")[:40],
        actor=request.args.get("actor", "")[:100],
        target=request.args.get("target", "")[:60],
    )
    events, next_before = queries.find_audit_events(filters, before=request.args.get("before", type=int))
    return render_template(
        "admin/audit.html",
        filters=filters,
        actions=queries.find_audit_actions(),
        events=events,
        next_url=url_for(".audit", **filters.as_args(), before=next_before) if next_before else None,
    )

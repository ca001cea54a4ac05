"""What a clinician does with a case: take it, read it, decide, or ask for a better photo."""

from flask import Blueprint, flash, redirect, request, url_for
from flask_babel import gettext as _
from flask_login import current_user
from markupsafe import Markup

from portal.errors import Conflict, DomainError
from portal.extensions import db
from portal.forms.review import FirstReadForm, RetakeForm, ReviewForm
from portal.permissions import get_case_or_404, require_role
from portal.queries.first_reads import must_read_first
from portal.services import cases, reviews
from portal.views.result import draft_key, render_result

blueprint = Blueprint("reviews", __name__, url_prefix="/cases/<uuid:case_id>")


@blueprint.post("/reviews")
@require_role("clinician")
def create(case_id):
    case = get_case_or_404(case_id)
    form = ReviewForm(has_prediction=case.prediction_id is not None)
    if form.is_unread.data and case.prediction_id is not None:
        return _computer_was_faster(case, form)
    if must_read_first(case, current_user):
        return _ask_first_read(case, status=400)
    if not form.validate_on_submit():
        return render_result(case, review_form=form, status=400)
    try:
        reviews.record_review(case=case, reviewer=current_user, **form.decision())
    except DomainError as error:
        return _refuse(case, error)
    said = Markup('<span data-ended-draft="{}">{}</span>')
    flash(said.format(draft_key(case_id), _("Your decision is recorded.")), "success")
    return _onward(case_id)


@blueprint.post("/first-read")
@require_role("clinician")
def first_read(case_id):
    case = get_case_or_404(case_id)
    form = FirstReadForm()
    if not form.validate_on_submit():
        return render_result(case, first_read_form=form, status=400)
    try:
        reviews.record_first_read(case=case, reader=current_user, diagnosis=form.diagnosis.data)
    except Conflict as error:
        return _refuse(case, error)
    if not form.carried:
        return redirect(url_for("cases.show", case_id=case_id))
    review_form = ReviewForm(has_prediction=case.prediction_id is not None)
    review_form.expect(case)
    return render_result(case, review_form=review_form)


@blueprint.post("/retake")
@require_role("clinician")
def retake(case_id):
    case = get_case_or_404(case_id)
    form = RetakeForm()
    if not form.validate_on_submit():
        raise DomainError(_("Choose what is wrong with the photo."))
    cases.ask_retake(case=case, clinician=current_user, reason=form.reason.data)
    flash(_("The clinic is asked for a new photo."), "success")
    return _onward(case_id)


@blueprint.post("/take")
@require_role("clinician")
def take(case_id):
    """A POST of its own, sent once the page is really shown: what a browser fetches ahead takes nothing."""
    cases.take_case(case=get_case_or_404(case_id), clinician=current_user)
    return _quietly() or redirect(url_for("cases.show", case_id=case_id))


@blueprint.post("/release")
@require_role("clinician")
def release(case_id):
    cases.release_case(case=get_case_or_404(case_id), clinician=current_user)
    return _quietly() or redirect(url_for("queue.index"))


def _computer_was_faster(case, form):
    """The model's view came while somebody decided without it: they see it before their decision counts."""
    if must_read_first(case, current_user):
        if not form.diagnosis.validate(form):
            return _ask_first_read(case, status=409)
        try:
            reviews.record_first_read(case=case, reader=current_user, diagnosis=form.diagnosis.data)
        except Conflict as error:
            return _refuse(case, error)
    words = _("The computer read this photo while you decided. Look at its view, then record.")
    return render_result(case, review_form=form, collision=words, status=409)


def _ask_first_read(case, *, status):
    words = _("Write down your own impression first. Then the computer's view is shown.")
    return render_result(case, first_read_form=FirstReadForm(), collision=words, status=status)


def _refuse(case, error):
    """The answers again, in a form that fits what the case has become since it was looked at."""
    db.session.rollback()
    form = ReviewForm(has_prediction=case.prediction_id is not None)
    if isinstance(error, Conflict):
        form.expect(case)
    elif form.is_unread.data and case.prediction_id is not None:
        return _computer_was_faster(case, form)
    if error.field not in form:
        return render_result(case, review_form=form, collision=error.message, status=error.status_code)
    form[error.field].errors = [error.message]
    return render_result(case, review_form=form, status=error.status_code)


def _onward(case_id):
    if request.form.get("then") == "next":
        return redirect(url_for("queue.next", after=case_id))
    return redirect(url_for("cases.show", case_id=case_id))


def _quietly():
    """The answer to a page that asked in the background and stays as it is, else None."""
    return ("", 204) if request.form.get("then") == "stay" else None

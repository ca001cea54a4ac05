"""The page of a case that has something to show; shared by looking at it and by acting on it."""

from flask import render_template
from flask_login import current_user

from ml.labels import MALIGNANT
from portal import explanations
from portal.database import utc_now
from portal.forms.review import FirstReadForm, RetakeForm, ReviewForm
from portal.queries.case_page import case_page


def render_result(case, *, review_form=None, first_read_form=None, collision=None, status=200):
    """(page, status); ``collision`` is the sentence that tells a reviewer somebody was faster."""
    page = case_page(case, current_user, utc_now())
    return render_template(
        "cases/result.html",
        page=page,
        # Even the tier's own headline would tell the model's view before the first read.
        explanation=None if page.is_silent else explanations.describe(page.case, page.prediction, page.voice),
        review_form=review_form or new_review_form(page),
        first_read_form=first_read_form or FirstReadForm(formdata=None),
        is_answered=review_form is not None or first_read_form is not None,
        draft_key=draft_key(case.id),
        retake_form=RetakeForm(formdata=None),
        collision=collision,
        malignant=MALIGNANT,
        words=explanations,
    ), status


def draft_key(case_id):
    """Under which the browser keeps what this person has begun to write about the case."""
    return f"review:{current_user.id}:{case_id}"


def new_review_form(page):
    form = ReviewForm(formdata=None, has_prediction=page.prediction is not None)
    form.expect(page.case)
    if page.first_read:
        form.diagnosis.data = page.first_read.diagnosis
    return form

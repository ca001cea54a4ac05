"""The answer to a form that was not accepted: the same page, the error where it belongs."""

from flask import render_template


def render_form(template, form, error=None, **context):
    """(page, status): what was typed stays; a DomainError stands at its field, or above the form.

    200 for a form just opened, 400 for one that did not validate, else the error's own status.
    """
    if error is not None:
        errors = form[error.field].errors if error.field in form else form.form_errors
        errors.append(error.message)
    status_code = error.status_code if error else 400 if form.is_submitted() else 200
    return render_template(template, form=form, **context), status_code

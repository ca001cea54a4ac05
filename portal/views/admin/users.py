"""People: who they are, what they may do, and how they get back in."""

from flask import abort, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_login import current_user
from wtforms.fields import SelectChoice

from portal.errors import Conflict, DomainError
from portal.extensions import db
from portal.forms.admin import ChangeUserForm, NewUserForm
from portal.forms.answers import render_form
from portal.models import ROLES, Clinic, User
from portal.queries import admin as queries
from portal.queries.results import find_clinics
from portal.services import accounts, two_factor


def show_users():
    role = request.args.get("role") if request.args.get("role") in ROLES else None
    clinic_id = request.args.get("clinic", type=int)
    text = request.args.get("q", "")[:100]
    rows, next_after = queries.find_users(
        text=text, role=role, clinic_id=clinic_id, after=request.args.get("after", type=int)
    )
    chosen = {"q": text or None, "role": role, "clinic": clinic_id}
    return render_template(
        "admin/users.html",
        rows=rows,
        chosen=chosen,
        clinics=find_clinics(),
        next_url=url_for(".users", **chosen, after=next_after) if next_after else None,
    )


def new_user():
    form = _with_clinics(NewUserForm())
    if not form.validate_on_submit():
        return render_form("admin/new_user.html", form)
    try:
        user = accounts.create_user(
            email=form.email.data, name=form.name.data, role=form.role.data, clinics=_chosen_clinics(form)
        )
    except DomainError as error:
        return render_form("admin/new_user.html", form, error)
    return _link_page(user, is_new=True)


def edit_user(user_id):
    user = _get_or_404(user_id)
    form = _with_clinics(ChangeUserForm(data=user.details | {"seen": user.details_mark}), user)
    if not form.validate_on_submit():
        return render_form("admin/user.html", form, user=user)
    try:
        accounts.update_user(
            user=user,
            expected=form.seen.data,
            name=form.name.data,
            role=form.role.data,
            clinics=_chosen_clinics(form),
        )
    except Conflict as conflict:
        flash(conflict.message, "warning")
        return redirect(url_for(".user", user_id=user_id), 303)
    except DomainError as error:
        return render_form("admin/user.html", form, error, user=user)
    flash(_("Saved."), "success")
    return redirect(url_for(".user", user_id=user.id))


def deactivate(user_id):
    user = _get_or_404(user_id)
    try:
        accounts.deactivate_user(user=user, actor=current_user)
        flash(_("The account is closed, and its owner is logged out."), "success")
    except DomainError as error:
        flash(error.message, "error")
    return redirect(url_for(".user", user_id=user_id))


def activate(user_id):
    accounts.activate_user(user=_get_or_404(user_id))
    flash(_("The account is open again."), "success")
    return redirect(url_for(".user", user_id=user_id))


def reset_password(user_id):
    return _link_page(_get_somebody_else(user_id))


def reset_two_factor(user_id):
    two_factor.reset_two_factor(user=_get_somebody_else(user_id))
    flash(_("The second step is off. The person can set it up again after the next login."), "success")
    return redirect(url_for(".user", user_id=user_id))


def _link_page(user, *, is_new=False):
    """The one-time link, in this answer only: it is stored nowhere and shown never again."""
    token = accounts.issue_reset_link(user=user)
    link = url_for("auth.reset", token=token, _external=True)
    hours = round(accounts.RESET_LINK_LIFETIME.total_seconds() / 3600)
    return render_template("admin/reset_link.html", user=user, link=link, hours=hours, is_new=is_new)


def _get_or_404(user_id):
    return db.session.get(User, user_id) or abort(404)


def _get_somebody_else(user_id):
    """Not oneself: an open computer would do; the account page asks for the present password."""
    if user_id == current_user.id:
        raise DomainError(_("This is your own account. Its password and second step are changed under My account."))
    return _get_or_404(user_id)


def _with_clinics(form, user=None):
    """Open clinics, and the closed ones the user already has."""
    offered = {clinic.id: clinic.name for clinic in queries.find_open_clinics()}
    offered |= {clinic.id: clinic.name for clinic in user.clinics} if user else {}
    form.clinics.choices = [SelectChoice(*clinic) for clinic in offered.items()]
    return form


def _chosen_clinics(form):
    return db.session.scalars(db.select(Clinic).where(Clinic.id.in_(form.clinics.data))).all()

"""Clinics: create, rename, first read on or off, close and open."""

from flask import abort, flash, redirect, render_template, url_for
from flask_babel import gettext as _

from portal.errors import Conflict, DomainError
from portal.extensions import db
from portal.forms.admin import ChangeClinicForm, ClinicForm
from portal.forms.answers import render_form
from portal.models import Clinic
from portal.queries import admin as queries
from portal.services import clinics


def show_clinics():
    return render_template("admin/clinics.html", rows=queries.find_clinic_rows())


def new_clinic():
    form = ClinicForm()
    if not form.validate_on_submit():
        return render_form("admin/clinic.html", form)
    try:
        clinics.create_clinic(name=form.name.data, first_read_required=form.first_read_required.data)
    except DomainError as error:
        return render_form("admin/clinic.html", form, error)
    flash(_("The clinic is there. Now add its people."), "success")
    return redirect(url_for(".clinics"))


def edit_clinic(clinic_id):
    clinic = _get_or_404(clinic_id)
    form = ChangeClinicForm(data=clinic.details | {"seen": clinic.details_mark})
    if not form.validate_on_submit():
        return render_form("admin/clinic.html", form, clinic=clinic)
    try:
        clinics.update_clinic(
            clinic=clinic,
            expected=form.seen.data,
            name=form.name.data,
            first_read_required=form.first_read_required.data,
        )
    except Conflict as conflict:
        flash(conflict.message, "warning")
        return redirect(url_for(".clinic", clinic_id=clinic_id), 303)
    except DomainError as error:
        return render_form("admin/clinic.html", form, error, clinic=clinic)
    flash(_("Saved."), "success")
    return redirect(url_for(".clinics"))


def deactivate(clinic_id):
    clinics.set_clinic_active(clinic=_get_or_404(clinic_id), is_active=False)
    flash(_("The clinic is closed. Its cases stay."), "success")
    return redirect(url_for(".clinics"))


def activate(clinic_id):
    clinics.set_clinic_active(clinic=_get_or_404(clinic_id), is_active=True)
    flash(_("The clinic is open again."), "success")
    return redirect(url_for(".clinics"))


def _get_or_404(clinic_id):
    return db.session.get(Clinic, clinic_id) or abort(404)

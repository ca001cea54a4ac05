"""What an administrator types."""

from flask_babel import lazy_gettext as _
from wtforms import BooleanField, EmailField, HiddenField, RadioField, SelectMultipleField, StringField
from wtforms.fields import SelectChoice
from wtforms.validators import DataRequired, InputRequired
from wtforms.widgets import CheckboxInput, ListWidget

from portal.formatting import ROLE_NAMES
from portal.forms.base import Form, at_most


class ChecklistField(SelectMultipleField):
    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


class UserForm(Form):
    """``clinics`` gets its choices from the view: a SelectChoice each."""

    name = StringField(_("Name"), validators=[DataRequired(message=_("Enter the name.")), at_most(120)])
    role = RadioField(
        _("Role"),
        choices=[SelectChoice(*role) for role in ROLE_NAMES.items()],
        validators=[InputRequired(message=_("Choose a role."))],
    )
    clinics = ChecklistField(_("Clinics"), coerce=int)


class ChangeUserForm(UserForm):
    seen = HiddenField()  # User.details_mark as the form was opened


class NewUserForm(UserForm):
    email = EmailField(
        _("Email"),
        validators=[InputRequired(message=_("Enter the email.")), at_most(254)],
        render_kw={"autocomplete": "off"},
    )


class ClinicForm(Form):
    name = StringField(_("Name"), validators=[DataRequired(message=_("Enter the name.")), at_most(120)])
    first_read_required = BooleanField(_("Clinicians note their own impression before they see the computer's view"))


class ChangeClinicForm(ClinicForm):
    seen = HiddenField()  # Clinic.details_mark as the form was opened

"""What an administrator types."""

from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import BooleanField, EmailField, RadioField, SelectMultipleField, StringField
from wtforms.fields import SelectChoice
from wtforms.validators import InputRequired, Length
from wtforms.widgets import CheckboxInput, ListWidget

from portal.formatting import ROLE_NAMES


class ChecklistField(SelectMultipleField):
    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()


class UserForm(FlaskForm):
    """``clinics`` gets its choices from the view: a SelectChoice each."""

    name = StringField(_("Name"), validators=[InputRequired(message=_("Enter the name.")), Length(max=120)])
    role = RadioField(
        _("Role"),
        choices=[SelectChoice(*role) for role in ROLE_NAMES.items()],
        validators=[InputRequired(message=_("Choose a role."))],
    )
    clinics = ChecklistField(_("Clinics"), coerce=int)


class NewUserForm(UserForm):
    email = EmailField(
        _("Email"),
        validators=[InputRequired(message=_("Enter the email.")), Length(max=254)],
        render_kw={"autocomplete": "off"},
    )


class ClinicForm(FlaskForm):
    name = StringField(_("Name"), validators=[InputRequired(message=_("Enter the name.")), Length(max=120)])
    first_read_required = BooleanField(_("Clinicians note their own impression before they see the computer's view"))

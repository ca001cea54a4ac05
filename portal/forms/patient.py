"""Who a patient is: the fields of a new patient, and the form that corrects them."""

from flask_babel import lazy_gettext as _
from wtforms import HiddenField, IntegerField, RadioField, SelectChoice, StringField
from wtforms.validators import Optional, ValidationError

from portal.database import utc_now
from portal.formatting import SKIN_TYPES
from portal.forms.base import NO_WHOLE_NUMBER, Form, at_most
from portal.models import OLDEST_YEARS

SKIN_TYPE_HINTS = {
    1: _("Always burns, never tans"),
    2: _("Burns easily, tans a little"),
    3: _("Sometimes burns, tans slowly"),
    4: _("Seldom burns, tans well"),
    5: _("Brown skin, very seldom burns"),
    6: _("Dark brown or black skin, never burns"),
}


class PatientForm(Form):
    """Fields carry the names of ``services.patients.add_patient`` and of its errors."""

    reference = StringField(
        _("Clinic's reference"),
        validators=[at_most(40)],
        filters=[lambda text: (text or "").strip()],
    )
    name = StringField(
        _("Name"),
        validators=[at_most(120)],
        filters=[lambda text: (text or "").strip()],
    )
    birth_year = IntegerField(_("Birth year"), validators=[Optional()], invalid_value_message=NO_WHOLE_NUMBER)
    sex = RadioField(
        _("Sex"),
        choices=[
            SelectChoice("female", _("Female")),
            SelectChoice("male", _("Male")),
            SelectChoice("", _("Other or not said")),
        ],
        default="",
    )
    skin_type = RadioField(
        _("Skin type"),
        choices=[
            *(SelectChoice(str(number), numeral) for number, numeral in SKIN_TYPES.items()),
            SelectChoice("", _("Not noted")),
        ],
        default="",
        coerce=lambda value: value or "",
    )

    def validate_birth_year(self, field):
        this_year = utc_now().year
        first = this_year - OLDEST_YEARS
        if field.data is not None and not first <= field.data <= this_year:
            message = _("Enter a year from %(first)s to %(last)s.", first=first, last=this_year)
            raise ValidationError(message)

    def patient_values(self):
        """What the fields say of the patient, by the names of its columns."""
        return {
            "reference": self.reference.data,
            "name": self.name.data,
            "birth_year": self.birth_year.data,
            "sex": self.sex.data or None,
            "skin_type": int(self.skin_type.data) if self.skin_type.data else None,
        }


class CorrectionForm(PatientForm):
    """The details of a known patient."""

    seen = HiddenField()  # Patient.details_mark as the form was opened

    def __init__(self, patient):
        details = patient.details
        shown = {"sex": details["sex"] or "", "skin_type": str(details["skin_type"] or "")}
        super().__init__(data=details | shown | {"seen": patient.details_mark})
        self.reference.flags.required = True

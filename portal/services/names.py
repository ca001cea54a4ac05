"""Names that a page shows of people and clinics."""

from flask_babel import gettext as _

from portal.errors import DomainError


def checked_name(name):
    """The name without blanks around it; raises DomainError at its field when nothing is left or it is too long."""
    name = name.strip()
    if not 1 <= len(name) <= 120:
        raise DomainError(_("Enter a name of up to 120 characters."), field="name")
    return name

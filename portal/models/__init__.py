"""One class a file; imported here so that the metadata is complete."""

from portal.models.audit import AuditEvent
from portal.models.case import BEING_READ, CHECKLIST, CHECKLIST_MAJOR, STATUSES, TIERS, Case
from portal.models.clinic import Clinic
from portal.models.first_read import FirstRead
from portal.models.image import Image
from portal.models.lesion import UNKNOWN_SITE, Lesion
from portal.models.login import AccountToken, LoginAttempt, LoginSession
from portal.models.patient import OLDEST_YEARS, Patient
from portal.models.prediction import Prediction
from portal.models.review import DIAGNOSES, DISPOSITIONS, MONITOR_WEEKS_MAX, Review
from portal.models.user import ROLES, User

__all__ = [
    "BEING_READ",
    "CHECKLIST",
    "CHECKLIST_MAJOR",
    "DIAGNOSES",
    "DISPOSITIONS",
    "MONITOR_WEEKS_MAX",
    "OLDEST_YEARS",
    "ROLES",
    "STATUSES",
    "TIERS",
    "UNKNOWN_SITE",
    "AccountToken",
    "AuditEvent",
    "Case",
    "Clinic",
    "FirstRead",
    "Image",
    "Lesion",
    "LoginAttempt",
    "LoginSession",
    "Patient",
    "Prediction",
    "Review",
    "User",
]

"""Rows for tests: one function a model, sensible values unless told otherwise, committed and returned.

They write the tables directly, so that a test of one service does not rest on the others.
"""

import hashlib
import io
import itertools
import uuid
from datetime import timedelta
from functools import lru_cache

from argon2 import PasswordHasher
from PIL import Image as Picture

from ml.labels import CLASSES, MALIGNANT
from portal.database import utc_now
from portal.extensions import db
from portal.models import (
    CHECKLIST_MAJOR,
    TIERS,
    Case,
    Clinic,
    FirstRead,
    Image,
    Lesion,
    Patient,
    Prediction,
    Review,
    User,
)
from tests.photos import lesion_image

PASSWORD = "correct horse battery staple"
# The hash carries its parameters: cheap ones, because tests log in a lot.
_PASSWORD_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
_number = itertools.count(1)
# Names carry no digit: a page full of names can then be searched for a figure that must not be there.
_LETTERS = str.maketrans("0123456789", "ZQWXVKJPRT")


def save(*rows):
    """Add and commit."""
    db.session.add_all(rows)
    db.session.commit()
    return rows[0]


def _name(what, number):
    return f"{what} {number}".translate(_LETTERS)


def make_clinic(**values):
    return save(Clinic(**{"name": _name("Clinic", next(_number)), **values}))


def make_user(role="health_worker", *, clinics=None, clinic=None, **values):
    """Somebody who logs in with PASSWORD; anyone but an admin gets a clinic of their own unless given."""
    number = next(_number)
    if clinics is None:
        clinics = [clinic] if clinic else [] if role == "admin" else [make_clinic()]
    defaults = {"email": f"{role}{number}@example.org", "name": _name("Person", number)}
    return save(User(role=role, clinics=list(clinics), **{**defaults, "password_hash": _PASSWORD_HASH, **values}))


def make_patient(**values):
    clinic = values.pop("clinic", None) or make_clinic()
    defaults = {"reference": f"P-{next(_number)}", "name": "Ada Example", "birth_year": 1964, "sex": "female"}
    return save(Patient(clinic=clinic, **{**defaults, "skin_type": 2, **values}))


def make_lesion(**values):
    patient = values.pop("patient", None) or make_patient()
    place = {"body_site": "back", "body_view": "back", "map_x": 0.5, "map_y": 0.3}
    return save(Lesion(patient=patient, **{"number": len(patient.lesions) + 1, **place, **values}))


def make_case(status="queued", *, tier="routine", prediction=None, with_image=True, **values):
    """A case in ``status`` with what that status implies: a prediction, a review, a reason.

    ``prediction`` is a dict of Prediction values, or False for none.
    """
    lesion = values.pop("lesion", None) or make_lesion()
    clinic = lesion.patient.clinic
    submitter = values.pop("submitted_by", None) or make_user(clinic=clinic)
    now = utc_now()
    defaults = {
        "submission_key": uuid.uuid4().hex,
        "age_years": 62,
        "submitted_at": now,
        "consent_at": now,
        "failure_reason": "model_error" if status == "failed" else None,
        "retake_reason": "blurred" if status == "retake" else None,
        "lease_expires_at": now + timedelta(minutes=3) if status == "running" else None,
        "attempts": 1 if status in {"running", "classified", "reviewed"} else 0,
    }
    initial = status if status not in {"classified", "reviewed"} else "running"
    case = Case(clinic=clinic, lesion=lesion, submitted_by=submitter, status=initial, tier=tier)
    for name, value in {**defaults, "tier_rank": TIERS.index(tier) if tier else len(TIERS), **values}.items():
        setattr(case, name, value)
    save(case)
    if with_image:
        make_image(case=case)
    if status in {"classified", "reviewed"} and prediction is not False:
        make_prediction(case=case, **(prediction or {}))
    if status == "classified":
        case.status = status
    if status == "reviewed":
        make_review(case=case)
    db.session.commit()
    return case


def make_image(case, kind="dermoscopic", **values):
    content, thumbnail = _photo_bytes()
    defaults = {"width": 400, "height": 300, "sha256": hashlib.sha256(content).hexdigest()}
    return save(Image(case=case, kind=kind, content=content, thumbnail=thumbnail, **{**defaults, **values}))


def make_prediction(case, *, predicted_class="nv", confidence=0.7, **values):
    """A prediction the case's tier rests on; the rest of the probability is spread evenly."""
    rest = (1 - confidence) / (len(CLASSES) - 1)
    probabilities = {name: confidence if name == predicted_class else rest for name in CLASSES}
    risk = sum(probabilities[name] for name in MALIGNANT)
    defaults = {
        "model_version": "test-1",
        "is_validated": True,
        "malignancy_risk": risk,
        "melanoma_probability": probabilities["mel"],
        "probabilities": probabilities,
        "image_probabilities": probabilities,
        "prediction_set": [predicted_class],
        "out_of_distribution": False,
        "out_of_distribution_score": 0.1,
        "factors": [{"name": "image", "value": None, "risk_before": 0.2, "risk_after": risk}],
        "thresholds": {
            "malignancy": {"sensitivity_95": 0.2},
            "melanoma": {"sensitivity_95": 0.1, "specificity_95": 0.4},
        },
        "activation_map": _activation_map(),
        "latency_ms": 45.0,
    }
    row = Prediction(case=case, predicted_class=predicted_class, confidence=confidence, **{**defaults, **values})
    save(row)
    case.prediction = row
    db.session.commit()
    return row


def make_review(case, reviewer=None, **values):
    """The next review of the case; it ends as reviewed."""
    reviewer = reviewer or make_user("clinician", clinic=case.clinic)
    defaults = {"diagnosis": "nv", "agrees": True, "disposition": "no_action", "note": ""}
    number = case.review_count + 1
    row = Review(case=case, reviewer=reviewer, number=number, prediction=case.prediction, **{**defaults, **values})
    case.review_count = number
    case.status = "reviewed"
    return save(row)


def make_first_read(case, reader=None, diagnosis="nv"):
    return save(FirstRead(case=case, reader=reader or make_user("clinician", clinic=case.clinic), diagnosis=diagnosis))


def new_case_values(**values):
    """Keyword arguments of services.cases.submit_case for a new patient; pass submitter."""
    return {
        "submission_key": uuid.uuid4().hex,
        "patient": {"reference": f"P-{next(_number)}", "name": "Ada Example", "birth_year": 1964, "sex": "female"}
        | {"skin_type": 2},
        "lesion": {"body_site": "back", "body_view": "back", "map_x": 0.5, "map_y": 0.3},
        "checklist": [CHECKLIST_MAJOR[0]],
        "is_worried": False,
        "comment": "",
        "consent": True,
        "dermoscopic": _photo_bytes()[0],
        "overview": None,
        **values,
    }


@lru_cache
def _photo_bytes():
    image = lesion_image(width=400, height=300)
    return _encode(image, "JPEG"), _encode(image.resize((288, 216)), "JPEG")


@lru_cache
def _activation_map():
    return _encode(Picture.radial_gradient("L").resize((10, 10)), "PNG")


def _encode(image, kind):
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()

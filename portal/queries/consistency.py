"""What the database's own rules cannot see: rows that lost their other half, photos that are not what they were."""

import hashlib

from portal.extensions import db
from portal.models import Case, Image, Lesion


def find_inconsistencies():
    """One sentence for each thing that is not as it should be; an empty list when all is well."""
    return [*_cases_without_photo(), *_lesions_without_case(), *_changed_photos()]


def _cases_without_photo():
    has_photo = db.select(Image.id).where(Image.case_id == Case.id, Image.kind == "dermoscopic").exists()
    return [f"Case {case_id} has no photo." for case_id in db.session.scalars(db.select(Case.id).where(~has_photo))]


def _lesions_without_case():
    has_case = db.select(Case.id).where(Case.lesion_id == Lesion.id).exists()
    return [f"Lesion {row_id} has no case." for row_id in db.session.scalars(db.select(Lesion.id).where(~has_case))]


def _changed_photos():
    rows = db.session.execute(db.select(Image.id, Image.sha256, Image.content).execution_options(yield_per=20))
    for image_id, sha256, content in rows:
        if hashlib.sha256(content).hexdigest() != sha256:
            yield f"Photo {image_id} is not what was stored."

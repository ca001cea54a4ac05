import uuid

from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.database import UtcDateTime, utc_now
from portal.extensions import db
from portal.models.patient import Patient

UNKNOWN_SITE = "unknown"  # a photo sent by an operator without a word about where


class Lesion(db.Model):
    """One spot on one patient, followed over time."""

    __table_args__ = (
        UniqueConstraint("patient_id", "number"),
        CheckConstraint("body_view IN ('front', 'back')", name="body_view"),
        CheckConstraint("map_x BETWEEN 0 AND 1 AND map_y BETWEEN 0 AND 1", name="map_position"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    patient_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("patient.id"))
    number: Mapped[int]  # 1, 2, ... within the patient
    body_site: Mapped[str] = mapped_column(String(20))  # one of ml.labels.SITES, or UNKNOWN_SITE
    body_view: Mapped[str | None] = mapped_column(String(5))
    map_x: Mapped[float | None]  # 0..1 of the body map's width
    map_y: Mapped[float | None]
    created_at = mapped_column(UtcDateTime, default=utc_now, nullable=False)
    patient: Mapped[Patient] = relationship(back_populates="lesions")
    cases: Mapped[list["Case"]] = relationship(back_populates="lesion", order_by="Case.submitted_at")  # noqa: F821

    @property
    def reference(self):
        return f"L{self.number}"

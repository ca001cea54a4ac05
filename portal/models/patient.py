import uuid

from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.database import UtcDateTime, utc_now
from portal.extensions import db
from portal.models.clinic import Clinic
from portal.models.details import HasDetails

OLDEST_YEARS = 130  # above the greatest age ever reached


class Patient(HasDetails, db.Model):
    """A person at one clinic, known by the clinic's own reference."""

    __table_args__ = (
        UniqueConstraint("clinic_id", "reference"),
        CheckConstraint("sex IN ('female', 'male')", name="sex"),
        CheckConstraint("skin_type BETWEEN 1 AND 6", name="skin_type"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    clinic_id: Mapped[int] = mapped_column(ForeignKey("clinic.id"))
    reference: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(120), default="")
    birth_year: Mapped[int | None]
    sex: Mapped[str | None] = mapped_column(String(6))  # None: other or not said
    skin_type: Mapped[int | None]  # Fitzpatrick I to VI
    created_at = mapped_column(UtcDateTime, default=utc_now, nullable=False)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    anonymised_at = mapped_column(UtcDateTime)
    clinic: Mapped[Clinic] = relationship()
    lesions: Mapped[list["Lesion"]] = relationship(back_populates="patient", order_by="Lesion.number")  # noqa: F821

    @property
    def details(self):
        """What is noted of the person, and may have been noted wrongly."""
        return {name: getattr(self, name) for name in ("reference", "name", "birth_year", "sex", "skin_type")}

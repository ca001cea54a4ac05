import uuid

from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.database import UtcDateTime, utc_now
from portal.extensions import db
from portal.models.patient import Patient

UNKNOWN_SITE = "unknown"  # a photo sent by an operator without a word about where

# The drawing in templates/cases/_body_map.html, as shares of its width: the figure's middle, and that of the head
# which is drawn again, larger, beside it. The palm and the sole drawn there stand for both.
_MIDDLE, _MIDDLE_OF_HEAD, _HEAD_ENDS = 160 / 320, 52 / 320, 115 / 320
_ON_HEAD = ("ear", "face", "neck", "scalp")
_PAIRED = ("ear", "foot", "hand", "lower extremity", "upper extremity")
_NEITHER_SIDE = 8 / 320  # so near to the middle of an unpaired part that neither side is meant


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

    @property
    def is_on_map(self):
        return None not in (self.body_view, self.map_x, self.map_y)

    @property
    def side(self):
        """The patient's own "left" or "right", as the body map was tapped; None in the middle and where it was not."""
        if not self.is_on_map or self.body_site == "acral":
            return None
        is_large_head = self.body_site in _ON_HEAD and self.map_x < _HEAD_ENDS
        offset = self.map_x - (_MIDDLE_OF_HEAD if is_large_head else _MIDDLE)
        if self.body_site not in _PAIRED and abs(offset) < _NEITHER_SIDE:
            return None
        return "left" if (offset > 0) == (self.body_view == "front") else "right"

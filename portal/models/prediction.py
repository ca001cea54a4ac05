import uuid

from sqlalchemy import ForeignKey, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.database import UtcDateTime, utc_now
from portal.extensions import db
from portal.models.case import Case


class Prediction(db.Model):
    """What one model version said of one case; never overwritten."""

    __table_args__ = (UniqueConstraint("case_id", "model_version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("case.id", ondelete="CASCADE"))
    model_version: Mapped[str] = mapped_column(String(60))
    is_validated: Mapped[bool]  # False: an evaluation model
    predicted_class: Mapped[str] = mapped_column(String(5))
    confidence: Mapped[float]
    malignancy_risk: Mapped[float]
    melanoma_probability: Mapped[float]
    probabilities: Mapped[dict] = mapped_column(db.JSON)  # class -> 0..1
    image_probabilities: Mapped[dict] = mapped_column(db.JSON)  # from the photo alone
    prediction_set: Mapped[list] = mapped_column(db.JSON)  # classes, conformal at 90 %
    out_of_distribution: Mapped[bool]
    out_of_distribution_score: Mapped[float]
    factors: Mapped[list] = mapped_column(db.JSON)  # name, value (of age: None), risk_before, risk_after
    thresholds: Mapped[dict] = mapped_column(db.JSON)  # the operating points in force
    activation_map: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)  # PNG, 8-bit grey
    latency_ms: Mapped[float]
    created_at = mapped_column(UtcDateTime, default=utc_now, nullable=False)
    case: Mapped[Case] = relationship(foreign_keys=case_id)

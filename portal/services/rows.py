"""Rows that two people write at once: who waits for whom, and what the later one is told."""

from contextlib import contextmanager

from sqlalchemy.exc import IntegrityError

from portal.errors import DomainError
from portal.extensions import db


def lock(row):
    """The row as its last writer left it, closed to other writers until the transaction ends.

    Its key stays open: whoever writes down what a user did holds the end of the audit trail and points to that user,
    while the writer of this row is about to wait for the trail.
    """
    db.session.refresh(row, with_for_update={"key_share": True})
    return row


@contextmanager
def unique(*, taken, field):
    """What is written within has a name of its own, or DomainError ``taken`` at ``field``.

    ``taken`` is lazy: to look up the reader's language may read the database, and so write the row too early.
    """
    try:
        yield
    except IntegrityError:
        db.session.rollback()
        raise DomainError(str(taken), field=field) from None

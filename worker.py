"""Entry point of the Celery worker: ``celery -A worker worker``."""

import warnings

from celery.platforms import SecurityWarning

from portal import create_app
from portal.workers import prepare_worker

# Celery warns of root because a pickled message could run code; only JSON is accepted here.
warnings.simplefilter("ignore", SecurityWarning)

# No name `app` in here: Celery's -A would take it for its own.
celery = prepare_worker(create_app())

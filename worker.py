"""Entry point of the Celery worker: ``celery -A worker worker``."""

from portal import create_app

app = create_app()
celery = app.extensions["celery"]

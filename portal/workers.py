"""What a worker process does besides its tasks: it loads the model, says that it is alive, and rings for the sweep.

Every worker rings, and two sweeps at once are harmless: there is no beat process whose loss would stop the sweep.
"""

import logging

from celery import bootsteps
from celery.signals import worker_process_init
from redis import Redis, RedisError

from portal.database import utc_now
from portal.extensions import db
from portal.services import classification

PRESENCE_KEY = "portal:worker:"  # + the worker's name; the value is when it started (ISO 8601, UTC)

log = logging.getLogger(__name__)


def prepare_worker(app):
    """The app's Celery, with a pulse, and with children that load the model before their first task."""

    @worker_process_init.connect(weak=False)
    def prepare_child(**_kwargs):
        with app.app_context():
            db.engine.dispose(close=False)  # a connection must not be shared with the parent
            try:
                classification.load_classifier()
            except Exception:
                # The cases stay queued, and each try to read one says again what is wrong.
                log.exception("the model in %s cannot be loaded", app.config["MODEL_DIR"])

    celery = app.extensions["celery"]
    celery.steps["worker"].add(Pulse)
    return celery


class Pulse(bootsteps.StartStopStep):
    """Every SWEEP_SECONDS: "I am here", and a ring for the sweep."""

    requires = {"celery.worker.components:Timer"}

    def __init__(self, worker, **kwargs):
        super().__init__(worker, **kwargs)
        self.timer = None

    def start(self, worker):
        app = worker.app.flask_app
        seconds = app.config["SWEEP_SECONDS"]
        redis = Redis.from_url(app.config["REDIS_URL"], socket_timeout=1, socket_connect_timeout=1)
        started_at = utc_now().isoformat()

        def beat():
            try:
                redis.set(PRESENCE_KEY + worker.hostname, started_at, ex=3 * seconds)
            except RedisError as error:
                log.warning("cannot say that this worker is alive: %s", type(error).__name__)
            with app.app_context():
                classification.ring_for_sweep()

        self.timer = worker.timer.call_repeatedly(seconds, beat)
        beat()

    def stop(self, worker):
        self.timer.cancel()

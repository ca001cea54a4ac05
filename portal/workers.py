"""What a worker process does besides its tasks: it loads the model, says that it is alive, and rings for the sweep.

Every worker rings, and two sweeps at once are harmless: there is no beat process whose loss would stop the sweep.
"""

import logging

from celery import bootsteps
from celery.signals import worker_process_init
from celery.worker import request
from kombu.transport import virtual
from redis import RedisError

from portal.broker import PRESENCE_KEY, open_redis
from portal.database import utc_now
from portal.extensions import db
from portal.services import classification

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


class Request(request.Request):
    """A message in the worker's hand; once its task is over it is out of the hand, whatever Redis says to that.

    An acknowledgement that Redis does not take, as it is frozen at that moment, is logged by Celery and
    forgotten, while the message still counts as in hand. With room for one, no other is taken ever again.
    Redis delivers such a message once more after the visibility timeout, and the lease refuses it.
    """

    def acknowledge(self):
        super().acknowledge()
        self._let_go()

    def reject(self, requeue=False):
        super().reject(requeue=requeue)
        self._let_go()

    def _let_go(self):
        if not self.message.acknowledged:
            # The worker's own count alone, without what Redis's transport does in Redis.
            virtual.QoS.ack(self.message.channel.qos, self.message.delivery_tag)


class Pulse(bootsteps.StartStopStep):
    """Every SWEEP_SECONDS: "I am here", and a ring for the sweep."""

    requires = {"celery.worker.components:Timer"}

    def __init__(self, worker, **kwargs):
        super().__init__(worker, **kwargs)
        self.timer = None

    def start(self, worker):
        app = worker.app.flask_app
        seconds = app.config["SWEEP_SECONDS"]
        redis = open_redis(app.config)
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

"""Celery settings and their reasons."""

from celery import Celery, Task
from kombu import Queue

# The broker is only a doorbell: the database row says what is to be done, so a lost message costs a
# sweep interval and a doubled one is refused by the lease.


def celery_init_app(app):
    """A Celery app whose tasks run inside an app context; also at ``app.extensions["celery"]``."""

    class FlaskTask(Task):
        Request = "portal.workers:Request"  # by name: only a worker has use for it

        def __call__(self, *args, **kwargs):
            with app.app_context():
                return self.run(*args, **kwargs)

    celery = Celery(app.name, task_cls=FlaskTask)
    broker = app.config["REDIS_URL"]
    celery.conf.update(
        broker_url="redis+socket://" + broker.removeprefix("unix://") if broker.startswith("unix://") else broker,
        include=["portal.tasks"],
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        # A model loaded in the parent hangs forked children, so each child loads its own and needs time.
        worker_proc_alive_timeout=120,
        worker_max_tasks_per_child=1000,
        # Over before the lease is: a case is never in two children at once.
        task_soft_time_limit=app.config["LEASE_SECONDS"] * 2 / 3,
        task_time_limit=app.config["LEASE_SECONDS"] * 5 / 6,
        worker_soft_shutdown_timeout=20,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={"visibility_timeout": 900, "socket_timeout": 5, "socket_connect_timeout": 1},
        task_publish_retry=False,
        # A queue of its own: workers turn from one to the other, so a backlog of cases never holds up the sweep.
        task_queues=[Queue(name, routing_key=name) for name in ("cases", "sweeps")],
        task_default_queue="cases",
        task_routes={"portal.tasks.sweep": {"queue": "sweeps"}},
        worker_hijack_root_logger=False,
        # Workers are stopped by signals; whoever may write to Redis need not be able to.
        worker_enable_remote_control=False,
    )
    celery.flask_app = app
    celery.set_default()
    app.extensions["celery"] = celery
    return celery

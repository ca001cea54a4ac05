"""The web server's settings, read by gunicorn from the folder it is started in."""

import os
from pathlib import Path

from config import whole_number
from ops.address import with_port
from ops.checks import warn_of_development

bind = with_port(os.environ.get("HOST") or "127.0.0.1", os.environ.get("PORT") or "8000")
worker_class = "ops.web_worker.PatientWorker"
workers = whole_number(os.environ, "WEB_CONCURRENCY", 2, least=1)
threads = whole_number(os.environ, "WEB_THREADS", 8, least=1)
worker_connections = 400  # each may need a file for its request, and 1,024 open files are a common limit
preload_app = True  # one import for all workers; the engine has no connection yet when they fork
wsgi_app = "portal:create_app()"

timeout = 60  # longer than the database waits for a lock
graceful_timeout = 20
keepalive = 5
# A slow leak ends before it hurts; the jitter keeps the workers from ending together.
max_requests = 5000
max_requests_jitter = 1000
# The heartbeat file must never wait for a disk.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None

limit_request_line = 4094
limit_request_fields = 60
limit_request_field_size = 8190
umask = 0o077
# Its default place is shared by every gunicorn of this account.
control_socket_disable = True
# No access log: addresses carry what people searched for, and that may be a name.
accesslog = None
loglevel = os.environ.get("LOG_LEVEL") or "warning"


def on_starting(server):
    warn_of_development(os.environ, server.log.warning)

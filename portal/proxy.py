"""What the proxies in front tell of a visitor."""

import re

from portal.models import AuditEvent

LONGEST_ADDRESS = AuditEvent.address.type.length

# Some proxies add the port that the visitor came from.
WITH_PORT = re.compile(r"^(?:\[(.+)\](?::\d+)?|([\d.]+):\d+)$")


def with_plain_address(wsgi_app):
    """The WSGI application, told the visitor's address alone, and no more of it than the database holds."""

    def answer(environ, start_response):
        environ["REMOTE_ADDR"] = WITH_PORT.sub(r"\1\2", environ.get("REMOTE_ADDR", ""))[:LONGEST_ADDRESS]
        return wsgi_app(environ, start_response)

    return answer

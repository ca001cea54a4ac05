"""A browser reduced to what uploads need: cookies, forms, no redirects followed."""

import http.client
import threading
import time
import urllib.parse
import uuid
from http.cookies import SimpleCookie

from tests import factories
from tests.photos import lesion_photo

PHOTOS = [lesion_photo(seed, width=450, height=340) for seed in range(4)]


class Visitor:
    """Somebody logged in at ``url``. Requests raise OSError or http.client.HTTPException where the server is gone."""

    def __init__(self, url, user):
        self._address = urllib.parse.urlsplit(url).netloc
        self._cookies = SimpleCookie()
        status, _headers = self.post("/login", {"email": user.email, "password": factories.PASSWORD})
        assert status == 302, f"login answered {status}"

    def upload(self, photo, **values):
        """Send a new patient's case; the status and, when it was stored, its id."""
        fields = {"submission_key": uuid.uuid4().hex, "reference": uuid.uuid4().hex[:12], "body_site": "back"}
        status, headers = self.post("/cases/new", fields | {"consent": "y"} | values, {"dermoscopic": photo})
        place = headers.get("Location", "")
        return status, uuid.UUID(place.rsplit("/", 1)[-1]) if status == 303 else None

    @property
    def cookies(self):
        """The value of the Cookie header."""
        return "; ".join(f"{name}={morsel.value}" for name, morsel in self._cookies.items())

    @staticmethod
    def encode(fields, files=None):
        """Body and Content-Type of a form."""
        boundary = uuid.uuid4().hex
        parts = [_part(boundary, name, value.encode()) for name, value in fields.items()]
        parts += [_part(boundary, name, data, f'; filename="{name}.jpg"') for name, data in (files or {}).items()]
        return b"".join(parts) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"

    def post(self, path, fields, files=None):
        return self.send("POST", path, *self.encode(fields, files))

    def send(self, method, path, body=None, kind="text/plain"):
        """Status and headers of the answer to one request on a connection of its own."""
        connection = http.client.HTTPConnection(self._address, timeout=60)
        headers = {"Content-Type": kind, "Cookie": self.cookies}
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            response.read()
        finally:
            connection.close()
        for header in response.headers.get_all("Set-Cookie") or ():
            self._cookies.load(header)
        return response.status, response.headers


class Uploader(threading.Thread):
    """Uploads until ``number`` were answered with success, whatever happens to the server, and until it may end."""

    def __init__(self, visitor, number, pace_seconds=0):
        super().__init__(daemon=True)
        self.pace_seconds = pace_seconds
        self.may_end, self._gives_up = threading.Event(), threading.Event()
        self.visitor, self.number = visitor, number
        self.stored, self.refused, self.dropped = {}, [], []

    def give_up(self):
        """End without the rest of the uploads: there is no server any more."""
        self._gives_up.set()
        self.join()

    def run(self):
        while not self._gives_up.is_set() and (len(self.stored) < self.number or not self.may_end.is_set()):
            time.sleep(self.pace_seconds)
            photo = PHOTOS[len(self.stored) % len(PHOTOS)]
            try:
                status, case_id = self.visitor.upload(photo)
            except (OSError, http.client.HTTPException) as error:
                self.dropped.append(repr(error))
                time.sleep(0.1)
                continue
            if case_id is None:
                self.refused.append(status)
            else:
                self.stored[case_id] = photo


def _part(boundary, name, data, more=""):
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n'
    return head.encode() + (b"Content-Type: image/jpeg\r\n" if more else b"") + b"\r\n" + data + b"\r\n"

"""A file only its passphrase opens, written and read as a stream; one changed, missing or added byte is noticed.

Layout: magic, 16 bytes of salt, then chunks: length (4 bytes), AES-256-GCM ciphertext. The key comes from the
passphrase by scrypt; a chunk's nonce is its number, and the last one is marked, so none can be moved or cut off.
"""

import hashlib
import io
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = b"portal backup 1\n"
SALT_BYTES = 16
CHUNK_BYTES = 1024 * 1024
TAG_BYTES = 16


class DamagedFile(Exception):
    """Not such a file, not whole, changed, or another passphrase."""


class SealedWriter(io.RawIOBase):
    """Encrypts what is written into ``file``; the last chunk is written by finish(): a file left before is refused."""

    def __init__(self, file, passphrase):
        self._file = file
        self._chunks = 0
        self._buffer = bytearray()
        salt = os.urandom(SALT_BYTES)
        self._cipher = _cipher(passphrase, salt)
        file.write(MAGIC + salt)

    def writable(self):
        return True

    def write(self, data):
        self._buffer += data
        while len(self._buffer) > CHUNK_BYTES:
            self._write_chunk(bytes(self._buffer[:CHUNK_BYTES]), is_last=False)
            del self._buffer[:CHUNK_BYTES]
        return len(data)

    def finish(self):
        self._write_chunk(bytes(self._buffer), is_last=True)

    def _write_chunk(self, data, *, is_last):
        sealed = self._cipher.encrypt(_nonce(self._chunks), data, _mark(is_last))
        self._file.write(len(sealed).to_bytes(4) + sealed)
        self._chunks += 1


class SealedReader(io.RawIOBase):
    """Decrypts ``file``. Reads raise DamagedFile where it is not what was written."""

    def __init__(self, file, passphrase):
        self._file = file
        self._chunks = 0
        self._buffer = b""
        self._is_over = False
        if file.read(len(MAGIC)) != MAGIC:
            raise DamagedFile
        self._cipher = _cipher(passphrase, file.read(SALT_BYTES))

    def readable(self):
        return True

    def readinto(self, target):
        while not self._buffer and not self._is_over:
            self._buffer = self._read_chunk()
        part = self._buffer[: len(target)]
        self._buffer = self._buffer[len(part) :]
        target[: len(part)] = part
        return len(part)

    def _read_chunk(self):
        length = int.from_bytes(self._file.read(4))
        if not TAG_BYTES <= length <= CHUNK_BYTES + TAG_BYTES:
            raise DamagedFile
        sealed = self._file.read(length)
        self._is_over = not self._file.peek(1)
        try:
            data = self._cipher.decrypt(_nonce(self._chunks), sealed, _mark(self._is_over))
        except InvalidTag as error:
            raise DamagedFile from error
        self._chunks += 1
        return data


def _cipher(passphrase, salt):
    key = hashlib.scrypt(passphrase.encode(), salt=salt, n=2**15, r=8, p=1, maxmem=64 * 1024 * 1024, dklen=32)
    return AESGCM(key)


def _nonce(number):
    return number.to_bytes(12)


def _mark(is_last):
    return b"last" if is_last else b"more"

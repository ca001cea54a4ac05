"""Chunks of a sealed file can be neither moved, dropped nor doubled."""

import gzip
import io
import os

import pytest

from portal.sealed_file import CHUNK_BYTES, DamagedFile, SealedReader, SealedWriter

CONTENT = os.urandom(3 * CHUNK_BYTES + 7)
HEAD = 32


def seal(content=CONTENT):
    file = io.BytesIO()
    writer = SealedWriter(file, "passphrase")
    writer.write(content)
    writer.finish()
    return file.getvalue()


def unseal(data, passphrase="passphrase"):
    return io.BufferedReader(SealedReader(io.BufferedReader(io.BytesIO(data)), passphrase)).read()


def chunks(data):
    found, place = [], HEAD
    while place < len(data):
        end = place + 4 + int.from_bytes(data[place : place + 4])
        found.append(data[place:end])
        place = end
    return found


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, len(CONTENT)])
def test_what_was_written_is_read(size):
    assert unseal(seal(CONTENT[:size])) == CONTENT[:size]


@pytest.mark.parametrize("order", [[1, 0, 2, 3], [0, 1, 2], [0, 1, 3], [0, 0, 1, 2, 3], [3], []])
def test_chunks_keep_their_places(order):
    sealed = seal()
    parts = chunks(sealed)
    assert len(parts) == 4
    with pytest.raises(DamagedFile):
        unseal(sealed[:HEAD] + b"".join(parts[place] for place in order))


def test_the_same_content_is_never_sealed_alike():
    assert seal(b"x" * 100)[HEAD:] != seal(b"x" * 100)[HEAD:]


def test_an_unfinished_file_is_refused():
    file = io.BytesIO()
    with gzip.GzipFile(fileobj=SealedWriter(file, "passphrase"), mode="wb") as packed:
        packed.write(CONTENT)
    with pytest.raises(DamagedFile):
        unseal(file.getvalue())

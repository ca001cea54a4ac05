"""Files that are there whole or not at all, also after a power cut."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a path to write to; what was written there takes the place of `path` at once.

    Where the block raises, `path` stays as it was.
    """
    # What decides about the format stays last: Keras and matplotlib go by it.
    name, _, suffixes = path.name.partition(".")
    part = path.with_name(f"{name}.part.{suffixes}")
    yield part
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(part, path)

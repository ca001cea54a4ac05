"""The files of a folder, and files that are there whole or not at all, also after a power cut."""

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path


def files_below(directory: Path, suffixes: Collection[str]) -> list[Path]:
    """The files of these suffixes (in small letters, with the dot) in any folder below, links to folders included.

    Raises NotADirectoryError where there is no such folder.
    """
    if not directory.is_dir():
        raise NotADirectoryError(f"no such folder: {directory}")
    entered, found = set(), []
    for folder, below, names in os.walk(directory, followlinks=True):
        # A link to a folder above would be followed for ever.
        real = os.path.realpath(folder)
        if real in entered:
            below.clear()
            continue
        entered.add(real)
        below.sort()  # of two ways to one folder the same is taken everywhere
        paths = [Path(folder, name) for name in names]
        found += [path for path in paths if path.suffix.lower() in suffixes and path.is_file()]
    return sorted(found)


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

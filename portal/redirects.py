"""Where a form may send the person next."""

from urllib.parse import urlsplit


def own_path(target):
    """``target`` when it is a path of this portal, else None: no link here leads a person to another site."""
    if not target or not target.startswith("/") or target[1:2] in ("/", "\\"):
        return None
    if any(character < " " for character in target) or urlsplit(target).netloc:
        return None
    return target

"""Where the portal listens, and what a browser here or on a phone opens."""

import socket

EVERYWHERE = ("0.0.0.0", "::")


def with_port(host, port):
    """ "127.0.0.1:8000" or "[::1]:8000": a host with colons of its own stands in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def url_here(host, port):
    """What a browser on this machine opens."""
    return f"http://{with_port('localhost' if host in EVERYWHERE else host, port)}"


def line_for_phones(host, port):
    """What to open elsewhere in the network, as a line for the terminal; None where nobody else is let in."""
    if host not in EVERYWHERE:
        return None
    address = _find_address()
    if address is None:
        return f"Phones open http:// and this machine's address (`hostname -I` shows it), then :{port}."
    return f"Phones in the same network open http://{with_port(address, port)}."


def _find_address():
    """This machine's own IPv4 address on its way out; None without one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: a way is chosen, and with it the address to go by
        except OSError:
            return None
        return probe.getsockname()[0]

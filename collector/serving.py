"""How the web application is served, in the product and in its tests alike."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Any

import uvicorn

from collector.errors import SettingsError
from collector.settings import Settings

# Above the minute in which some terminals upload, so that these do not pay a handshake each; far below the quarter of
# an hour of all others, whose idle connections would take memory for nothing: they resume their TLS session.
KEEP_ALIVE_SECONDS = 75
SHUTDOWN_SECONDS = 10


def server_options(settings: Settings) -> dict[str, Any]:
    """Arguments of uvicorn for these settings, but for address and port."""
    server = settings.server
    return {
        "log_config": None,
        "access_log": False,
        # Bytes on thin lines that nobody reads; the answer to an upload has the time in its body.
        "server_header": False,
        "date_header": False,
        "timeout_keep_alive": KEEP_ALIVE_SECONDS,
        "timeout_graceful_shutdown": SHUTDOWN_SECONDS,
        # Addresses in headers are believed only from the proxies that the settings name.
        "proxy_headers": bool(server.trusted_proxies),
        "forwarded_allow_ips": list(server.trusted_proxies),
        "ssl_certfile": server.certificate_file or None,
        "ssl_keyfile": server.key_file or None,
        "ssl_context_factory": _with_one_ticket if server.certificate_file else None,
    }


def _with_one_ticket(_config: uvicorn.Config, usual: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """TLS as uvicorn makes it, for terminals that resume their sessions.

    A terminal resumes with the one ticket that it got last; OpenSSL's second one would only take room on the line.
    """
    context = usual()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options &= ~ssl.OP_NO_TICKET
    context.num_tickets = 1
    return context


def require_free_address(host: str, port: int) -> None:
    """Says at once that an address cannot be listened on.

    Raises:
        SettingsError: with the system's reason.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SettingsError(f"{host}:{port} cannot be listened on: {error.strerror}") from error

"""How the web application is served, in the product and in its tests alike."""

from __future__ import annotations

import socket
from typing import Any

from collector.errors import SettingsError
from collector.settings import Settings

KEEP_ALIVE_SECONDS = 120
SHUTDOWN_SECONDS = 10


def server_options(settings: Settings) -> dict[str, Any]:
    """Arguments of uvicorn for these settings, but for address and port."""
    server = settings.server
    return {
        "log_config": None,
        "access_log": False,
        "server_header": False,
        # Above the agents' interval, so that a report a minute does not cost a handshake each.
        "timeout_keep_alive": KEEP_ALIVE_SECONDS,
        "timeout_graceful_shutdown": SHUTDOWN_SECONDS,
        # Addresses in headers are believed only from the proxies that the settings name.
        "proxy_headers": bool(server.trusted_proxies),
        "forwarded_allow_ips": list(server.trusted_proxies),
        "ssl_certfile": server.certificate_file or None,
        "ssl_keyfile": server.key_file or None,
    }


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

"""Checks of the way to the collector, each standing on the one before: name, route, port, TLS, token, clocks."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
import urllib.request
from typing import Any, Dict, Iterator, List, Optional

from agent.config import Identity
from agent.connection import CollectorAddress, Connection, parse_collector_url, tls_context
from agent.doctor.finding import FAULT, FINE, SKIPPED, WARNING, Finding, finding
from agent.errors import AgentError, NoDataError
from agent.host import Host
from agent.link.gateway import default_gateway
from agent.probes.contract import ProbeContext
from agent.probes.latency import collect
from agent.wire.codec import CONTENT_ENCODING, compress
from agent.wire.message import mark

PATIENCE_SECONDS = 5.0
# A wrong clock harms nothing that is measured, for the collector dates it anew; beyond a day certificates fail.
CLOCK_WARNING_SECONDS = 120.0
CLOCK_FAULT_SECONDS = 86_400.0
CERTIFICATE_WARNING_DAYS = 21
DAY_SECONDS = 86_400.0

_UPLOADS = "/api/v1/reports"
# No report in it: the collector says whether it knows this terminal, and what time it is.
_EMPTY_BATCH = b'{"wire_version":1,"reports":[]}'
_SEE_NETWORK = mark("Ask whoever looks after the network of this office.")

# Of OpenSSL's x509_vfy.h.
_NOT_YET_VALID, _EXPIRED, _OTHER_HOST, _OTHER_ADDRESS = 9, 10, 62, 64


def network_findings(host: Host, identity: Identity) -> Iterator[Finding]:
    """Follows the way that an upload takes, and stops where it ends."""
    address = parse_collector_url(identity.collector_url, allow_plain_http=True)
    yield gateway_finding(default_gateway(host), is_loopback=address.is_loopback)
    yield from target_findings(host, identity)
    began = time.perf_counter()
    addresses = resolved(address.host, address.port)
    yield name_finding(address.host, addresses, time.perf_counter() - began)
    if not addresses:
        yield _not_reached("port", "tls", "token")
        return
    reached = port_finding(address)
    yield reached
    if reached.state == FAULT:
        proxies = urllib.request.getproxies()
        if proxies:
            yield proxy_finding(address)
        yield _not_reached("tls", "token")
        return
    if address.is_https:
        proved = tls_finding(address, identity.ca_file, host.wall_time_seconds())
        yield proved
        if proved.state == FAULT:
            yield _not_reached("token")
            return
    else:
        state = FINE if address.is_loopback else WARNING
        yield finding("tls", state, mark("plain HTTP: anybody on the way can read and change reports"))
    yield from answer_findings(host, identity, address)


def gateway_finding(gateway: Optional[str], *, is_loopback: bool) -> Finding:
    """Whether there is a way out of this machine."""
    if gateway is not None:
        return finding("route", FINE, mark("the default gateway is {gateway}"), gateway=gateway)
    advice = mark("Look at the cable, the switch port and the network settings of this machine.")
    state = WARNING if is_loopback else FAULT
    return finding("route", state, mark("this machine has no default gateway"), advice)


def target_findings(host: Host, identity: Identity) -> Iterator[Finding]:
    """Which of the configured targets answer, in a short round."""
    told = identity.configuration
    context = ProbeContext(told.targets, 1.0, identity.ca_file, told.measure_gateway)
    try:
        found = collect(host, context)
    except NoDataError:
        return
    except AgentError as error:
        yield Finding("targets", WARNING, error.message)
        return
    numbers: Dict[str, Dict[str, float]] = {}
    for sample in found.samples:
        numbers.setdefault(sample.labels["target"], {})[sample.metric] = sample.value
    for target, values in numbers.items():
        sent, received = int(values.get("link_probes_sent", 0)), int(values.get("link_probes_received", 0))
        if not sent:
            continue
        milliseconds = round(values.get("link_rtt_p50_seconds", 0.0) * 1000, 1)
        pattern = mark("{target}: {received} of {sent} probes answered, half of them within {milliseconds} ms")
        if not received:
            pattern = mark("{target}: none of {sent} probes was answered")
        state = FINE if received == sent else WARNING
        yield finding("targets", state, pattern, target=target, sent=sent, received=received, milliseconds=milliseconds)


def resolved(name: str, port: int) -> List[Any]:
    """Addresses of a name, empty where it is not known in time."""
    found: List[Any] = []

    def ask() -> None:
        with contextlib.suppress(OSError, UnicodeError):
            found.extend(socket.getaddrinfo(name, port, type=socket.SOCK_STREAM))

    # The system's resolver knows no deadline.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PATIENCE_SECONDS)
    return list(found)


def name_finding(name: str, addresses: List[Any], seconds: float) -> Finding:
    """Whether the collector's name is known, and how fast."""
    milliseconds = round(seconds * 1000, 1)
    if not addresses:
        return finding(
            "name",
            FAULT,
            mark("the name {name} is not known to this machine's name server"),
            mark("Check the DNS server in the network settings, or enrol with the collector's IP address."),
            name=name,
        )
    return finding("name", FINE, mark("{name} is known ({milliseconds} ms)"), name=name, milliseconds=milliseconds)


def port_finding(address: CollectorAddress) -> Finding:
    """Whether the collector's port can be reached."""
    began = time.perf_counter()
    try:
        with socket.create_connection((address.host, address.port), PATIENCE_SECONDS):
            milliseconds = round((time.perf_counter() - began) * 1000, 1)
    except ConnectionRefusedError:
        return finding(
            "port",
            FAULT,
            mark("{host}:{port} refuses connections"),
            mark("The collector is not running there, or the address is wrong."),
            host=address.host,
            port=address.port,
        )
    except OSError as error:
        return finding(
            "port",
            FAULT,
            mark("{host}:{port} cannot be reached ({why})"),
            _SEE_NETWORK,
            host=address.host,
            port=address.port,
            why="timed out" if isinstance(error, socket.timeout) else error.strerror or type(error).__name__,
        )
    return finding(
        "port",
        FINE,
        mark("{host}:{port} can be reached ({milliseconds} ms)"),
        host=address.host,
        port=address.port,
        milliseconds=milliseconds,
    )


def proxy_finding(address: CollectorAddress) -> Finding:
    """This machine's programs use a proxy; the agent never does."""
    return finding(
        "proxy",
        WARNING,
        mark("this machine is set to use a proxy, which the agent does not use"),
        mark("Let {host}:{port} be reached directly."),
        host=address.host,
        port=address.port,
    )


def tls_finding(address: CollectorAddress, ca_file: Optional[str], now_seconds: float) -> Finding:
    """Whether the collector proves its name to the authority that is trusted, and for how long it still can."""
    try:
        context = tls_context(ca_file)
        with socket.create_connection((address.host, address.port), PATIENCE_SECONDS) as channel:
            channel.settimeout(PATIENCE_SECONDS)
            with context.wrap_socket(channel, server_hostname=address.host) as secured:
                certificate = secured.getpeercert() or {}
                version = secured.version() or "TLS"
    except ssl.SSLCertVerificationError as error:
        return certificate_finding(error.verify_code, error.verify_message, address.host)
    except AgentError as error:
        return Finding("tls", FAULT, error.message)
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
        return finding(
            "tls", FAULT, mark("no TLS with {host} ({why})"), mark("Is it https there?"), host=address.host, why=why
        )
    ends = str(certificate.get("notAfter", ""))
    days = int((ssl.cert_time_to_seconds(ends) - now_seconds) // DAY_SECONDS) if ends else 0
    if days < CERTIFICATE_WARNING_DAYS:
        return finding(
            "tls",
            WARNING,
            mark("the collector's certificate ends in {days} days"),
            mark("Tell the collector's administrator."),
            days=days,
        )
    return finding("tls", FINE, mark("{version}; the certificate is good for {days} days"), version=version, days=days)


def certificate_finding(code: int, why: str, name: str) -> Finding:
    """Why the collector's certificate is not trusted; pure.

    Args:
        code: OpenSSL's reason.
        why: its words.
        name: that the certificate should prove.
    """
    advice = mark(
        "Ask the administrator for the fingerprint of the right authority and enrol again; never go on without."
    )
    pattern = mark("the collector's certificate is not trusted ({why})")
    if code in (_NOT_YET_VALID, _EXPIRED):
        pattern = mark("by this machine's clock the collector's certificate is not valid now ({why})")
        advice = mark("Set this machine's clock; if it is right, tell the collector's administrator.")
    elif code in (_OTHER_HOST, _OTHER_ADDRESS):
        pattern = mark("the certificate there is not made out to {name}")
        advice = mark("Enrol with the name that the certificate bears, or tell the collector's administrator.")
    return finding("tls", FAULT, pattern, advice, why=why, name=name)


def answer_findings(host: Host, identity: Identity, address: CollectorAddress) -> Iterator[Finding]:
    """What the collector says to an upload without reports: whether it knows the token, and the time."""
    connection = Connection(address, identity.ca_file)
    headers = {"Authorization": f"Bearer {identity.token}", "Content-Encoding": CONTENT_ENCODING}
    before = host.wall_time_seconds()
    try:
        answer = connection.post(_UPLOADS, compress(_EMPTY_BATCH), headers)
    except AgentError as error:
        yield Finding("token", FAULT, error.message)
        return
    finally:
        connection.close()
    yield token_finding(answer.status)
    if answer.status == 200:  # noqa: PLR2004  # HTTP's own number
        with contextlib.suppress(ValueError, KeyError, TypeError):
            there = float(json.loads(answer.body)["server_time_seconds"])
            yield clock_finding((before + host.wall_time_seconds()) / 2 - there)


def token_finding(status: int) -> Finding:
    """What the collector's answer to this terminal's token means; pure."""
    if status == 200:  # noqa: PLR2004  # HTTP's own number
        return finding("token", FINE, mark("the collector knows this terminal"))
    if status in (401, 403):
        return finding(
            "token",
            FAULT,
            mark("the collector does not know this terminal's token (HTTP status {status})"),
            mark("Ask for a new code and enrol again with --again; what waits is kept."),
            status=status,
        )
    if status in (429, 503):
        return finding("token", WARNING, mark("the collector is busy (HTTP status {status})"), status=status)
    return finding(
        "token",
        FAULT,
        mark("what answers there is not a collector of this version (HTTP status {status})"),
        mark("Check the address that this terminal is enrolled at."),
        status=status,
    )


def clock_finding(skew_seconds: float) -> Finding:
    """What it means that this machine's clock is ahead of the collector's by so much; pure."""
    off = abs(skew_seconds)
    if off < CLOCK_WARNING_SECONDS:
        return finding("clock", FINE, mark("the clock agrees with the collector's"))
    pattern = mark("the clock is {minutes} minutes ahead of the collector's")
    if skew_seconds < 0:
        pattern = mark("the clock is {minutes} minutes behind the collector's")
    advice = mark("Set the clock and the time zone; if it is wrong again after a night, replace the board's battery.")
    state = FAULT if off > CLOCK_FAULT_SECONDS else WARNING
    return finding("clock", state, pattern, advice, minutes=round(off / 60))


def _not_reached(*checks: str) -> Finding:
    return finding(checks[0], SKIPPED, mark("not looked at: the way ends before"))

"""Asks one device by SNMP and says what it answered; a thin layer over pysnmp that knows numbers of objects only."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pysnmp.error import PySnmpError  # type: ignore[import-untyped]  # pysnmp ships no types
from pysnmp.hlapi.v3arch.asyncio import (  # type: ignore[import-untyped]  # as above
    ContextData,
    EndOfMibView,
    NoSuchInstance,
    NoSuchObject,
    ObjectIdentity,
    ObjectType,
    SnmpEngine,
    Udp6TransportTarget,
    UdpTransportTarget,
    bulk_cmd,
    get_cmd,
)
from pysnmp.proto import errind  # type: ignore[import-untyped]  # as above

from agent.wire.message import Message, mark
from collector.db.network import NetworkDevice
from collector.settings import Network
from collector.snmp.credentials import Credential, User, authentication_data, version_of

log = logging.getLogger(__name__)

Value = int | bytes

TIMEOUT, REFUSED, ERROR = "timeout", "refused", "error"

NO_CREDENTIALS = mark("The file of credentials has no entry {name}.")
OTHER_VERSION = mark("The credentials {name} are for SNMP version {found}; configured is {wanted}.")
NO_ANSWER = mark("No answer from {address} port {port}: address, cable, firewall, or (version 2c) a wrong community.")
WRONG_CREDENTIALS = mark("{address} does not accept the credentials: {detail}.")
NO_CIPHER = mark("The collector lacks the package cryptography, without which it cannot speak SNMPv3 with AES.")
FAILED = mark("{address} answered with an error: {detail}.")

_TOO_BIG = 1
_FEWER_OBJECTS = 6
_BULK_ROWS = 20
# More ports than that has no equipment at the end of a commune's line.
_MOST_ROWS = 512

# A device that was restarted, or two devices with the same identity: its notion of time has to be learnt anew.
_TIME_ERRORS = (errind.NotInTimeWindow, errind.UnknownEngineID, errind.EngineIDMismatch)
_CREDENTIAL_ERRORS = (
    errind.AuthenticationError,
    errind.AuthenticationFailure,
    errind.WrongDigest,
    errind.UnknownUserName,
    errind.UnknownSecurityName,
    errind.UnsupportedSecurityLevel,
    errind.DecryptionError,
    errind.NoSuchView,
    errind.NoAccessEntry,
    errind.NotInView,
)


class SnmpError(Exception):
    """A device that could not be asked.

    Args:
        outcome: `TIMEOUT`, `REFUSED` or `ERROR`.
        message: a sentence for people; it never holds anything secret.
    """

    def __init__(self, outcome: str, message: Message) -> None:
        super().__init__(message.render())
        self.outcome = outcome
        self.message = message


@dataclass(frozen=True)
class Address:
    """Where a device listens: a numeric address, so that no name server can hold up the others."""

    host: str
    port: int


class Engines:
    """The SNMP engines of one event loop: one for each credential, and one of its own for a device that needs it.

    Of SNMPv3 an engine keeps one notion of time for each device identity, and cheap equipment shares identities.
    """

    def __init__(self) -> None:
        self._engines: dict[tuple[Credential, str], SnmpEngine] = {}
        self._alone: set[str] = set()
        # Devices that answered last time.
        self.answering: set[str] = set()

    def of(self, credential: Credential, device_id: str) -> SnmpEngine:
        """The engine for a device; made when it is first asked for."""
        key = (credential, device_id if device_id in self._alone else "")
        if key not in self._engines:
            self._engines[key] = SnmpEngine()
        return self._engines[key]

    def renew(self, credential: Credential, device_id: str) -> SnmpEngine:
        """A new engine for this device alone."""
        self.give_up(credential, device_id)
        self._alone.add(device_id)
        return self.of(credential, device_id)

    def doubts(self, device_id: str, indication: object) -> bool:
        """Whether this may be no more than a notion of time that is out of date, worth one try with a new one.

        Equipment that lost its power without a count of its starts is not believed by the old one, which looks like
        silence: so the first silence of a device that answered is one.
        """
        if isinstance(indication, errind.RequestTimedOut):
            answered = device_id in self.answering
            self.answering.discard(device_id)
            return answered
        return isinstance(indication, _TIME_ERRORS)

    def give_up(self, credential: Credential, device_id: str) -> None:
        """Takes the device's own engine away."""
        self._alone.discard(device_id)
        engine = self._engines.pop((credential, device_id), None)
        if engine is not None:
            engine.close_dispatcher()

    def close(self) -> None:
        """Closes every socket."""
        for engine in self._engines.values():
            engine.close_dispatcher()
        self._engines.clear()


class Session:
    """Questions to one device.

    Args:
        engines: of this event loop.
        device_id: names the device among the engines.
        address: where it listens.
        credential: what opens it.
        timeout_seconds: of one try.
        retries: how often a question is repeated.
    """

    def __init__(
        self,
        engines: Engines,
        device_id: str,
        address: Address,
        credential: Credential,
        *,
        timeout_seconds: float,
        retries: int,
    ) -> None:
        self._engines = engines
        self._device_id = device_id
        self._address = address
        self._credential = credential
        self._timeout_seconds = timeout_seconds
        self._retries = retries

    async def get(self, objects: Sequence[str]) -> dict[str, Value]:
        """The values of these objects by number; those that the device does not have are missing.

        Raises:
            SnmpError: as its outcome says.
        """
        try:
            return await self._get(objects)
        except _TooBigError:
            found: dict[str, Value] = {}
            for start in range(0, len(objects), _FEWER_OBJECTS):
                found |= await self._get(objects[start : start + _FEWER_OBJECTS])
            return found

    async def column(self, column: str) -> dict[int, Value]:
        """One column of a table by row number.

        Raises:
            SnmpError: as its outcome says.
        """
        found: dict[int, Value] = {}
        at = column
        while len(found) < _MOST_ROWS:
            answered = await self._ask(bulk_cmd, (0, _BULK_ROWS), [at])
            inside = [(name, value) for name, value in answered if name.startswith(f"{column}.")]
            rows = [(name, value) for name, value in inside if value is not None]
            new = {int(name.rpartition(".")[2]): value for name, value in rows}
            if not new.keys() - found.keys():
                break
            found |= new
            if len(rows) < len(answered):
                break
            at = rows[-1][0]
        return found

    async def _get(self, objects: Sequence[str]) -> dict[str, Value]:
        answered = await self._ask(get_cmd, (), objects)
        return {name: value for name, value in answered if value is not None}

    async def _ask(self, command: object, options: tuple[int, ...], objects: Sequence[str]) -> list[_Answer]:
        engine = self._engines.of(self._credential, self._device_id)
        indication, status, answered = await self._once(engine, command, options, objects)
        if isinstance(self._credential, User) and self._engines.doubts(self._device_id, indication):
            engine = self._engines.renew(self._credential, self._device_id)
            indication, status, answered = await self._once(engine, command, options, objects)
            if indication is not None:
                self._engines.give_up(self._credential, self._device_id)
        if indication is None:
            self._engines.answering.add(self._device_id)
        else:
            raise self._error(indication)
        if status == _TOO_BIG:
            raise _TooBigError
        if status:
            raise SnmpError(ERROR, Message(FAILED, {"address": self._address.host, "detail": f"status {status}"}))
        return answered

    async def _once(
        self, engine: SnmpEngine, command: object, options: tuple[int, ...], objects: Sequence[str]
    ) -> tuple[object, int, list[_Answer]]:
        address = self._address
        domain = Udp6TransportTarget if ipaddress.ip_address(address.host).version == 6 else UdpTransportTarget  # noqa: PLR2004 - the version's name
        # Its own timer runs on the wall clock, which may be set; this one does not.
        longest_seconds = self._timeout_seconds * (self._retries + 1) + 2.0
        try:
            async with asyncio.timeout(longest_seconds):
                target = await domain.create(
                    (address.host, address.port), timeout=self._timeout_seconds, retries=self._retries
                )
                indication, status, _index, bindings = await command(  # type: ignore[operator]  # pysnmp ships no types
                    engine,
                    authentication_data(self._credential),
                    target,
                    ContextData(),
                    *options,
                    *[ObjectType(ObjectIdentity(name)) for name in objects],
                    lookupMib=False,
                )
        except TimeoutError:
            return errind.RequestTimedOut(), 0, []
        except (PySnmpError, OSError) as error:
            detail = type(error).__name__
            raise SnmpError(ERROR, Message(FAILED, {"address": address.host, "detail": detail})) from error
        return indication, int(status), [(str(name), _value(value)) for name, value in bindings]

    def _timeout(self) -> SnmpError:
        return SnmpError(TIMEOUT, Message(NO_ANSWER, {"address": self._address.host, "port": self._address.port}))

    def _error(self, indication: object) -> SnmpError:
        where: Mapping[str, str] = {"address": self._address.host, "detail": str(indication)}
        if isinstance(indication, errind.RequestTimedOut):
            return self._timeout()
        if isinstance(indication, errind.UnsupportedPrivProtocol | errind.EncryptionError):
            return SnmpError(ERROR, Message(NO_CIPHER))
        if isinstance(indication, _CREDENTIAL_ERRORS):
            return SnmpError(REFUSED, Message(WRONG_CREDENTIALS, where))
        return SnmpError(ERROR, Message(FAILED, where))


def tell_garbage_briefly(loop: asyncio.AbstractEventLoop) -> None:
    """Makes a datagram that pysnmp cannot read one line of the log; anybody could fill a disk with traces of them."""

    def tell(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if "handle" in context and "exception" in context:
            log.warning("snmp: a datagram that is no SNMP was dropped (%s)", type(context["exception"]).__name__)
        else:
            loop.default_exception_handler(context)

    loop.set_exception_handler(tell)


def open_session(
    engines: Engines, device: NetworkDevice, credentials: Mapping[str, Credential], settings: Network
) -> Session:
    """A session with a configured device.

    Args:
        engines: of this event loop.
        device: to be asked.
        credentials: by the names that devices state.
        settings: time-outs.

    Raises:
        SnmpError: there are no such credentials, or they are for another version.
    """
    credential = credentials.get(device.credentials)
    if credential is None:
        raise SnmpError(ERROR, Message(NO_CREDENTIALS, {"name": device.credentials}))
    if version_of(credential) != device.snmp_version:
        found = {"name": device.credentials, "found": version_of(credential), "wanted": device.snmp_version}
        raise SnmpError(ERROR, Message(OTHER_VERSION, found))
    return Session(
        engines,
        device.device_id,
        Address(device.address, device.port),
        credential,
        timeout_seconds=settings.timeout_seconds,
        retries=settings.tries - 1,
    )


class _TooBigError(Exception):
    """The answer does not fit into the device's packets."""


_Answer = tuple[str, Value | None]


def _value(value: object) -> Value | None:
    if isinstance(value, NoSuchObject | NoSuchInstance | EndOfMibView):
        return None
    # A string of digits would turn into a number too, so strings are told by what only they have.
    octets = getattr(value, "asOctets", None)
    if octets is not None:
        return bytes(octets())
    try:
        return int(value)  # type: ignore[call-overload, no-any-return]  # numbers of any width
    except TypeError:
        # A number of an object, in a row behind the column that was asked for.
        return None

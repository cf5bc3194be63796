"""Whether a machine's operating system still gets updates, and whether the machine can run Windows 11. Pure.

Facts: `inventory/data/os_support.toml` and `windows_11.toml`. What a machine does not tell is unknown, never guessed.
"""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Literal, TypeVar

import msgspec

from agent.wire.message import Message, mark
from agent.wire.report import FactValue
from inventory.age.cpuid import decode_signature
from inventory.age.machine import number_of, rows, text_of
from inventory.age.processors import clean_brand
from inventory.collation import search_key

SupportState = Literal["supported", "out_of_support", "unknown"]
Fit = Literal["yes", "no", "unknown"]
Requirement = Literal["processor", "memory", "disk", "tpm", "secure_boot"]
DataConfidence = Literal["high", "medium", "low"]

# The version of the TPM as text, and whether the firmware can start securely.
TPM_FACT = "tpm_version"
SECURE_BOOT_FACT = "secure_boot_capable"

_GIB = 1 << 30
_GB = 10**9
_FIXABLE: frozenset[Requirement] = frozenset({"memory", "disk"})
_LAST_BUILD = 10**9


class OperatingSystemDataError(ValueError):
    """A data file of this module that cannot be used; the text names file, key and what was expected."""


@dataclass(frozen=True, slots=True)
class OperatingSystemSupport:
    """Whether security updates still come.

    Args:
        state: `supported`, `out_of_support`, or `unknown`.
        system: the system as the table names it, else as the machine does; empty where it tells nothing.
        ends: the last day of free updates, None where the table does not know it.
        confidence: that of this date; None without one.
        newer_in_place: whether a newer version comes free to the same machine.
        messages: what to tell people, the state first.
    """

    state: SupportState
    system: str
    ends: dt.date | None
    confidence: DataConfidence | None
    newer_in_place: bool
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Windows11Fitness:
    """Whether a machine can run Windows 11.

    Args:
        answer: `no` if anything surely falls short; else `unknown` if anything is not told; else `yes`.
        failing: what falls short.
        unknown: what is not told.
        reasons: one sentence for each requirement that falls short; where none does, that all are met or not told.
        checks: one sentence for each requirement that is not told, for a person to look at.
    """

    answer: Fit
    failing: tuple[Requirement, ...]
    unknown: tuple[Requirement, ...]
    reasons: tuple[Message, ...]
    checks: tuple[Message, ...]

    @property
    def is_fixable(self) -> bool:
        """Whether the processor is fit and nothing more than memory or disk is known to be missing."""
        return _FIXABLE.issuperset(self.failing) and "processor" not in self.unknown


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class _System(_Strict, frozen=True):
    name: str
    family: Literal["windows", "linux"]
    ends: dt.date
    source: str
    confidence: DataConfidence
    words: list[str] = []
    any_words: list[str] = []
    without: list[str] = []
    build_from: int = 0
    build_to: int = _LAST_BUILD
    version: str = ""
    extended_until: dt.date | None = None
    extended_from_revision: int | None = None
    newer_in_place: bool = False


class _Support(_Strict, frozen=True, rename={"systems": "system"}):
    title: str
    checked_on: dt.date
    systems: list[_System]


class _Brand(_Strict, frozen=True):
    pattern: str
    fit: Fit


class _Family(_Strict, frozen=True):
    name: str
    vendor: Literal["Intel", "AMD"]
    families: list[int]
    models: list[tuple[int, int]]
    fit: Fit
    steppings: tuple[int, int] = (0, 15)


class _Requirements(_Strict, frozen=True, rename={"brands": "brand", "families": "family"}):
    title: str
    checked_on: dt.date
    source: str
    confidence: DataConfidence
    smallest_memory_bytes: int
    smallest_disk_bytes: int
    smallest_tpm_version: str
    smallest_build: int
    brands: list[_Brand]
    families: list[_Family]


def support_state(facts: Mapping[str, FactValue], as_of: dt.date) -> OperatingSystemSupport:
    """Whether the system that these facts name gets security updates on that day.

    Args:
        facts: `os_family`, `os_name`, `os_version` and `os_build` of `agent.wire.catalogue`; any may be missing.
        as_of: the day.

    Raises:
        OperatingSystemDataError: the table is not what it should be.
    """
    name, version = _text(facts, "os_name"), _text(facts, "os_version")
    build, revision = _build(facts)
    stated = " ".join(text for text in (name, version) if text)
    if not name and build is None:
        message = Message(mark("The operating system is not known."))
        return OperatingSystemSupport("unknown", "", None, None, newer_in_place=False, messages=(message,))
    row = _find(_family(facts, name), name, version, build)
    if row is None:
        told = f"{stated} ({build})" if build is not None else stated
        message = Message(mark("No support date is known for {system}."), {"system": told})
        return OperatingSystemSupport("unknown", stated, None, None, newer_in_place=False, messages=(message,))
    state, messages = _judge(row, revision, as_of)
    return OperatingSystemSupport(state, row.name, row.ends, row.confidence, row.newer_in_place, messages)


def windows_11_fitness(facts: Mapping[str, FactValue]) -> Windows11Fitness:
    """Whether the machine meets what Windows 11 asks, as far as its facts tell.

    A machine that runs Windows 11 has met what it does not tell; what it tells and falls short of is said all the same.

    Raises:
        OperatingSystemDataError: the data file is not what it should be.
    """
    needed = _requirements()
    findings: tuple[tuple[Requirement, Fit, Message], ...] = (
        ("processor", *_processor(facts)),
        ("memory", *_memory(facts, needed)),
        ("disk", *_disk(facts, needed)),
        ("tpm", *_tpm(facts, needed)),
        ("secure_boot", *_secure_boot(facts)),
    )
    build, _ = _build(facts)
    runs_it = _family(facts, _text(facts, "os_name")) == "windows" and (build or 0) >= needed.smallest_build
    failing = tuple(name for name, fit, _ in findings if fit == "no")
    unknown = tuple(name for name, fit, _ in findings if fit == "unknown" and not runs_it)
    checks = tuple(why for name, _, why in findings if name in unknown)
    reasons = tuple(why for name, _, why in findings if name in failing) or checks
    if runs_it:
        reasons = (Message(mark("It runs Windows 11 already.")), *reasons)
    if not reasons:
        reasons = (Message(mark("It meets what Windows 11 asks.")),)
    answer: Fit = "no" if failing else "unknown" if unknown else "yes"
    return Windows11Fitness(answer, failing, unknown, reasons, checks)


def unconfirmed_systems(supports: list[OperatingSystemSupport]) -> tuple[str, ...]:
    """Names of the systems whose date was applied and is still to be checked, each once, in alphabetical order."""
    return tuple(sorted({one.system for one in supports if one.confidence not in (None, "high")}))


def _judge(row: _System, revision: int | None, as_of: dt.date) -> tuple[SupportState, tuple[Message, ...]]:
    named: dict[str, str | int | float] = {"system": row.name, "day": row.ends.isoformat()}
    if as_of <= row.ends:
        return "supported", (Message(mark("{system} gets security updates until {day}."), named),)
    ended = Message(mark("{system} has had no free security updates since {day}."), named)
    if row.extended_until is None or as_of > row.extended_until:
        return "out_of_support", (ended,)
    until: dict[str, str | int | float] = {"until": row.extended_until.isoformat()}
    if row.extended_from_revision is not None and revision is not None and revision >= row.extended_from_revision:
        received = Message(
            mark(
                "Its build shows that it has received extended updates, which end on {until} at the latest; "
                "check that they go on."
            ),
            until,
        )
        return "unknown", (ended, received)
    offered = Message(mark("Paid extended updates end on {until} at the latest; none are seen on it."), until)
    if row.extended_from_revision is None:
        offered = Message(
            mark("Paid extended updates end on {until} at the latest; whether it gets them is not known."), until
        )
    return "out_of_support", (ended, offered)


def _find(family: str, name: str, version: str, build: int | None) -> _System | None:
    words = frozenset(search_key(name).split())
    for row in _support().systems:
        bounded = row.build_from > 0
        if (
            row.family == family
            and words.issuperset(row.words)
            and (not row.any_words or not words.isdisjoint(row.any_words))
            and words.isdisjoint(row.without)
            and (not bounded or (build is not None and row.build_from <= build <= row.build_to))
            and (not row.version or version == row.version or version.startswith(f"{row.version}."))
        ):
            return row
    return None


def _family(facts: Mapping[str, FactValue], name: str) -> str:
    stated = _text(facts, "os_family").casefold()
    return stated or ("windows" if "windows" in name.casefold() else "linux" if name else "")


def _build(facts: Mapping[str, FactValue]) -> tuple[int | None, int | None]:
    match = re.fullmatch(r"(?:10\.0\.)?(\d{4,6})(?:\.(\d{1,6}))?", _text(facts, "os_build"))
    if match is None:
        return None, None
    return int(match[1]), int(match[2]) if match[2] else None


def _text(facts: Mapping[str, FactValue], name: str) -> str:
    value = facts.get(name)
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _processor(facts: Mapping[str, FactValue]) -> tuple[Fit, Message]:
    present = [row for row in rows(facts, "processor") if row.get("populated") is not False]
    if not present:
        return "unknown", Message(mark("Its processor is not known."))
    row = present[0]
    brand = clean_brand(text_of(row, "version"))
    signature = row.get("signature")
    decoded = decode_signature(signature) if isinstance(signature, str) else None
    identity = decoded or (number_of(row, "family"), number_of(row, "model"), number_of(row, "stepping"))
    hints = f"{brand} {text_of(row, 'vendor_id')} {text_of(row, 'manufacturer')}".casefold()
    vendor = "AMD" if "amd" in hints.replace("advanced micro", "amd") else "Intel" if "intel" in hints else ""
    fit, family_name = _fit(brand, vendor, *identity)
    named: dict[str, str | int | float] = {"processor": brand or family_name or vendor or "?"}
    if fit == "no":
        return fit, Message(
            mark(
                "Its processor ({processor}) is not taken by Windows 11: Intel from the 8th generation on or AMD from "
                "Zen+ on is asked for."
            ),
            named,
        )
    return fit, Message(mark("Whether Windows 11 takes its processor ({processor}) is not known."), named)


@lru_cache(maxsize=4096)
def _fit(brand: str, vendor: str, family: int | None, model: int | None, stepping: int | None) -> tuple[Fit, str]:
    needed = _requirements()
    for rule in needed.brands:
        if re.search(rule.pattern, brand):
            return rule.fit, ""
    if family is None or model is None:
        return "unknown", ""
    for row in needed.families:
        first, last = row.steppings
        # A row for some steppings only says nothing of a processor that hides its stepping.
        in_steppings = first <= stepping <= last if stepping is not None else (first, last) == (0, 15)
        if (
            row.vendor == vendor
            and family in row.families
            and in_steppings
            and any(low <= model <= high for low, high in row.models)
        ):
            return row.fit, row.name
    return "unknown", ""


def _memory(facts: Mapping[str, FactValue], needed: _Requirements) -> tuple[Fit, Message]:
    sizes = [size for row in rows(facts, "memory_device") if (size := number_of(row, "size_bytes"))]
    if not sizes:
        return "unknown", Message(mark("How much memory it has is not known."))
    total = sum(sizes)
    return "yes" if total >= needed.smallest_memory_bytes else "no", Message(
        mark("It has {size} GB of memory; Windows 11 asks for {needed} GB."),
        {"size": round(total / _GIB, 1), "needed": needed.smallest_memory_bytes // _GIB},
    )


def _disk(facts: Mapping[str, FactValue], needed: _Requirements) -> tuple[Fit, Message]:
    fixed = [row for row in rows(facts, "disk") if row.get("removable") is not True]
    sizes = [size for row in fixed if (size := number_of(row, "size_bytes"))]
    if not sizes:
        return "unknown", Message(mark("How large its disk is is not known."))
    return "yes" if max(sizes) >= needed.smallest_disk_bytes else "no", Message(
        mark("Its largest disk has {size} GB; Windows 11 asks for 64 GB."), {"size": round(max(sizes) / _GB)}
    )


def _tpm(facts: Mapping[str, FactValue], needed: _Requirements) -> tuple[Fit, Message]:
    stated = _text(facts, TPM_FACT)
    match = re.match(r"(\d+)(?:\.(\d+))?", stated)
    if match is None:
        return "unknown", Message(_why_no_tpm(facts))
    major, _, minor = needed.smallest_tpm_version.partition(".")
    fits = (int(match[1]), int(match[2] or 0)) >= (int(major), int(minor or 0))
    return "yes" if fits else "no", Message(
        mark("Its TPM is of version {version}; Windows 11 asks for {needed}."),
        {"version": stated[:20], "needed": needed.smallest_tpm_version},
    )


def _why_no_tpm(facts: Mapping[str, FactValue]) -> str:
    if facts.get("tpm_present") is not False:
        return mark("Whether it has a TPM 2.0 is not told; look into its firmware settings.")
    if any(text_of(row, "version") for row in rows(facts, "tpm_device")):
        return mark("Its firmware lists a TPM that the system does not see: switch it on in the firmware settings.")
    return mark("The system sees no TPM; one inside the processor may be switched off in the firmware settings.")


def _secure_boot(facts: Mapping[str, FactValue]) -> tuple[Fit, Message]:
    stated = facts.get(SECURE_BOOT_FACT)
    if isinstance(stated, bool):
        return "yes" if stated else "no", Message(mark("It cannot start securely (Secure Boot)."))
    if facts.get("secure_boot_enabled") is False and facts.get("firmware_type") == "uefi":
        return "unknown", Message(mark("Secure Boot is off; look whether its firmware settings offer it."))
    if facts.get("firmware_type") != "bios":
        return "unknown", Message(mark("Whether it can start securely (Secure Boot) is not told."))
    if any(row.get("uefi_supported") is False for row in rows(facts, "bios")):
        return "no", Message(mark("Its firmware knows no UEFI, without which it cannot start securely (Secure Boot)."))
    return "unknown", Message(
        mark("It was started the old way (BIOS); whether it can start securely shows once it starts by UEFI.")
    )


_Table = TypeVar("_Table", _Support, _Requirements)


@lru_cache(maxsize=1)
def _support() -> _Support:
    return _load("os_support.toml", _Support)


@lru_cache(maxsize=1)
def _requirements() -> _Requirements:
    table = _load("windows_11.toml", _Requirements)
    for rule in table.brands:
        try:
            re.compile(rule.pattern)
        except re.error as error:
            raise OperatingSystemDataError(f"windows_11.toml: pattern {rule.pattern!r}: {error}") from error
    return table


def _load(name: str, kind: type[_Table]) -> _Table:
    try:
        return msgspec.convert(tomllib.loads(files("inventory").joinpath("data", name).read_text("utf-8")), kind)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise OperatingSystemDataError(f"{name}: {error}") from error

"""What real snmpd answers, in both versions."""

from __future__ import annotations

import asyncio

import pytest

from collector.snmp.asking import ask_device
from collector.snmp.credentials import Community, User
from collector.snmp.session import SnmpError

V3 = User("giam-sat", "matkhau-xac-thuc", "matkhau-ma-hoa", "sha256", "aes128")
NOW = 1_800_000_000.0


def ask(snmpd, interface="wan", index=None, **credential):
    return snmpd.ask(lambda session: ask_device(session, interface, index, NOW), **credential)


@pytest.mark.parametrize("credential", [Community("bi-mat-cua-xa"), V3], ids=["v2c", "v3"])
def test_a_port_is_read_with_64_bit_counters(snmpd, credential):
    snmpd.put_port(1, name="lan")
    snmpd.put_port(
        7, name="wan", received=2**40 + 5, transmitted=2**33, receive_errors=3, transmit_discards=4, duplex=2
    )
    snmpd.put_uptime(3600)
    answer = ask(snmpd, credential=credential)
    assert (answer.description, answer.uptime_seconds, answer.page_count) == ("router xa", 3600.0, None)
    port = answer.port
    assert (port.index, port.wide, port.taken_at, port.uptime_ticks) == (7, True, NOW, 360_000)
    assert (port.received_bytes, port.transmitted_bytes) == (2**40 + 5, 2**33)
    assert (port.receive_errors, port.transmit_errors, port.transmit_discards) == (3, 0, 4)
    assert (port.speed_bits_per_second, port.up, port.half_duplex) == (100_000_000, True, True)


def test_without_64_bit_counters_those_of_32_are_read_and_what_is_missing_is_none(snmpd):
    snmpd.put_port(2, descr="eth0", received=2**32 + 17, transmitted=9, wide=False, speed=0, status=2)
    port = ask(snmpd, "eth0").port
    assert (port.wide, port.received_bytes, port.transmitted_bytes) == (False, 17, 9)
    assert (port.speed_bits_per_second, port.up, port.half_duplex, port.discontinuity_ticks) == (
        None,
        False,
        None,
        None,
    )


def test_a_speed_beyond_32_bits_is_read_from_the_other_object(snmpd):
    snmpd.put_port(2, speed=2**32 - 1)
    snmpd.put({"1.3.6.1.2.1.31.1.1.1.15.2": ("gauge", 10_000)})
    assert ask(snmpd).port.speed_bits_per_second == 10_000_000_000


@pytest.mark.parametrize("interface", ["5", "ether1", "ether1 gigabit", "uplink VNPT"])
def test_a_port_is_found_by_number_name_description_or_alias(snmpd, interface):
    snmpd.put_port(3, name="ether0")
    snmpd.put_port(5, name="ether1", descr="ether1 gigabit", alias="uplink VNPT", received=55)
    assert ask(snmpd, interface).port.received_bytes == 55


def test_a_port_that_was_renumbered_is_found_again_by_its_name(snmpd):
    snmpd.put_port(2, name="lan", received=1)
    snmpd.put_port(3, name="wan", received=2)
    port = ask(snmpd, "wan", index=2).port
    assert (port.index, port.received_bytes) == (3, 2)


def test_many_ports_are_walked(snmpd):
    for index in range(1, 61):
        snmpd.put_port(index, name=f"port{index}", received=index)
    assert ask(snmpd, "port60").port.received_bytes == 60


def test_a_port_that_is_not_there_is_named_with_those_that_are(snmpd):
    snmpd.put_port(1, name="lan")
    for interface in ("wan", "9"):
        with pytest.raises(SnmpError, match=f"no port {interface}; it has: 1 lan"):
            ask(snmpd, interface)


def test_two_ports_of_one_name_are_not_guessed_between(snmpd):
    snmpd.put_port(1, name="wan")
    snmpd.put_port(2, name="wan")
    with pytest.raises(SnmpError, match=r"several ports wan \(numbers 1, 2\)"):
        ask(snmpd, "wan")


def test_a_printer_is_asked_for_its_pages_alone(snmpd):
    snmpd.put({"1.3.6.1.2.1.43.10.2.1.4.1.1": ("counter", 48_213), "1.3.6.1.2.1.1.1.0": ("string", "12345")})
    answer = ask(snmpd, "")
    # A description of digits is a text all the same.
    assert (answer.page_count, answer.port, answer.description) == (48_213, None, "12345")


def test_a_wrong_community_is_silence_and_a_wrong_password_is_told(snmpd):
    with pytest.raises(SnmpError, match="No answer") as silent:
        ask(snmpd, "", credential=Community("khong-dung"), timeout_seconds=0.2)
    wrong = User("giam-sat", "sai-hoan-toan", "matkhau-ma-hoa", "sha256", "aes128")
    with pytest.raises(SnmpError, match="does not accept the credentials") as refused:
        ask(snmpd, "", credential=wrong)
    unknown = User("nguoi-la", "matkhau-xac-thuc", "matkhau-ma-hoa", "sha256", "aes128")
    with pytest.raises(SnmpError, match="does not accept the credentials"):
        ask(snmpd, "", credential=unknown)
    assert (silent.value.outcome, refused.value.outcome) == ("timeout", "refused")
    assert "sai-hoan-toan" not in str(refused.value)


def test_a_device_that_was_restarted_is_known_again_in_version_3(snmpd):
    snmpd.put_port(2)

    async def twice(session):
        first = await ask_device(session, "wan", None, NOW)
        snmpd.stop()
        snmpd.start_process()
        await asyncio.to_thread(snmpd.wait)
        return first, await ask_device(session, "wan", None, NOW)

    first, second = snmpd.ask(twice, credential=V3)
    assert first.description == second.description == "router xa"

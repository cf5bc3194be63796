"""E-mail, handed to real SMTP servers of this machine."""

from __future__ import annotations

import email
import email.policy
import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.notifiers.contract import AddressError, PermanentDeliveryError, TemporaryDeliveryError
from collector.notifiers.smtp import SmtpNotifier, build_message
from collector.settings import Settings, Smtp

SENDER = "thongmang@nghean.example"


def notifier(port, **smtp):
    return SmtpNotifier(
        Settings(
            smtp=Smtp(
                **{
                    "host": "localhost",
                    "port": port,
                    "encryption": "none",
                    "sender": SENDER,
                    "timeout_seconds": 5.0,
                    **smtp,
                }
            )
        )
    )


def parsed(content):
    return email.message_from_bytes(content, policy=email.policy.default)


def test_vietnamese_arrives_whole_as_text_and_as_html(mail_server, notification):
    server = mail_server()
    sent = notification()
    notifier(server.port).deliver(sent)
    (sender, recipients, content, _, _) = server.mailbox.mails[0]
    assert (sender, recipients) == (SENDER, [sent.address])
    assert max(content) < 128
    mail = parsed(content)
    assert mail["Subject"] == sent.title
    assert mail["From"] == "Thông Mạng <thongmang@nghean.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Importance"] == "high"
    assert mail["Date"] == "Fri, 20 Nov 2026 09:01:00 +0700"
    text = mail.get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert text == f"{sent.body}\n\n{sent.link}\n"
    page = mail.get_body(("html",)).get_content()
    assert "Độ trễ tăng 85 ms &lt; ngưỡng &amp; còn tiếp diễn." in page
    assert f'<a href="{sent.link}">' in page
    assert page.count("<p>") == 3


@pytest.mark.parametrize("characters", range(60, 130))
def test_no_blank_of_a_subject_is_lost_where_its_line_is_folded(notification, characters):
    title = "Cảnh báo: đường truyền của Xã Nghi Lộc bị nghẽn, một máy trạm cũng thấy như vậy từ sáng nay " * 2
    sent = notification(title=title[:characters].strip())
    raw = build_message(sent, SENDER).as_bytes()
    assert parsed(raw)["Subject"] == sent.title
    assert max(len(line) for line in raw.splitlines()) <= 78


def test_the_same_notification_is_the_same_mail_at_every_attempt(notification):
    assert build_message(notification(), SENDER).as_bytes() == build_message(notification(), SENDER).as_bytes()
    assert build_message(notification(), SENDER)["Message-ID"] == "<n-000123-can-bo-truc@nghean.example>"


def test_resolved_threads_under_firing(mail_server, notification, item):
    server = mail_server()
    notifier(server.port).deliver(notification())
    ended = item(state="resolved", ended=item().since + 600)
    notifier(server.port).deliver(notification(id="n-000200-can-bo-truc", kind="resolved", alerts=(ended,)))
    again = item(since=item().since + 7200)
    notifier(server.port).deliver(notification(id="n-000300-can-bo-truc", alerts=(again,)))
    firing, resolved, other = (parsed(mail[2]) for mail in server.mailbox.mails)
    assert firing["References"] == resolved["References"] == resolved["In-Reply-To"]
    assert len({firing["Message-ID"], resolved["Message-ID"], firing["References"], other["References"]}) == 4
    assert resolved["Importance"] is None


@pytest.mark.parametrize("domain", ["nghean.example", "mot-ten-mien-rat-dai.so-khoa-hoc.tinh-nghe-an.example"])
def test_identifiers_stay_whole_in_any_domain(domain, notification, item):
    """The email package encodes words longer than a line, identifiers too."""
    alerts = tuple(item(subject=f"167{number}/main") for number in range(30))
    content = build_message(notification(id="n" * 64, alerts=alerts), f"thongmang@{domain}").as_bytes()
    raw = email.message_from_bytes(content, policy=email.policy.compat32)
    for name in ("Message-ID", "In-Reply-To", "References"):
        assert "=?" not in raw[name]
    assert len(raw["References"].split()) == 20
    assert raw["In-Reply-To"].strip() in raw["References"].split()
    assert all(len(line) <= 120 for line in content.split(b"\r\n"))


@pytest.mark.parametrize(
    "hostile",
    [
        "a\r\nBcc: all@nghean.example",
        "a\nBcc: all@nghean.example",
        "a\rBcc: x@y.example",
        "a\x00b\x0b\x0c\x1c\u2028Bcc: x@y",
    ],
)
def test_no_text_makes_a_header(mail_server, notification, item, hostile):
    server = mail_server()
    sent = notification(title=hostile, body=f"{hostile}\r\n.\r\nMAIL FROM:<x@y>\ud800", link=f"https://x/{hostile}")
    notifier(server.port).deliver(sent)
    assert len(server.mailbox.mails) == 1
    mail = parsed(server.mailbox.mails[0][2])
    assert mail["Bcc"] is None
    assert "Bcc" in mail["Subject"]
    assert "MAIL FROM" in mail.get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert server.mailbox.mails[0][1] == [sent.address]


@given(
    address=st.one_of(
        st.from_regex(r"[!-~]{1,70}@[!-~]{1,30}", fullmatch=True),
        st.from_regex(r"[a-z.=?_+-]{1,70}@[a-z0-9.-]{1,60}", fullmatch=True),
    ),
    title=st.text(),
    body=st.text(),
    link=st.text(),
)
def test_whatever_is_let_pass_becomes_a_mail_of_its_own_headers(notification, address, title, body, link):
    sent = notification(address=address, title=title, body=body, link=link)
    try:
        notifier(1).check_address(address)
    except AddressError:
        return
    content = build_message(sent, SENDER).as_bytes()
    mail = parsed(content)
    assert mail["To"].addresses[0].addr_spec == address
    assert sorted(mail.keys()) == sorted(build_message(notification(), SENDER).keys())
    assert b"\r" not in content.replace(b"\r\n", b"")
    assert b"\n" not in content.replace(b"\r\n", b"")


@pytest.mark.parametrize("sender", ["Thông Mạng <a@b.vn>", "a@b@c", "a@b.vn\r\nX: y"])
def test_a_sender_that_is_no_address_waits_for_repair(mail_server, notification, sender):
    with pytest.raises(TemporaryDeliveryError, match=r"smtp\.sender"):
        notifier(mail_server().port, sender=sender).deliver(notification())


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a",
        "a@",
        "@b",
        "a b@c.vn",
        "a@b.vn,c@d.v",
        "a@b.vn\r\nRCPT TO:<x@y>",
        "<a@b.vn>",
        "ă@b.vn",
        "a@b..vn",
        "a.@b.vn",
        ".a@b.vn",
        "a..b@c.vn",
        "a@-b.vn",
        f"{'a' * 65}@b.vn",
    ],
)
def test_only_one_plain_address_is_an_address(notification, address):
    with pytest.raises(AddressError, match="expected one address"):
        notifier(1).check_address(address)
    with pytest.raises(PermanentDeliveryError):
        notifier(1).deliver(notification(address=address))


def test_starttls_with_login(mail_server, server_tls, notification, ca_file, secret_file):
    server = mail_server(tls_context=server_tls, require_starttls=True, logins={"thongmang": "mat khau 1=2"})
    password = secret_file("mat_khau", "mat khau 1=2\n")
    settings = {"encryption": "starttls", "username": "thongmang", "password_file": password, "ca_file": ca_file}
    notifier(server.port, **settings).deliver(notification())
    (_, _, _, login, encrypted) = server.mailbox.mails[0]
    assert (login, encrypted) == ("thongmang", True)

    with pytest.raises(TemporaryDeliveryError, match="certificate verify failed"):
        notifier(server.port, **{**settings, "ca_file": ""}).deliver(notification())
    wrong = secret_file("sai", "khong dung")
    with pytest.raises(TemporaryDeliveryError, match="535") as caught:
        notifier(server.port, **{**settings, "password_file": wrong}).deliver(notification())
    assert "khong dung" not in str(caught.value)
    marked = secret_file("co_dau", "mật khẩu")
    with pytest.raises(TemporaryDeliveryError, match="ASCII"):
        notifier(server.port, **{**settings, "password_file": marked}).deliver(notification())
    assert len(server.mailbox.mails) == 1


def test_tls_from_the_first_byte(mail_server, server_tls, notification, ca_file):
    server = mail_server(tls_from_start=server_tls)
    notifier(server.port, encryption="tls", ca_file=ca_file).deliver(notification())
    assert server.mailbox.mails[0][4]


def test_a_certificate_of_another_name_is_refused(mail_server, authority, notification, ca_file):
    import ssl

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("mail.khac.example").configure_cert(context)
    server = mail_server(tls_from_start=context)
    with pytest.raises(TemporaryDeliveryError, match="mismatch"):
        notifier(server.port, encryption="tls", ca_file=ca_file).deliver(notification())
    assert not server.mailbox.mails


def test_nothing_goes_in_the_clear_where_tls_is_asked_for(mail_server, notification):
    server = mail_server()
    with pytest.raises(TemporaryDeliveryError, match="STARTTLS"):
        notifier(server.port, encryption="starttls").deliver(notification())
    with pytest.raises(TemporaryDeliveryError, match="loopback"):
        notifier(server.port, host="mail.nghean.example").deliver(notification())
    assert not server.mailbox.mails


@pytest.mark.parametrize(("mode", "text"), [(0o644, "mode 0644, expected 0600"), (0o640, "mode 0640")])
def test_a_password_that_others_can_read_is_not_used(notification, secret_file, mode, text):
    path = secret_file("mat_khau", "x", mode)
    with pytest.raises(TemporaryDeliveryError, match=text):
        notifier(1, username="thongmang", password_file=path).deliver(notification())


def test_a_missing_host_or_password_file_waits(notification):
    with pytest.raises(TemporaryDeliveryError, match=r"smtp\.host is not set"):
        notifier(1, host="").deliver(notification())
    with pytest.raises(TemporaryDeliveryError, match="No such file"):
        notifier(1, username="u", password_file="/khong/co").deliver(notification())


@pytest.mark.parametrize(
    ("refusals", "expected"),
    [
        ({"refuse_recipient": "550 5.1.1 no such user"}, PermanentDeliveryError),
        ({"refuse_recipient": "450 4.2.0 greylisted"}, TemporaryDeliveryError),
        ({"refuse_recipient": "552 5.2.2 mailbox full"}, TemporaryDeliveryError),
        ({"refuse_recipient": "550 5.2.2 over quota"}, TemporaryDeliveryError),
        ({"refuse_recipient": "421 too busy"}, TemporaryDeliveryError),
        ({"refuse_data": "554 5.7.1 content refused"}, PermanentDeliveryError),
        ({"refuse_data": "451 try later"}, TemporaryDeliveryError),
        ({"refuse_sender": "550 5.7.1 sender not allowed"}, TemporaryDeliveryError),
    ],
)
def test_refusals_are_told_apart(mail_server, notification, refusals, expected):
    server = mail_server()
    for name, answer in refusals.items():
        setattr(server.mailbox, name, answer)
    code, _, words = next(iter(refusals.values())).partition(" ")
    with pytest.raises(expected, match=f"{code} {words}") as caught:
        notifier(server.port).deliver(notification())
    assert type(caught.value) is expected


def talk(connection, *, until, last=b""):
    """Plays a mail server up to a command, answers that with `last` and hangs up; returns what it was sent."""
    lines = connection.makefile("rb")
    connection.sendall(b"220 mail.test\r\n")
    for line in lines:
        command = line[:4].upper().strip()
        if command == until:
            if last:
                connection.sendall(last)
            return lines
        connection.sendall(b"250 OK\r\n")
    return lines


@pytest.mark.parametrize("until", [b"EHLO", b"MAIL", b"RCPT", b"DATA"])
def test_a_server_that_dies_in_the_middle_is_tried_again(scripted_peer, notification, until):
    port = scripted_peer(lambda connection: talk(connection, until=until).close())
    with pytest.raises(TemporaryDeliveryError):
        notifier(port).deliver(notification())


def test_a_server_that_dies_after_the_mail_leaves_it_open(scripted_peer, notification):
    def handle(connection):
        with talk(connection, until=b"DATA", last=b"354 go on\r\n") as lines:
            while lines.readline() != b".\r\n":
                pass

    with pytest.raises(TemporaryDeliveryError):
        notifier(scripted_peer(handle)).deliver(notification())


def test_a_server_that_dies_after_taking_the_mail_has_taken_it(scripted_peer, notification):
    taken = []

    def handle(connection):
        with talk(connection, until=b"DATA", last=b"354 go on\r\n") as lines:
            taken.append(b"".join(iter(lines.readline, b".\r\n")))
            connection.sendall(b"250 taken\r\n")
            lines.readline()

    notifier(scripted_peer(handle)).deliver(notification())
    assert len(taken) == 1


def test_no_server_and_an_unknown_host_are_temporary(notification):
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port = bound.getsockname()[1]
    with pytest.raises(TemporaryDeliveryError, match="refused"):
        notifier(port).deliver(notification())


def test_a_server_that_refuses_everybody_is_temporary(scripted_peer, notification):
    port = scripted_peer(lambda connection: connection.sendall(b"554 no service here\r\n"))
    with pytest.raises(TemporaryDeliveryError, match="554 no service here"):
        notifier(port).deliver(notification())


def test_a_server_that_only_drips_does_not_hold_the_caller(scripted_peer, notification):
    def drip(connection):
        for _ in range(1000):
            connection.sendall(b"2")
            time.sleep(0.05)

    begun = time.monotonic()
    with pytest.raises(TemporaryDeliveryError, match=r"no end within 1\.2 seconds"):
        notifier(scripted_peer(drip), timeout_seconds=0.2).deliver(notification())
    assert time.monotonic() - begun < 5

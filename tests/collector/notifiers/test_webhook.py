"""Webhooks, posted to real HTTP servers of this machine."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from email.utils import formatdate

import pytest

from collector.notifiers.contract import AddressError, PermanentDeliveryError, TemporaryDeliveryError
from collector.notifiers.webhook import WebhookNotifier
from collector.settings import Settings, Webhook

NOW = 1_795_140_100.7
SECRET = "khoá ký của người nhận"


def notifier(**webhook):
    return WebhookNotifier(Settings(webhook=Webhook(**{"timeout_seconds": 5.0, **webhook})), clock=lambda: NOW)


def test_a_notification_arrives_as_json_under_its_key(http_peer, notification):
    peer = http_peer()
    sent = notification(address=f"{peer.url}/nhan?kenh=1")
    notifier().deliver(sent)
    notifier().deliver(sent)
    (path, headers, body), (_, headers_again, body_again) = peer.requests
    assert path == "/nhan?kenh=1"
    assert headers["Idempotency-Key"] == headers_again["Idempotency-Key"] == '"n-000123-can-bo-truc"'
    assert body == body_again
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    told = json.loads(body)
    assert told["title"] == sent.title
    assert told["alerts"][0]["unit_name"] == "Phường Thành Vinh"
    assert (told["version"], told["kind"], told["alerts"][0]["since"]) == (1, "firing", 1_795_140_000.0)
    assert "X-Thongmang-Signature" not in headers


def test_the_signature_covers_time_and_body(http_peer, notification, secret_file):
    peer = http_peer()
    secrets = secret_file("khoa.toml", f'can_bo_truc = "{SECRET}"\nnguoi_khac = "mot khoa khac cua ai do"\n')
    notifier(secrets_file=secrets).deliver(notification(address=peer.url))
    (path, headers, body) = peer.requests[0]
    assert path == "/"
    assert headers["X-Thongmang-Timestamp"] == "1795140100"
    expected = hmac.new(SECRET.encode(), b"1795140100." + body, hashlib.sha256).hexdigest()
    assert headers["X-Thongmang-Signature"] == f"v1={expected}"
    notifier(secrets_file=secrets).deliver(notification(address=peer.url, receiver="khong_co_khoa"))
    assert "X-Thongmang-Signature" not in peer.requests[1][1]


@pytest.mark.parametrize(
    ("text", "mode", "expected"),
    [
        ('can_bo_truc = "mot khoa du dai de ky"', 0o644, "mode 0644, expected 0600"),
        ('can_bo_truc = "ngan"', 0o600, "at least 16 characters"),
        ("can_bo_truc = 5", 0o600, "at least 16 characters"),
        ("can_bo_truc", 0o600, "is not TOML"),
    ],
)
def test_nothing_is_sent_unsigned_where_the_secret_cannot_be_used(
    http_peer, notification, secret_file, text, mode, expected
):
    peer = http_peer()
    with pytest.raises(TemporaryDeliveryError, match=expected):
        notifier(secrets_file=secret_file("khoa.toml", text, mode)).deliver(notification(address=peer.url))
    assert not peer.requests


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_every_2xx_is_taken(http_peer, notification, status):
    peer = http_peer()
    peer.answer = (status, {}, b"")
    notifier().deliver(notification(address=peer.url))


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 302, 303, 307])
def test_what_may_pass_is_temporary(http_peer, notification, status):
    peer = http_peer()
    peer.answer = (status, {"Location": f"{peer.url}/khac"}, "bận,\r\n\x1b[31mthử lại".encode())
    with pytest.raises(TemporaryDeliveryError, match=f"HTTP {status}") as caught:
        notifier().deliver(notification(address=peer.url))
    assert caught.value.retry_after_seconds is None
    assert status < 400 or "bận, [31mthử lại" in str(caught.value)
    assert len(peer.requests) == 1


@pytest.mark.parametrize("status", [301, 308, 400, 401, 403, 404, 410, 413, 422])
def test_what_will_not_pass_is_permanent_and_no_redirect_is_followed(http_peer, notification, status):
    peer = http_peer()
    peer.answer = (status, {"Location": f"{peer.url}/khac"}, b"")
    with pytest.raises(PermanentDeliveryError, match=f"HTTP {status}"):
        notifier().deliver(notification(address=peer.url))
    assert [path for path, _, _ in peer.requests] == ["/"]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("999999999", 86_400.0),
        (formatdate(NOW + 90, usegmt=True), 89.3),
        (formatdate(NOW - 90, usegmt=True), 0.0),
        ("-5", None),
        ("soon", None),
        ("1e9", None),
        ("Fri, 99 Nov 2026 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_honoured(http_peer, notification, header, seconds):
    peer = http_peer()
    peer.answer = (503, {"Retry-After": header}, b"")
    with pytest.raises(TemporaryDeliveryError) as caught:
        notifier().deliver(notification(address=peer.url))
    assert caught.value.retry_after_seconds == (None if seconds is None else pytest.approx(seconds))


def test_tls_is_verified(http_peer, server_tls, notification, ca_file):
    peer = http_peer(server_tls)
    notifier(ca_file=ca_file).deliver(notification(address=peer.url))
    assert len(peer.requests) == 1
    with pytest.raises(TemporaryDeliveryError, match="certificate not trusted"):
        notifier().deliver(notification(address=peer.url))
    with pytest.raises(TemporaryDeliveryError, match=r"webhook\.ca_file"):
        notifier(ca_file="/khong/co.pem").deliver(notification(address=peer.url))
    assert len(peer.requests) == 1


def test_a_long_answer_is_cut(http_peer, notification):
    peer = http_peer()
    peer.answer = (400, {}, b"x" * 50_000_000)
    begun = time.monotonic()
    with pytest.raises(PermanentDeliveryError) as caught:
        notifier().deliver(notification(address=peer.url))
    assert len(str(caught.value)) < 500
    assert time.monotonic() - begun < 3


def test_a_slow_answer_is_given_up(http_peer, notification):
    peer = http_peer()
    peer.seconds_before_answer = 30
    with pytest.raises(TemporaryDeliveryError, match="no answer in time"):
        notifier(timeout_seconds=0.2).deliver(notification(address=peer.url))


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 500 E\r\n", b"HTTP/1.0 500 E\r\nConnection: close\r\n\r\n"])
def test_a_dripping_answer_does_not_hold_the_caller(scripted_peer, notification, first):
    def drip(connection):
        connection.recv(65536)
        connection.sendall(first)
        for _ in range(1000):
            connection.sendall(b"X")
            time.sleep(0.05)

    begun = time.monotonic()
    with pytest.raises(TemporaryDeliveryError, match=r"within 0\.8 seconds|HTTP 500"):
        notifier(timeout_seconds=0.2).deliver(notification(address=f"http://127.0.0.1:{scripted_peer(drip)}/"))
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 2"])
def test_an_answer_that_is_not_http_is_temporary(scripted_peer, notification, answer):
    def handle(connection):
        connection.recv(65536)
        connection.sendall(answer)

    with pytest.raises(TemporaryDeliveryError):
        notifier().deliver(notification(address=f"http://127.0.0.1:{scripted_peer(handle)}/"))


@pytest.mark.parametrize(
    "address",
    [
        "",
        "example",
        "ftp://example/x",
        "file:///etc/passwd",
        "https://",
        "https://u:p@example/x",
        "https://example/x#y",
        "https://example/a b",
        "https://example/\r\nX: y",
        "https://exa\u0301mple/",
        "https://example:99999/",
        "https://example:0/",
        "https://[::1/",
    ],
)
def test_only_http_addresses_are_addresses(notification, address):
    with pytest.raises(AddressError, match="expected https://host/path") as caught:
        notifier().check_address(address)
    assert "u:p" not in str(caught.value)
    with pytest.raises(PermanentDeliveryError):
        notifier().deliver(notification(address=address))


def test_errors_do_not_show_the_path(http_peer, notification):
    """Paths of webhooks are often tokens."""
    peer = http_peer()
    peer.answer = (500, {}, b"")
    with pytest.raises(TemporaryDeliveryError) as caught:
        notifier().deliver(notification(address=f"{peer.url}/hooks/BIMAT?k=BIMAT"))
    assert "BIMAT" not in str(caught.value)


def test_proxies_of_the_environment_are_not_used(http_peer, notification, monkeypatch):
    peer, proxy = http_peer(), http_peer()
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    notifier().deliver(notification(address=peer.url))
    assert (len(peer.requests), len(proxy.requests)) == (1, 0)

"""Chat services through Apprise, on loopback only."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from collector.notifiers.apprise_bots import AppriseNotifier, without_secrets
from collector.notifiers.contract import AddressError, PermanentDeliveryError, TemporaryDeliveryError
from collector.settings import AppriseSettings, Settings

# One of Apprise's plugins imports it where Python still has it.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

TOKEN = "123456789:AAbCdEfGhIjKlMnOpQrStUvWxYz012345678"


def notifier(urls_file, **settings):
    return AppriseNotifier(
        Settings(apprise=AppriseSettings(**{"urls_file": urls_file, "timeout_seconds": 5.0, **settings}))
    )


@pytest.fixture
def urls(secret_file):
    """Writes a file of addresses; returns its path."""

    def write(mode=0o600, **services):
        lines = [f"{name} = {value}" for name, value in services.items()]
        return secret_file("dich_vu.toml", "\n".join(lines), mode)

    return write


@pytest.fixture
def chat(notification):
    """Makes a notification for a chat service."""
    return lambda **changed: notification(**{"channel": "apprise", "address": "truc_mang", **changed})


def test_telegram_by_a_bot_api_server_of_ones_own(http_peer, urls, chat):
    peer = http_peer()
    peer.answer = (200, {}, b'{"ok": true}')
    path = urls(truc_mang=f'{{ url = "tgram://{TOKEN}/-100123", telegram_api = "{peer.url}/" }}')
    sent = chat()
    notifier(path).deliver(sent)
    ((asked, headers, body),) = peer.requests
    assert asked == f"/bot{TOKEN}/sendMessage"
    told = json.loads(body)
    assert told["chat_id"] == -100123
    assert sent.title in told["text"]
    assert "Độ trễ tăng 85 ms &lt; ngưỡng &amp; còn tiếp diễn." in told["text"]
    assert told["text"].endswith(sent.link)
    assert headers["User-Agent"] == "Thong Mang"


@pytest.mark.parametrize(
    ("scheme", "path", "field"),
    [
        ("json", "/nhan", "message"),
        ("ntfy", "/canh-bao", "message"),
        ("mmost", "/abcdefghijklmnopqrstuvwxyz", "text"),
    ],
)
def test_other_services(http_peer, urls, chat, scheme, path, field):
    peer = http_peer()
    sent = chat()
    notifier(urls(truc_mang=f'"{scheme}://127.0.0.1:{peer.port}{path}"')).deliver(sent)
    ((_, _, body),) = peer.requests
    assert sent.body in json.loads(body)[field].replace("\r\n", "\n")
    assert "github" not in body.decode()
    assert "http" not in body.decode().replace(sent.link, "")


def test_the_kind_becomes_the_type(http_peer, urls, chat):
    peer = http_peer()
    path = urls(truc_mang=f'"json://127.0.0.1:{peer.port}/"')
    for kind, severity in (("firing", "critical"), ("firing", "warning"), ("resolved", "critical"), ("test", "info")):
        notifier(path).deliver(chat(kind=kind, severity=severity))
    assert [json.loads(body)["type"] for _, _, body in peer.requests] == ["failure", "warning", "success", "info"]


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 302])
def test_every_no_is_temporary_and_says_why_without_the_token(http_peer, urls, chat, status):
    peer = http_peer()
    peer.answer = (status, {"Location": f"{peer.url}/khac"}, b'{"description": "Bad Request: chat not found"}')
    path = urls(truc_mang=f'{{ url = "tgram://{TOKEN}/-100123456789", telegram_api = "{peer.url}" }}')
    with pytest.raises(TemporaryDeliveryError, match=f"chat not found, error={status}") as caught:
        notifier(path).deliver(chat())
    assert "123456789" not in str(caught.value)
    assert "AAbC" not in str(caught.value)
    assert len(peer.requests) == 1


def test_no_connection_says_why_without_the_token(urls, chat, loopback_port):
    api = f"http://127.0.0.1:{loopback_port()}"
    path = urls(truc_mang=f'{{ url = "tgram://{TOKEN}/-100123", telegram_api = "{api}" }}')
    with pytest.raises(TemporaryDeliveryError, match="Connection refused") as caught:
        notifier(path).deliver(chat())
    for part in TOKEN.split(":"):
        assert part not in str(caught.value)


def test_no_log_holds_the_token(http_peer, urls):
    """In a process of its own: pytest listens to every logger, the collector to those that propagate."""
    peer = http_peer()
    peer.answer = (500, {}, b"{}")
    path = urls(truc_mang=f'{{ url = "tgram://{TOKEN}/-100123", telegram_api = "{peer.url}" }}')
    program = f"""
import logging
from collector.logs import configure_logging
from collector.notifiers.apprise_bots import AppriseNotifier
from collector.notifiers.contract import Notification, TemporaryDeliveryError
from collector.settings import AppriseSettings, Settings
configure_logging("debug")
notifier = AppriseNotifier(Settings(apprise=AppriseSettings(urls_file={path!r})))
for _ in range(2):
    try:
        notifier.deliver(Notification("n", "apprise", "r", "truc_mang", "test", "info", "vi", "t", "b", (), 0.0))
    except TemporaryDeliveryError as error:
        logging.getLogger().debug("refused: %s", error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert len(peer.requests) == 2
    assert done.stderr.count("refused") == 2
    for part in TOKEN.split(":"):
        assert part not in done.stderr + done.stdout


def test_a_service_that_does_not_answer_is_given_up(http_peer, urls, chat):
    peer = http_peer()
    peer.seconds_before_answer = 30
    begun = time.monotonic()
    with pytest.raises(TemporaryDeliveryError, match="truc_mang: "):
        notifier(urls(truc_mang=f'"json://127.0.0.1:{peer.port}/"'), timeout_seconds=0.2).deliver(chat())
    assert time.monotonic() - begun < 10


def test_a_service_that_drips_is_given_up(scripted_peer, urls, chat):
    def drip(connection):
        connection.recv(65536)
        for _ in range(100):
            connection.sendall(b"H")
            time.sleep(0.05)

    begun = time.monotonic()
    with pytest.raises(TemporaryDeliveryError, match="did not finish"):
        notifier(urls(truc_mang=f'"json://127.0.0.1:{scripted_peer(drip)}/"'), timeout_seconds=0.3).deliver(chat())
    assert time.monotonic() - begun < 4


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ('"khong_co://127.0.0.1/x"', "knows no such service"),
        ('"json://"', "knows no such service"),
        (f'"tgram://{TOKEN}"', "expected the number of the chat"),
        (f'"tgram://{TOKEN}/-1001/-1002"', "names 2 chats, expected one"),
        ('{ url = "json://127.0.0.1:1/", telegram_api = "http://127.0.0.1:1" }', "is for tgram:// addresses"),
        (f'{{ url = "tgram://{TOKEN}/-1001", telegram_api = "127.0.0.1" }}', "expected https://host"),
        ('{ url = "json://127.0.0.1:1/", khac = "x" }', 'expected "URL" or'),
        ("5", 'expected "URL" or'),
    ],
)
def test_an_address_that_cannot_be_used_waits_for_repair(urls, chat, entry, expected):
    with pytest.raises(TemporaryDeliveryError, match=expected) as caught:
        notifier(urls(truc_mang=entry)).deliver(chat())
    assert TOKEN not in str(caught.value)


def test_a_long_text_is_cut_not_split(http_peer, urls, chat):
    peer = http_peer()
    peer.answer = (200, {}, b'{"ok": true}')
    path = urls(truc_mang=f'{{ url = "tgram://{TOKEN}/-100123", telegram_api = "{peer.url}" }}')
    notifier(path).deliver(chat(body="dài " * 5000))
    assert len(peer.requests) == 1
    assert len(json.loads(peer.requests[0][2])["text"]) <= 4096


def test_the_file_of_addresses_is_for_its_owner_only(urls, chat):
    path = urls(0o640, truc_mang='"json://127.0.0.1:1/"')
    with pytest.raises(TemporaryDeliveryError, match="mode 0640, expected 0600"):
        notifier(path).deliver(chat())
    with pytest.raises(TemporaryDeliveryError, match=r"apprise\.urls_file is not set"):
        notifier("").deliver(chat())
    with pytest.raises(TemporaryDeliveryError, match="has no 'truc_mang'"):
        notifier(urls(khac='"json://127.0.0.1:1/"')).deliver(chat())


def test_names_are_checked_against_the_file_where_it_can_be_read(urls, chat):
    path = urls(truc_mang='"json://127.0.0.1:1/"', lanh_dao='"json://127.0.0.1:1/"')
    notifier(path).check_address("truc_mang")
    with pytest.raises(AddressError, match=r"expected one of .*: lanh_dao, truc_mang"):
        notifier(path).check_address("truc_man")
    notifier("/khong/co").check_address("truc_mang")
    for address in ("", f"tgram://{TOKEN}/1", "a b", "a\n"):
        with pytest.raises(AddressError, match="belongs into that file") as caught:
            notifier(path).check_address(address)
        assert isinstance(caught.value, AddressError)
        with pytest.raises(PermanentDeliveryError):
            notifier(path).deliver(chat(address=address))


def test_secrets_are_taken_out_of_texts():
    url = f"tgram://{TOKEN}/-1001234567/?overflow=split"
    assert without_secrets(f"POST /bot{TOKEN}/sendMessage to -1001234567\r\nfailed", url) == (
        "POST /bot…:…/sendMessage to … failed"
    )
    url = "mmosts://quan_tri:mat%20khau%21@chat.example:8065/hooktoken"
    assert without_secrets("chat.example:8065: mat khau! mat%20khau%21 hooktoken quan_tri", url) == (
        "chat.example:8065: … … … …"
    )


def test_nothing_is_imported_and_no_connection_made_before_the_first_delivery(urls):
    """Apprise takes a second and tens of MiB; who does not use it does not pay for it."""
    path = urls(truc_mang='"json://127.0.0.1:1/"')
    program = f"""
import sys
connections = []
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        connections.append(arguments[1] if event == "socket.connect" else arguments[:2])
sys.addaudithook(watch)
from collector.notifiers import NOTIFIERS
from collector.notifiers.contract import TemporaryDeliveryError
from collector.settings import AppriseSettings, Settings
notifier = NOTIFIERS["apprise"](Settings(apprise=AppriseSettings(urls_file={path!r})))
notifier.check_address("truc_mang")
assert not {{"apprise", "requests"}} & set(sys.modules)
from collector.notifiers.contract import Notification
try:
    notifier.deliver(Notification("n", "apprise", "r", "truc_mang", "test", "info", "vi", "t", "b", (), 0.0))
except TemporaryDeliveryError:
    pass
assert "apprise" in sys.modules
print(sorted(set(map(str, connections))))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("(") == done.stdout.count("127.0.0.1") > 0
    assert done.stderr == ""

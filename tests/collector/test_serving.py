"""TLS and HTTP as terminals on thin lines need them: sessions that resume, short heads."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time

import pytest
import trustme
import uvicorn
from fastapi import FastAPI

from collector.serving import KEEP_ALIVE_SECONDS, server_options
from collector.settings import Server, Settings


@pytest.fixture
def authority(tmp_path):
    made = trustme.CA()
    certificate = made.issue_cert("127.0.0.1")
    made.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "chain.pem"))
    return tmp_path


@pytest.fixture
def server(authority):
    """An empty application behind the options of a collector; its port and uvicorn's settings."""
    server = Server(certificate_file=str(authority / "chain.pem"), key_file=str(authority / "key.pem"))
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(FastAPI(), **server_options(Settings(server=server)))
    made = uvicorn.Server(config)
    thread = threading.Thread(target=made.run, kwargs={"sockets": [listener]})
    thread.start()
    while not made.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield listener.getsockname()[1], config
    made.should_exit = True
    thread.join()
    listener.close()


def asked(port, context, session=None):
    """(socket, answer's head) of one request over a connection of its own."""
    channel = context.wrap_socket(
        socket.create_connection(("127.0.0.1", port), 5), server_hostname="127.0.0.1", session=session
    )
    channel.sendall(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = http.client.HTTPResponse(channel)
    answer.begin()
    answer.read()
    return channel, answer


def test_a_session_is_resumed_with_its_one_ticket(authority, server):
    port, config = server
    assert config.ssl.num_tickets == 1
    context = ssl.create_default_context(cafile=str(authority / "ca.pem"))
    first, _ = asked(port, context)
    assert first.version() == "TLSv1.3"
    assert not first.session_reused
    session = first.session
    assert session.has_ticket
    first.close()
    for _ in range(2):
        again, _ = asked(port, context, session)
        assert again.session_reused
        session = again.session
        again.close()


def test_nothing_older_than_tls_1_2(authority, server):
    _, config = server
    assert config.ssl.minimum_version == ssl.TLSVersion.TLSv1_2


def test_the_head_of_an_answer_is_short(authority, server):
    port, _ = server
    channel, answer = asked(port, ssl.create_default_context(cafile=str(authority / "ca.pem")))
    assert sorted(name.lower() for name, _ in answer.getheaders()) == ["content-length", "content-type"]
    channel.close()


def test_a_connection_outlives_a_minute_and_not_a_quarter_of_an_hour(server):
    _, config = server
    assert config.timeout_keep_alive == KEEP_ALIVE_SECONDS
    assert 60 < KEEP_ALIVE_SECONDS < 300


def test_without_a_certificate_there_is_no_tls():
    config = uvicorn.Config(FastAPI(), **server_options(Settings()))
    config.load()
    assert config.ssl is None

"""A receiver gets every event in order, signed, however often it is away."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anyio
import pytest

from tests.bells import Bell
from tests.unit.visage.service.authority import Authority
from tests.unit.visage.service.scenes import RingingOutbox
from visage.config.service import ServiceConfig, WebhookConfig
from visage.config.yaml_file import ConfigError
from visage.service.backoff import Backoff
from visage.service.review import review
from visage.service.webhooks import WebhookSender, signature

BOUND_SECONDS = 20


@dataclass
class Receiver:
    """A real server that answers as scripted, then 200."""

    answers: list[int] = field(default_factory=list)
    taken: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    asked: int = 0
    connections: int = 0
    url: str = ""
    server: ThreadingHTTPServer | None = None


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    script = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            script.connections += 1
            super().setup()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            script.asked += 1
            status = script.answers.pop(0) if script.answers else 200
            if status == 200:
                script.taken.append((self.headers["X-Visage-Event"], body))
                script.headers.append(dict(self.headers))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    script.server = server
    script.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield script
    server.shutdown()
    thread.join()
    server.server_close()


def send(outbox: RingingOutbox, config: WebhookConfig) -> WebhookSender:
    """Run a sender until the outbox is empty."""
    sender = WebhookSender("hook", config, outbox, receiver="hook", backoff=Backoff(0.001, 0.01), now=lambda: 1234.5)

    async def run() -> None:
        with anyio.fail_after(BOUND_SECONDS):
            async with anyio.create_task_group() as group:
                group.start_soon(sender.run)
                await outbox.until_empty("hook")
                group.cancel_scope.cancel()

    anyio.run(run)
    return sender


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[RingingOutbox]:
    outbox = RingingOutbox(tmp_path / "outbox.sqlite")
    for number in range(4):
        outbox.put(["hook"], f"e{number}", f'{{"n":{number}}}')
    yield outbox
    outbox.close()


def test_events_come_in_order_through_failures(outbox: RingingOutbox, receiver: Receiver) -> None:
    receiver.answers = [500, 503, 200, 429, 408, 200]
    sender = send(outbox, WebhookConfig(url=receiver.url))
    assert receiver.taken == [(f"e{number}", f'{{"n":{number}}}') for number in range(4)]
    assert (sender.delivered, sender.rejected, receiver.asked, receiver.connections) == (4, 0, 8, 1)


def test_what_a_receiver_refuses_is_dropped(outbox: RingingOutbox, receiver: Receiver) -> None:
    receiver.answers = [400, 301]
    sender = send(outbox, WebhookConfig(url=receiver.url))
    assert [event for event, _ in receiver.taken] == ["e2", "e3"]
    assert sender.rejected == 2


def test_bodies_are_signed(outbox: RingingOutbox, receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("tell nobody\n")
    send(outbox, WebhookConfig.model_validate({"url": receiver.url, "secret": {"file": tmp_path / "secret"}}))
    headers = receiver.headers[0]
    assert headers["X-Visage-Timestamp"] == "1234"
    assert headers["X-Visage-Signature"] == signature("tell nobody", "1234", b'{"n":0}')
    assert signature("another", "1234", b'{"n":0}') != headers["X-Visage-Signature"]


def test_an_answer_that_never_ends_is_taken_by_its_status(outbox: RingingOutbox) -> None:
    """It comes in drops: no wait for the next one is long, and there is always a next one."""
    has_been_told = threading.Event()

    class Dripping(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            with contextlib.suppress(OSError):
                while not has_been_told.wait(0.05):
                    self.wfile.write(b"x")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Dripping)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}/hook"
        assert send(outbox, WebhookConfig(url=url)).delivered == 4
    finally:
        has_been_told.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("url", ["http://xn--/", "http://h\x01/"])
def test_an_address_that_can_not_be_asked_stops_nothing(url: str, outbox: RingingOutbox) -> None:
    """The host is looked at only when it is asked; what is wrong with it would end the daemon with the sender."""
    sender = WebhookSender("hook", WebhookConfig(url=url), outbox, receiver="hook")

    async def run() -> None:
        with anyio.move_on_after(0.3):
            await sender.run()

    anyio.run(run)
    assert outbox.depths() == {"hook": 4}


def test_a_receiver_that_is_away_gets_everything_later(
    tmp_path: Path, outbox: RingingOutbox, receiver: Receiver
) -> None:
    """Nobody listens at first; the events stay on disk, for another process even."""
    sender = WebhookSender("hook", WebhookConfig(url="http://127.0.0.1:9/"), outbox, receiver="hook")

    async def run() -> None:
        with anyio.move_on_after(0.3):
            await sender.run()

    anyio.run(run)
    assert sender.delivered == 0
    assert outbox.depths() == {"hook": 4}
    again = RingingOutbox(tmp_path / "outbox.sqlite")
    send(again, WebhookConfig(url=receiver.url))
    again.close()
    assert len(receiver.taken) == 4


@pytest.fixture
def private(receiver: Receiver, tmp_path: Path) -> Authority:
    """The receiver speaks HTTPS with a certificate of a CA that no store knows."""
    authority = Authority(tmp_path)
    assert receiver.server is not None
    receiver.server.socket = authority.server_context().wrap_socket(receiver.server.socket, server_side=True)
    receiver.url = receiver.url.replace("http:", "https:")
    return authority


def test_a_private_ca_is_trusted_where_its_file_is_named(
    outbox: RingingOutbox, receiver: Receiver, private: Authority
) -> None:
    send(outbox, WebhookConfig(url=receiver.url, ca_file=private.ca_file))
    assert len(receiver.taken) == 4


def test_a_private_ca_of_the_systems_store_is_trusted(
    outbox: RingingOutbox, receiver: Receiver, private: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(private.ca_file))  # where OpenSSL looks for the store
    send(outbox, WebhookConfig(url=receiver.url))
    assert len(receiver.taken) == 4


@pytest.mark.usefixtures("private")
def test_the_reason_of_a_refused_certificate_is_logged(
    outbox: RingingOutbox, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    sender = WebhookSender("hook", WebhookConfig(url=receiver.url), outbox, receiver="hook")
    logged = Bell()

    async def run() -> None:
        with anyio.fail_after(BOUND_SECONDS), logged.at_log_lines():
            async with anyio.create_task_group() as group:
                group.start_soon(sender.run)
                await logged.until(lambda: bool(caplog.records))
                group.cancel_scope.cancel()

    anyio.run(run)
    assert receiver.taken == []
    assert caplog.records[0].message == (
        "webhook hook: ConnectError: the certificate is refused: unable to get local issuer certificate; trying again"
    )


@pytest.mark.parametrize(
    ("text", "problem"), [(None, "can't be read: No such file or directory"), ("x", "holds no certificate")]
)
def test_a_ca_file_that_is_of_no_use_is_a_configuration_error(
    tmp_path: Path, outbox: RingingOutbox, text: str | None, problem: str
) -> None:
    path = tmp_path / "ca.pem"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=rf"events\.webhooks\.hook\.ca_file: .*ca\.pem {problem}"):
        WebhookSender("hook", WebhookConfig(url="https://h/", ca_file=path), outbox, receiver="hook")
    events = {"webhooks": {"hook": {"url": "https://h/", "ca_file": path}}}
    lines = review(ServiceConfig.model_validate({"events": events, "web": {"enabled": False}}))
    assert any(line.startswith("events.webhooks.hook.ca_file: ") and problem in line for line in lines)


def test_a_refused_connection_says_so(outbox: RingingOutbox, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    sender = WebhookSender("hook", WebhookConfig(url=f"http://127.0.0.1:{port}/"), outbox, receiver="hook")
    logged = Bell()

    async def run() -> None:
        with anyio.fail_after(BOUND_SECONDS), logged.at_log_lines():
            async with anyio.create_task_group() as group:
                group.start_soon(sender.run)
                await logged.until(lambda: bool(caplog.records))
                group.cancel_scope.cancel()

    anyio.run(run)
    assert "ConnectError: Connection refused; trying again" in caplog.records[0].message

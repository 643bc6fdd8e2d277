"""Posts events to a receiver, in order, each until it is accepted.

The body is the event's JSON. `X-Visage-Event` is its id and `X-Visage-Timestamp` the time of sending in seconds since
the epoch; `X-Visage-Signature` is `sha256=` and the hex HMAC-SHA256, with the receiver's secret, of the timestamp, a
dot and the body, so that neither can be changed or replayed later.

2xx accepts an event; 408, 429, 5xx and timeouts are tried again with growing waits, and later events wait meanwhile.
After any other answer the event is dropped and counted. Redirects are not followed. HTTPS trusts the system's store
and `ca_file`. A person who was forgotten while an event waited is no longer named in it.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
from collections.abc import Callable

import anyio
import anyio.to_thread
import httpx

from visage.config.service import WebhookConfig
from visage.observe.fields import about
from visage.runtime.wake import Wake
from visage.service.backoff import Backoff
from visage.service.enrolled import EnrolledPeople, without_forgotten
from visage.service.outbox import Letter, Outbox
from visage.service.tls import client_context, reason_of

__all__ = ["WebhookSender", "signature"]

FIRST_RETRY_SECONDS = 1.0
MAX_RETRY_SECONDS = 300.0
SHORT_BYTES, SHORT_SECONDS = 65_536, 1.0
"""An answer that is worth reading, and how long."""

IDLE_SECONDS = 30.0

logger = logging.getLogger(__name__)


class WebhookSender:
    """Empties one receiver's part of the outbox. Runs in one task.

    Attributes:
        delivered, rejected: events accepted and dropped so far.
    """

    def __init__(
        self,
        name: str,
        config: WebhookConfig,
        outbox: Outbox,
        *,
        receiver: str,
        people: EnrolledPeople | None = None,
        backoff: Backoff | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """
        Args:
            receiver: its name in the outbox.
            people: who may be named; without it everyone.
            transport: by default the network.

        Raises ConfigError where the secret or `ca_file` can't be read.
        """
        self.delivered = 0
        self.rejected = 0
        self._name = name
        self._config = config
        self._outbox = outbox
        self._receiver = receiver
        self._backoff = backoff or Backoff(FIRST_RETRY_SECONDS, MAX_RETRY_SECONDS)
        self._people = people
        self._transport = transport
        self._tls = client_context(config.ca_file, key=f"events.webhooks.{name}.ca_file")
        self._now = now
        self._secret = config.secret.read()
        self._wake = Wake()
        outbox.on_put(self._wake.set)

    async def run(self) -> None:
        """Post events until cancelled.

        Network errors are logged and tried again; raises sqlite3.Error of the outbox.
        """
        async with httpx.AsyncClient(
            transport=self._transport,
            verify=self._tls,
            timeout=self._config.timeout_seconds,
            follow_redirects=False,
            trust_env=False,
        ) as client:
            while True:
                letters = await anyio.to_thread.run_sync(self._outbox.oldest, self._receiver)
                if not letters:
                    await self._wake.wait(IDLE_SECONDS)
                for letter in letters:
                    await self._deliver(client, letter)

    async def _deliver(self, client: httpx.AsyncClient, letter: Letter) -> None:
        while True:
            problem = await self._post(client, letter)
            if problem is None:
                if self._backoff.failures:
                    logger.info("webhook %s: available again", self._name, extra=about("webhook.back"))
                self._backoff.reset()
                await anyio.to_thread.run_sync(self._outbox.delivered, self._receiver, letter.number)
                return
            if not self._backoff.failures:
                logger.warning("webhook %s: %s; trying again", self._name, problem, extra=about("webhook.away"))
            await anyio.sleep(self._backoff.next_seconds())

    async def _post(self, client: httpx.AsyncClient, letter: Letter) -> str | None:
        """Send it once; why it has to be sent again, if so."""
        text = letter.body
        if self._people is not None:
            text = without_forgotten(text, await anyio.to_thread.run_sync(self._people.person_ids))
        body = text.encode()
        timestamp = str(int(self._now()))
        headers = {
            "Content-Type": "application/json",
            "X-Visage-Event": letter.event_id,
            "X-Visage-Timestamp": timestamp,
        }
        if self._secret is not None:
            headers["X-Visage-Signature"] = signature(self._secret, timestamp, body)
        try:
            # The client's own limit is of each wait alone: an answer could come in drops for ever.
            with anyio.fail_after(self._config.timeout_seconds):
                async with client.stream("POST", self._config.url, content=body, headers=headers) as answer:
                    await _finish(answer)
        # UnicodeError is of a host's name.
        except (TimeoutError, UnicodeError, httpx.HTTPError, httpx.InvalidURL) as error:
            reason = reason_of(error)
            return f"{type(error).__name__}: {reason}" if reason else type(error).__name__
        if answer.is_success:
            self.delivered += 1
            return None
        if answer.status_code in (408, 429) or answer.is_server_error:
            return f"answered {answer.status_code}"
        self.rejected += 1
        logger.error(
            "webhook %s: refused event %s with %d",
            self._name,
            letter.event_id,
            answer.status_code,
            extra=about("webhook.refused"),
        )
        return None


async def _finish(answer: httpx.Response) -> None:
    """Read a short answer to its end, so that its connection serves the next event too; the text is not used."""
    length = answer.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) <= SHORT_BYTES:
        with anyio.move_on_after(SHORT_SECONDS):
            await answer.aread()


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the value of `X-Visage-Signature` for a body: `sha256=` and an HMAC (RFC 2104) in hexadecimal digits.

    Args:
        timestamp: the value of `X-Visage-Timestamp`.
    """
    return "sha256=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()

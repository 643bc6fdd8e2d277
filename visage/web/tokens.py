"""Tokens of callers: created and shown once, kept as hashes in a file that only its owner may read.

A token is `visage_<id>_<secret>`; the secret has 256 random bits, so one SHA-256 is as good as a slow hash. The file is
replaced whole, and read again when it has changed: `visage token revoke` works on a running daemon from the next
request on, and ends streams. Readers and writers may be different processes; one writer at a time, by a lock file
beside it.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from enum import IntEnum
from pathlib import Path

from visage.config.web import WebSettings, is_loopback
from visage.storage.atomic_write import atomic_write
from visage.storage.file_lock import file_lock
from visage.web.errors import BindRefused, TokenNameTaken, TokenStoreError

__all__ = ["Role", "Token", "TokenStore", "check_listening"]

PREFIX = "visage"
LOCK_SECONDS = 10.0


class TokenStore:
    """The tokens in one file. Safe from any thread."""

    def __init__(self, path: Path, *, lock_timeout_seconds: float = LOCK_SECONDS) -> None:
        """`lock_timeout_seconds`: longest wait for another writer."""
        self.path = path
        self._lock_timeout_seconds = lock_timeout_seconds
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._tokens: dict[str, Token] = {}

    def __repr__(self) -> str:
        return f"<TokenStore {self.path} {len(self.tokens())} tokens>"

    def tokens(self) -> tuple[Token, ...]:
        """All of them. Raises TokenStoreError."""
        with self._lock:
            return tuple(self._read().values())

    def create(self, name: str, role: Role, *, source_id: str = "") -> str:
        """Make a token and return it, for the only time. Raises TokenNameTaken, TokenStoreError.

        Args:
            source_id: the one camera whose pictures it shows, and nothing else; empty for no such limit.
        """
        token_id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
        created_at = datetime.now(timezone.utc).isoformat(timespec="seconds")
        token = Token(token_id, name, role, _digest(secret), created_at, source_id)
        with self._lock, self._only_writer():
            tokens = self._read()
            if any(name == other.name for other in tokens.values()):
                raise TokenNameTaken(f"there is a token named {name!r}; revoke it first or choose another name")
            self._write({**tokens, token_id: token})
        return f"{PREFIX}_{token_id}_{secret}"

    def revoke(self, name: str) -> bool:
        """Remove a token; says whether there was one. Raises TokenStoreError."""
        with self._lock, self._only_writer():
            tokens = self._read()
            kept = {token_id: token for token_id, token in tokens.items() if token.name != name}
            if len(kept) == len(tokens):
                return False
            self._write(kept)
        return True

    def find(self, presented: str) -> Token | None:
        """Return the token that a caller presents, or None. Compared in constant time. Raises TokenStoreError."""
        prefix, _, rest = presented.partition("_")
        token_id, _, secret = rest.partition("_")
        token = self.by_id(token_id) if prefix == PREFIX else None
        # Compared in any case, so that the time taken does not tell which ids exist.
        matches = hmac.compare_digest(_digest(secret), token.secret_sha256 if token else _digest(""))
        return token if matches and secret else None

    def by_id(self, token_id: str) -> Token | None:
        """A token by its public part; None once it was revoked."""
        with self._lock:
            return self._read().get(token_id)

    @contextlib.contextmanager
    def _only_writer(self) -> Iterator[None]:
        """Hold the file's lock from reading to writing, so that no other process's token is overwritten."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with file_lock(self.path.with_name(f"{self.path.name}.lock"), timeout_seconds=self._lock_timeout_seconds):
                yield
        except TimeoutError as exc:
            raise TokenStoreError(f"{exc}; try again") from exc
        except OSError as exc:
            raise TokenStoreError(f"{self.path}: {exc.strerror}; check that its folder may be written") from exc

    def _read(self) -> dict[str, Token]:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            self._stamp, self._tokens = None, {}
            return self._tokens
        except OSError as exc:
            raise TokenStoreError(f"{self.path}: {exc.strerror}; check its permissions") from exc
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp != self._stamp:
            try:
                rows = json.loads(self.path.read_text(encoding="utf-8"))["tokens"]
                self._tokens = {row["token_id"]: Token(**{**row, "role": Role(row["role"])}) for row in rows}
            except (OSError, ValueError, KeyError, TypeError) as exc:
                raise TokenStoreError(f"{self.path}: not a token file ({exc}); remove it and make new tokens") from exc
            self._stamp = stamp
        return self._tokens

    def _write(self, tokens: dict[str, Token]) -> None:
        text = json.dumps({"tokens": [asdict(token) for token in tokens.values()]}, indent=1)
        atomic_write(self.path, text.encode())
        self._stamp = None


class Role(IntEnum):
    """What a caller may do; each role includes those before it."""

    VIEWER = 1  # look
    OPERATOR = 2  # add, pause and remove sources; name, merge and enrol people
    ADMIN = 3  # forget people, reload, read the audit log

    @property
    def label(self) -> str:
        """The role's name in commands and files: viewer, operator or admin."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is stored.

    Attributes:
        secret_sha256: hexadecimal SHA-256 of the secret, which is not kept.
        created_at: in UTC.
        source_id: the only camera whose pictures it may see, in addresses as well; empty for no such limit.
    """

    token_id: str
    name: str
    role: Role
    secret_sha256: str
    created_at: str
    source_id: str = ""


def check_listening(settings: WebSettings) -> None:
    """Raises BindRefused for an address that others can reach while there are no tokens; TokenStoreError."""
    if not is_loopback(settings.host) and not TokenStore(settings.token_file).tokens():
        raise BindRefused(
            f"{settings.host} can be reached by others and there are no tokens: run `visage token create NAME "
            f"--role admin --tokens {settings.token_file}` first, or listen on 127.0.0.1"
        )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()

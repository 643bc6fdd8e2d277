"""The credential of the person who runs the daemon: a token in a file that only its owner can read.

An address proves nothing: behind a reverse proxy every request comes from 127.0.0.1, and other users of the machine
reach loopback too. Whoever can read this file can read the gallery as well, so its token has the role admin. The file
also has the daemon's address, so that `visage open` needs neither. The token stays the same from start to start; it
changes when the file is removed, or when others were able to read it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from visage.storage.atomic_write import atomic_write
from visage.web.errors import LocalAccessError
from visage.web.tokens import PREFIX, Role, Token

__all__ = ["LOCAL_FILE", "LocalAccess", "LocalToken"]

LOCAL_FILE = "local.json"
"""Its name in the daemon's state directory."""

LOCAL = f"{PREFIX}_local_"


class LocalAccess:
    """Knows the local token. Safe from any thread."""

    def __init__(self, path: Path | None) -> None:
        """Read the token, or make one. `path`: None keeps it in memory only. Raises LocalAccessError."""
        self.path = path
        value = self._kept() or f"{LOCAL}{secrets.token_urlsafe(32)}"
        self._value = value
        digest = hashlib.sha256(value.encode()).hexdigest()
        # The id changes with the secret, so that sessions of an earlier one end.
        self.token = Token(f"local-{digest[:8]}", "local", Role.ADMIN, digest, "")

    def __repr__(self) -> str:
        return f"<LocalAccess {self.path}>"

    def publish(self, url: str) -> LocalToken:
        """Write the address and the token to the file. Raises LocalAccessError."""
        local = LocalToken(url, self._value)
        if self.path is not None:
            try:
                atomic_write(self.path, json.dumps({"url": url, "token": self._value}).encode())
            except OSError as exc:
                raise LocalAccessError(f"{self.path}: {exc.strerror}; check that its folder may be written") from exc
        return local

    def find(self, presented: str) -> Token | None:
        """Return the local token if `presented` is its secret, otherwise None. Compared in constant time."""
        digest = hashlib.sha256(presented.encode(errors="surrogatepass")).hexdigest()
        return self.token if hmac.compare_digest(digest, self.token.secret_sha256) else None

    def _kept(self) -> str | None:
        if self.path is None:
            return None
        try:
            with open(self.path, encoding="utf-8") as file:
                status = os.fstat(file.fileno())
                if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
                    return None  # others may have read or written it
                value = json.load(file)["token"]
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise LocalAccessError(f"{self.path}: {exc.strerror}; check its permissions") from exc
        except (ValueError, KeyError, TypeError):  # not ours, or damaged: it is written anew
            return None
        is_whole = isinstance(value, str) and value.startswith(LOCAL) and len(value) >= len(LOCAL) + 43
        return value if is_whole else None


@dataclass(frozen=True, slots=True)
class LocalToken:
    """The content of the local token's file: the daemon's address and the token."""

    url: str
    token: str

    @classmethod
    def read(cls, path: Path) -> LocalToken:
        """Read a daemon's file. Raises LocalAccessError."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return cls(str(values["url"]), str(values["token"]))
        except FileNotFoundError as exc:
            raise LocalAccessError(f"{path}: there is no such file; is the daemon running?") from exc
        except OSError as exc:
            raise LocalAccessError(
                f"{path}: {exc.strerror}; only the user who runs the daemon can sign in this way"
            ) from exc
        except (ValueError, KeyError, TypeError) as exc:
            raise LocalAccessError(f"{path}: this is not a daemon's file; start the daemon again") from exc

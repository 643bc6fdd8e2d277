"""Secrets that a configuration names without holding them: in the environment, or in a file.

They are read where they are used, never stored in a record that could be shown, and a file's last line break is no part
of them.
"""

from __future__ import annotations

import os
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from visage.config.paths import NamedPath
from visage.config.yaml_file import ConfigError

__all__ = ["Credentials", "Secret"]


class Secret(BaseModel):
    """The place of a secret: an environment variable or a file. `read` raises ConfigError."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    env: str | None = Field(None, description="Environment variable that holds it.")
    file: NamedPath | None = Field(None, description="File that holds it.")

    @model_validator(mode="after")
    def _check_one(self) -> Secret:
        if self.env is not None and self.file is not None:
            raise ValueError("give env or file, not both")
        return self

    def read(self) -> str | None:
        """Return the secret; None where no place is given. Raises ConfigError where it is missing or empty."""
        if self.env is not None:
            secret = os.environ.get(self.env, "")
            if not secret:
                raise ConfigError([f"the environment has no {self.env}, which the configuration names as a secret"])
            return secret
        if self.file is not None:
            try:
                secret = self.file.read_text(encoding="utf-8").rstrip("\r\n")
            except OSError as error:
                raise ConfigError([f"the secret in {self.file} can't be read: {error.strerror}"]) from error
            except UnicodeDecodeError as error:
                raise ConfigError([f"the secret in {self.file} can't be read: it is not UTF-8 text"]) from error
            if not secret:
                raise ConfigError([f"the secret in {self.file} is empty"])
            return secret
        return None


class Credentials(BaseModel):
    """A user name and the place of the password. `put_into` raises ConfigError."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user: str | None = Field(None, repr=False, description="The user's name.")
    password: Secret = Field(default_factory=Secret, description="Where the password is.")

    def put_into(self, address: str) -> str:
        """Return the address with these credentials, or unchanged without a user. Raises ConfigError."""
        if self.user is None:
            return address
        parts = urlsplit(address)
        password = self.password.read()
        secret = "" if password is None else f":{quote(password, safe='')}"
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{quote(self.user, safe='')}{secret}@{host}"))

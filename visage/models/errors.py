"""What can go wrong with models.

    ModelError
    ├── UnknownModel        also KeyError: not in the catalogue
    ├── ModelUnavailable    also OSError: no origin could be reached, or the folder can't be written
    │   └── OriginFailed    one origin failed; the next is tried
    ├── LicenceNotAccepted  also PermissionError: the weights are not free for every use, and no one has agreed yet
    ├── CatalogDamaged      also ValueError: the user's own catalogue can't be read
    ├── ModelNameTaken           also ValueError: a model with this name exists
    ├── CalibrationFailed   also ValueError: the pictures given show too little
    └── ModelDamaged        also ValueError: the bytes are not those the catalogue promises

Messages are one line for a person and say what to do; the cause is chained.
"""

from __future__ import annotations

__all__ = [
    "CalibrationFailed",
    "CatalogDamaged",
    "LicenceNotAccepted",
    "ModelDamaged",
    "ModelError",
    "ModelNameTaken",
    "ModelUnavailable",
    "OriginFailed",
    "UnknownModel",
]


class ModelError(Exception):
    """The base of everything that this package raises on purpose."""


class UnknownModel(ModelError, KeyError):
    """No such name in the catalogue."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would quote the sentence


class ModelUnavailable(ModelError, OSError):
    """The model is not cached and could not be had."""


class OriginFailed(ModelUnavailable):
    """One of several origins failed."""


class LicenceNotAccepted(ModelError, PermissionError):
    """The weights' licence does not allow every use; their user has to agree first."""


class CatalogDamaged(ModelError, ValueError):
    """The user's own catalogue is no TOML, or has a mistake in an entry."""


class ModelNameTaken(ModelError, ValueError):
    """A model of this name exists, and is not to be replaced."""


class CalibrationFailed(ModelError, ValueError):
    """There are not enough pictures, or none with a face, to make a model smaller and to judge it."""


class ModelDamaged(ModelError, ValueError):
    """A file has not the digest that the catalogue states, or is no network at all."""

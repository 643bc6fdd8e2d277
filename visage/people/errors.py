"""Errors about people: one line each, with a remedy.

PeopleError
├── NoSuchPerson     also KeyError: no person has that name or id
├── NameTaken        also ValueError: another person has it
├── NameRefused      also ValueError: the name is not allowed
├── PictureRefused   also ValueError: no face, several, a poor one
│   └── PictureKnown     the person has this picture already
├── CorrectionRefused  also ValueError: it can't be made, or undone
├── OtherModel       also ValueError: the gallery belongs to another embedding model
├── GalleryLocked    also PermissionError: encrypted, and the key is missing or wrong
└── GalleryBroken    also OSError: the folder can't be read or written
"""

from __future__ import annotations

__all__ = [
    "CorrectionRefused",
    "GalleryBroken",
    "GalleryLocked",
    "NameRefused",
    "NameTaken",
    "NoSuchPerson",
    "OtherModel",
    "PeopleError",
    "PictureKnown",
    "PictureRefused",
]


class PeopleError(Exception):
    """Root of the errors of the gallery: catching it catches every one below."""


class NoSuchPerson(PeopleError, KeyError):
    """Raised when no person has the name or id."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would quote it


class NameTaken(PeopleError, ValueError):
    """Raised when another person has the name."""


class NameRefused(PeopleError, ValueError):
    """Raised for a name that is empty or means something else, such as an id."""


class PictureRefused(PeopleError, ValueError):
    """Raised when a picture cannot be used to enrol or search."""


class PictureKnown(PictureRefused):
    """Raised when the person has this picture already."""


class CorrectionRefused(PeopleError, ValueError):
    """Raised for a correction that makes no sense, and for one to undo that does not hold."""


class OtherModel(PeopleError, ValueError):
    """Raised when embeddings of two models would be compared."""


class GalleryLocked(PeopleError, PermissionError):
    """Raised when an encrypted gallery is opened without its key, or with another one."""


class GalleryBroken(PeopleError, OSError):
    """Raised when the folder does not hold a usable gallery."""

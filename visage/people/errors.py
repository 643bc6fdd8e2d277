"""What can go wrong with people, one line each, with what to do.

PeopleError
├── NoSuchPerson     also KeyError: no person has that name or id
├── NameTaken        also ValueError: another person has it
├── NameRefused      also ValueError: the name is not allowed
├── PictureRefused   also ValueError: no face, several, a poor one
│   └── PictureKnown     the person has this picture already
├── OtherModel       also ValueError: the gallery belongs to another embedding model
├── GalleryLocked    also PermissionError: encrypted, and the key is missing or wrong
└── GalleryBroken    also OSError: the folder can't be read or written
"""

from __future__ import annotations

__all__ = [
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
    """Root of the tree."""


class NoSuchPerson(PeopleError, KeyError):
    """Raised when no person has the name or id."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would quote it


class NameTaken(PeopleError, ValueError):
    """Two people can't have one name."""


class NameRefused(PeopleError, ValueError):
    """A name that is empty, or means something else."""


class PictureRefused(PeopleError, ValueError):
    """Raised when a picture cannot be used to enrol or search."""


class PictureKnown(PictureRefused):
    """The person has this picture already."""


class OtherModel(PeopleError, ValueError):
    """Embeddings of two models can't be compared."""


class GalleryLocked(PeopleError, PermissionError):
    """It can't be read without its key."""


class GalleryBroken(PeopleError, OSError):
    """Its folder does not hold a gallery that can be used."""

"""Licences are shown before weights that are not free for every use are fetched, and asked for once."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    from visage.models import ModelStore

__all__ = ["AcceptLicenseOption", "agree_to_licences"]

AcceptLicenseOption: TypeAlias = Annotated[
    bool, typer.Option("--accept-license", help="Agree to the licences of the models' weights.")
]


def agree_to_licences(store: ModelStore, names: Sequence[str], *, accepted: bool) -> None:
    """Accept, or on a terminal ask for, the licences of those models that need it; elsewhere the fetch refuses them.

    Raises UnknownModel.
    """
    for name in names:
        spec = store.spec(name)
        if not store.needs_agreement(name):
            continue
        print(f"{spec.title} is under {spec.licence}. {spec.licence_note}".strip(), file=sys.stderr)
        if accepted or (sys.stdin.isatty() and typer.confirm("Do you agree?", err=True)):
            store.accept_licence(name)

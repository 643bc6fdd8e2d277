"""Who has agreed to what: models whose weights are not free for every use are fetched only after a yes.

`accepted-licences` in the model folder holds a line `MODEL LICENCE` for each; a licence that changes is asked for
again.
"""

from __future__ import annotations

from pathlib import Path

from visage.models.errors import LicenceNotAccepted
from visage.models.registry import ModelSpec

__all__ = ["AcceptedLicences"]


class AcceptedLicences:
    """The file of one model folder."""

    def __init__(self, model_dir: Path) -> None:
        self._path = model_dir / "accepted-licences"

    def accept(self, spec: ModelSpec) -> None:
        """Record that the user has agreed to this model's licence. Raises OSError."""
        if self._has(spec):
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{spec.name} {spec.licence}\n")

    def check(self, spec: ModelSpec) -> None:
        """Raises LicenceNotAccepted, with the licence and what to type."""
        is_the_users = not any(file.origins for file in spec.files)
        if spec.is_permissive or is_the_users or self._has(spec):
            return
        note = f": {spec.licence_note}" if spec.licence_note else "."
        raise LicenceNotAccepted(
            f"the weights of {spec.name!r} are under {spec.licence}{note} "
            f"If your use is permitted: visage models fetch {spec.name} --accept-license"
        )

    def _has(self, spec: ModelSpec) -> bool:
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return False
        return f"{spec.name} {spec.licence}" in lines

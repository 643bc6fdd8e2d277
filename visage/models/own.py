"""The user's own models: `catalog.toml` and copies of their files in the model folder.

A file that is named by its path is looked into once; its entry is found again by its digest. The catalogue appears
whole, and its entries may be edited by hand: they are of the same form as Visage's own.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from visage.models.errors import ModelNameTaken
from visage.models.folder import ModelFolder
from visage.models.inspect import Proposal, inspect_network
from visage.models.pins import digest_of
from visage.models.registry import USER_CATALOG, ModelFile, ModelSpec, load_catalog

__all__ = ["add_model", "as_name", "check_name", "derived", "own_model", "propose", "to_toml"]

LOCK_SECONDS = 60.0
TABLE = re.compile(r"\[\[?\s*([\w-]+)\s*(\.[\w.\s-]+)?\]\]?\s*(#.*)?")  # [name], [name.input], [[name.files]]


def own_model(path: Path, model_dir: Path) -> ModelSpec:
    """The entry of this file; proposed and added, if there is none yet. Raises what `propose` and `add_model` do."""
    sha256 = digest_of(path)
    for spec in load_catalog(model_dir).values():
        for file in spec.files:
            if sha256 is not None and file.sha256 == sha256:
                _keep(path, _folder(model_dir), file.name, sha256)
                return spec
    proposal = propose(path, model_dir)
    add_model(proposal.spec, path, model_dir)
    return proposal.spec


def propose(path: Path, model_dir: Path, *, name: str | None = None) -> Proposal:
    """An entry for the file, called `name`; by default like the file, with a number if that is taken.

    Raises what `visage.models.inspect.inspect_network` does.
    """
    taken = load_catalog(model_dir)
    chosen = as_name(name) if name else next(free for free in _names(as_name(path.stem)) if free not in taken)
    return inspect_network(path, name=chosen)


def as_name(text: str) -> str:
    """The text as a model's name: small letters, digits, hyphens."""
    return re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-") or "model"


def check_name(name: str, model_dir: Path, *, replace: bool = False) -> None:
    """Raise ModelNameTaken unless the name is free, or `replace` is set and the model of that name is the user's."""
    if name in load_catalog():
        raise ModelNameTaken(f"Visage has a model {name!r} of its own; choose another --name")
    if name in load_catalog(model_dir) and not replace:
        raise ModelNameTaken(f"there is a model {name!r} already; choose another --name, or --force to replace it")


def add_model(spec: ModelSpec, path: Path, model_dir: Path, *, replace: bool = False) -> None:
    """Copy the file into the model folder, and write its entry into the user's catalogue.

    Args:
        replace: take the place of an entry of the user's that has this name.

    Raises:
        ModelUnavailable: the folder can't be written.
        ModelNameTaken: by another model.
    """
    folder = _folder(model_dir)
    with folder.exclusive():
        check_name(spec.name, model_dir, replace=replace)
        _copy(path, folder, spec.files[0].name, spec.files[0].sha256 or "")
        catalog = model_dir / USER_CATALOG
        entries = _without(catalog.read_text(encoding="utf-8"), spec.name) if catalog.exists() else ""
        folder.write(USER_CATALOG, f"{entries}{to_toml(spec)}\n".encode())


def derived(spec: ModelSpec, path: Path, name: str, *, notes: str) -> ModelSpec:
    """The entry of a network that was made from a prepared one and is called like it otherwise."""
    file = ModelFile(
        name=f"{name}.onnx", sha256=digest_of(path), size_bytes=path.stat().st_size, origins=(), format="prepared"
    )
    return spec.model_copy(update={"name": name, "title": f"{spec.title}, {name}", "files": (file,), "notes": notes})


def to_toml(spec: ModelSpec) -> str:
    """The entry as the catalogue writes it."""
    fields = spec.model_dump(mode="json", exclude={"name"}, exclude_defaults=True)
    tables = {key: fields.pop(key) for key in ("input", "files")}
    lines = [f"[{spec.name}]", *_assignments({"task": spec.task, **fields}), ""]
    lines += [f"[{spec.name}.input]", *_assignments(tables["input"]), ""]
    for file in tables["files"]:
        lines += [f"[[{spec.name}.files]]", *_assignments(file), ""]
    return "\n".join(lines)


def _folder(model_dir: Path) -> ModelFolder:
    return ModelFolder(model_dir, lock_timeout_seconds=LOCK_SECONDS)


def _keep(path: Path, folder: ModelFolder, name: str, sha256: str) -> None:
    """Copy the file into the folder unless it is there: then the folder need not be writable."""
    if digest_of(folder.path / name) != sha256:
        with folder.exclusive():
            _copy(path, folder, name, sha256)


def _copy(path: Path, folder: ModelFolder, name: str, sha256: str) -> None:
    with folder.part_of(name) as part:
        shutil.copyfile(path, part)
        folder.place(part, name, sha256)


def _without(entries: str, name: str) -> str:
    """The catalogue's text without the tables of one model; what people have written around others stays."""
    kept: list[str] = []
    is_its = False
    for line in entries.splitlines(keepends=True):
        if table := TABLE.fullmatch(line.strip()):
            is_its = table[1] == name
        if not is_its:
            kept.append(line)
    return "".join(kept)


def _assignments(fields: dict[str, object]) -> Iterator[str]:
    """JSON's strings, numbers, booleans and arrays are TOML's too."""
    return (f"{key} = {json.dumps(value)}" for key, value in fields.items())


def _names(stem: str) -> Iterator[str]:
    yield stem
    number = 2
    while True:
        yield f"{stem}-{number}"
        number += 1

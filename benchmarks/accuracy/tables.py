"""Prints what was measured as Markdown tables, beside what was measured before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

__all__ = ["print_tables"]

Numbers = Mapping[str, object]


def print_tables(numbers: Numbers, before: Numbers | None) -> None:
    """One table a part: a line for every number, under its path, with the number of before if there is one."""
    for part, measured in numbers.items():
        assert isinstance(measured, Mapping)
        earlier = dict(_lines(before.get(part, {}))) if before else {}
        print(f"\n### {part}\n")
        print("| | before | after |\n| --- | --: | --: |" if before else "| | |\n| --- | --: |")
        for path, value in _lines(measured):
            print(f"| {path} | {earlier.get(path, '')} | {value} |" if before else f"| {path} | {value} |", flush=True)


def _lines(measured: object, path: str = "") -> Iterator[tuple[str, str]]:
    if not isinstance(measured, Mapping):
        yield path, f"{measured:.3f}" if isinstance(measured, float) else str(measured)
        return
    for name, value in measured.items():
        yield from _lines(value, f"{path}, {name}" if path else str(name))

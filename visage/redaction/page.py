"""A plan as a page to check and change it: one file that needs no server, and saves the plan as a file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from visage.redaction.plan import Plan
from visage.storage.atomic_write import atomic_write

__all__ = ["page_path", "write_page"]


def page_path(plan_path: Path) -> Path:
    """Return where the page of a plan is."""
    return plan_path.with_suffix(".html")


def write_page(plan: Plan, plan_path: Path, film: Path | None = None) -> Path:
    """Write the page beside the plan, whole or not at all, for its owner alone; returns its path. Raises OSError.

    Args:
        film: where it is, if not where the plan says.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("visage.redaction"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    source = film or plan_path.parent / plan.source.path
    address = quote(os.path.relpath(source.resolve(), plan_path.parent.resolve()))
    page = environment.get_template("plan.html").render(
        title=source.name,
        plan_json=_embedded(plan.model_dump_json(exclude_none=True)),
        file_name_json=_embedded(json.dumps(plan_path.name)),
        film_url_json=_embedded(json.dumps(address)),
    )
    path = page_path(plan_path)
    atomic_write(path, page.encode())
    return path


def _embedded(text: str) -> Markup:
    """JSON that ends no script, wherever its words come from."""
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))

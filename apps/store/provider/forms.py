"""Stripe's forms: `metadata[order]=7&expand[0]=latest_charge` as a tree."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl


def read_form(text: str) -> dict[str, Any]:
    """The tree that a form or a query string spells."""
    tree: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        path = name.replace("]", "").split("[")
        branch = tree
        for part in path[:-1]:
            branch = branch.setdefault(part, {})
        branch[path[-1]] = value
    return tree


def listed(form: dict[str, Any], name: str) -> list[str]:
    """A list in a form, however it was spelled."""
    found = form.get(name)
    return [str(item) for item in found.values()] if isinstance(found, dict) else [str(found)] if found else []

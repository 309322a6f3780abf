"""What the {placeholders} in topology.toml stand for."""

from __future__ import annotations

import shlex
import sys

from craton.errors import DeclarationError


def filled(text: str, name: str, **places: object) -> str:
    """A text of topology.toml, its {placeholders} filled."""
    places = {"python": shlex.quote(sys.executable), **places}
    try:
        return text.format(**places)
    except (KeyError, IndexError, ValueError) as error:
        *others, last = (f"{{{place}}}" for place in places)
        raise DeclarationError(
            f"topology.toml: {name}: {text!r} has a placeholder that nothing fills ({error}); "
            f"there are {', '.join(others)} and {last}."
        ) from error

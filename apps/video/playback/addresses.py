"""The addresses of files to watch: signed, with the folder that they give access to."""

from __future__ import annotations

MEDIA = "/media"
"""The path under which they are."""
PURPOSE = "watch "


def signed_text(folder: str) -> str:
    """What is signed."""
    return f"{PURPOSE}{folder}"


def folder_of(text: str) -> str | None:
    """The folder of what was signed; None where that was something else."""
    return text.removeprefix(PURPOSE) if text.startswith(PURPOSE) else None

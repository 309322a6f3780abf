"""What a file is: by what its sender says, and by how its bytes begin."""

from __future__ import annotations

ENOUGH = 4096
"""Bytes from the beginning of a file that are enough to know it."""
BY_NAME = {
    "mp4": "video/mp4", "m4v": "video/mp4", "mov": "video/quicktime", "qt": "video/quicktime", "3gp": "video/3gpp",
    "webm": "video/webm", "mkv": "video/x-matroska", "avi": "video/x-msvideo", "mpg": "video/mpeg",
    "mpeg": "video/mpeg", "ts": "video/mp2t", "mts": "video/mp2t", "m2ts": "video/mp2t", "ogv": "video/ogg",
    "flv": "video/x-flv", "wmv": "video/x-ms-wmv", "y4m": "video/x-yuv4mpeg",
}
UNSAID = ("", "application/octet-stream", "binary/octet-stream")
"""What a browser says of files that it does not know."""
ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")


def claimed(filename: str, media_type: str) -> str | None:
    """The media type of a video by what is said of it; None where that is no video."""
    said = media_type.partition(";")[0].strip().lower()
    if said in UNSAID:
        return BY_NAME.get(filename.rpartition(".")[2].lower())
    return said if said.startswith("video/") or said == "application/mp4" else None


def looks(head: bytes) -> str:
    """The media type that the beginning of a file looks like; nothing where it is no video that is known."""
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"):
        return brand(head)
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "video/x-msvideo"
    if any(head[start:start + 1] == b"\x47" == head[start + step:start + step + 1] for start, step in PACKETS):
        return "video/mp2t"
    return next((kind for begin, kind in BEGINNINGS.items() if head.startswith(begin)), "")


PACKETS = ((0, 188), (4, 192))
"""Where packets of a transport stream begin, and how long they are; the longer ones carry a time before each."""
BEGINNINGS = {
    b"\0\0\1\xba": "video/mpeg", b"\0\0\1\xb3": "video/mpeg", b"OggS": "video/ogg", b"FLV\1": "video/x-flv",
    ASF: "video/x-ms-wmv", b"YUV4MPEG2": "video/x-yuv4mpeg",
}


def brand(head: bytes) -> str:
    """Of files in boxes (ISO 14496-12, QuickTime): whether they are pictures or sound alone, as far as they say so."""
    found = head[8:12]
    if head[4:8] != b"ftyp" or found == b"qt  ":
        return "video/quicktime"
    if found in (b"heic", b"heix", b"mif1", b"avif", b"M4A ", b"M4B "):
        return ""
    return "video/3gpp" if found.startswith((b"3gp", b"3g2")) else "video/mp4"

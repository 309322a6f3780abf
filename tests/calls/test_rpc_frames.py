"""Frames: read the same wherever the network cuts them, and garbage is refused, never misread."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from craton.calls.link import Request
from craton.calls.links.rpc.address import Address
from craton.calls.links.rpc.frames import HEADER, Frame, FrameError, FrameReader, Kind, encode, frame, read
from craton.errors import SettingsError

FRAMES = st.lists(
    st.builds(Frame, st.sampled_from(Kind), st.integers(0, 2**64 - 1), st.binary(max_size=200)), max_size=8
)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """The data, cut at these places."""
    places = sorted(cut % (len(data) + 1) for cut in cuts)
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


@given(FRAMES, st.lists(st.integers(0, 5000), max_size=20))
def test_frames_are_read_as_they_were_written_wherever_they_are_cut(frames: list[Frame], cuts: list[int]) -> None:
    reader = FrameReader()
    data = b"".join(frame(*f) for f in frames)
    assert [found for piece in pieces(data, cuts) for found in reader.feed(piece)] == frames
    assert not reader.buffer


@given(st.binary(max_size=500), st.lists(st.integers(0, 500), max_size=5))
def test_garbage_is_refused_or_incomplete_and_never_read_beyond_itself(data: bytes, cuts: list[int]) -> None:
    reader, found = FrameReader(limit=400), []
    try:
        for piece in pieces(data, cuts):
            found += list(reader.feed(piece))
    except FrameError:
        pass
    again = b"".join(frame(*f) for f in found)
    assert data.startswith(again)
    assert all(len(f.body) <= 400 for f in found)


@given(FRAMES, st.integers(len(Kind) + 1, 255))
def test_frames_before_garbage_are_still_read(frames: list[Frame], kind: int) -> None:
    reader, found = FrameReader(), []
    data = b"".join(frame(*f) for f in frames) + HEADER.pack(0, 0, kind)
    with pytest.raises(FrameError, match="not a kind of frame"):
        for f in reader.feed(data):
            found.append(f)
    assert found == frames


def test_a_frame_over_the_limit_is_refused_by_its_header_alone() -> None:
    reader = FrameReader(limit=1000)
    with pytest.raises(FrameError, match=r"1,001 bytes is over the limit of 1,000"):
        list(reader.feed(HEADER.pack(1001, 1, Kind.REQUEST)))


@given(st.binary(max_size=100))
def test_a_body_is_read_as_a_request_or_refused(body: bytes) -> None:
    try:
        assert read(encode(read(body, Request)), Request) == read(body, Request)
    except FrameError as error:
        assert "no Request" in str(error)


@pytest.mark.parametrize("text", ["unix:/run/a.sock", "tcp:127.0.0.1:80", "tcp:[::1]:80", "tcp:orders:0"])
def test_an_address_is_written_as_it_is_read(text: str) -> None:
    assert str(Address.parse(text)) == text


@pytest.mark.parametrize("text", ["", "unix:", "/run/a.sock", "tcp:80", "tcp::80", "tcp:host:http", "tcp:host:65536"])
def test_what_is_no_address_is_refused_with_the_form_that_is(text: str) -> None:
    with pytest.raises(SettingsError, match="write unix:/path or tcp:host:port"):
        Address.parse(text)


def test_a_socket_path_that_the_system_would_cut_is_refused() -> None:
    with pytest.raises(SettingsError, match="longer than the 107 bytes"):
        Address.parse("unix:/" + "x" * 107)

"""Playback: who may watch what, and where it lies."""

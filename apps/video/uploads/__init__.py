"""Uploads: resumable, by tus 1.0."""

"""The application whose Python worker the conformance kit tries."""

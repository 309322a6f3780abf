"""The services: each part as a FastAPI application of its own."""

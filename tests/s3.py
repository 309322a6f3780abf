"""A server that speaks as Amazon S3 does, for tests: moto's, in a process of its own, reached over a socket."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.request import Request, urlopen

import pytest

from tests.sqs import CREDENTIALS, Server

BUCKET = "films"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of a running server with one bucket; it and its keys are in the environment meanwhile."""
    server = Server()
    address = f"http://127.0.0.1:{server.port}"
    try:
        server.start()
        with pytest.MonkeyPatch.context() as patch:
            for name, text in {**CREDENTIALS, "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": address}.items():
                patch.setenv(name, text)
            with urlopen(Request(f"{address}/{BUCKET}", method="PUT")):
                pass
            yield address
    finally:
        server.stop()
        server.out.unlink()

"""What all tests share: a watch, and servers of PostgreSQL, RabbitMQ, SQS and S3 and a browser, when asked for."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

from tests.browser import browser
from tests.postgresql import postgresql
from tests.rabbitmq import rabbitmq
from tests.s3 import s3
from tests.scheduling import pytest_xdist_make_scheduler
from tests.sqs import sqs
from tests.watch import pytest_runtest_protocol

__all__ = ["browser", "postgresql", "pytest_runtest_protocol", "pytest_xdist_make_scheduler", "rabbitmq", "s3", "sqs"]

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # a child is forked to start a program, never to use gRPC
os.environ.setdefault("CRATON_EDGE_RATE", "0")  # all clients of a test come from one address
os.environ.setdefault("CRATON_EDGE_SIGN_INS", "0")
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow],
    derandomize="CRATON_TEST_DAY" not in os.environ,
)
settings.load_profile("any machine")  # neither that a machine is busy nor a day's luck makes a test fail; nights search

"""What all tests share: servers of PostgreSQL, RabbitMQ and SQS, each started when asked for, and a watch."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

from tests.postgresql import postgresql
from tests.rabbitmq import rabbitmq
from tests.sqs import sqs
from tests.watch import pytest_runtest_protocol

__all__ = ["postgresql", "pytest_runtest_protocol", "rabbitmq", "sqs"]

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # a child is forked to start a program, never to use gRPC
os.environ.setdefault("CRATON_EDGE_RATE", "0")  # all clients of a test come from one address
os.environ.setdefault("CRATON_EDGE_SIGN_INS", "0")
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")  # that a machine is busy is no fault of what is tested

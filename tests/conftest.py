"""What all tests share: servers of PostgreSQL and RabbitMQ, each started when the first test asks for it."""

from __future__ import annotations

from tests.postgresql import postgresql
from tests.rabbitmq import rabbitmq

__all__ = ["postgresql", "rabbitmq"]

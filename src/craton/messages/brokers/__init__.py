"""Brokers: what carries events between services in place of direct calls."""

from __future__ import annotations

from craton.application import Application
from craton.errors import SettingsError
from craton.messages.transport import Broker
from craton.sources import Clock, Ids


def broker_at(url: str, application: Application, *, service: str, clock: Clock, ids: Ids) -> Broker:
    """The broker at a URL."""
    try:
        from craton.messages.brokers.rabbitmq import RabbitMQ
    except ImportError as error:
        raise SettingsError(f"events over RabbitMQ need its client ({error}): install craton[rabbitmq].") from error
    modules = [module.name for module in application.modules if not module.asgi]
    return RabbitMQ(url, application.name, modules=modules, service=service, clock=clock, ids=ids)

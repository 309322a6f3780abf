"""Events over RabbitMQ between real processes, as `craton run --broker` starts them."""

from __future__ import annotations

from pathlib import Path

import aiormq
import pytest

from craton.errors import SettingsError
from craton.run.supervisor import Options, run
from craton.testing.processes import Processes
from craton.testing.start import start
from tests.messages.mail.application import mail
from tests.messages.mail.contracts import Orders
from tests.messages.post_office import become, learned, told
from tests.rabbitmq import Server


async def test_what_is_published_while_subscribers_are_killed_arrives_once_and_in_order(rabbitmq: Server) -> None:
    connection = await aiormq.connect(rabbitmq.url)
    channel = await connection.channel()
    for module in ("orders", "learner", "teller"):
        await channel.queue_delete(f"mail.{module}")
    await connection.close()
    async with start(mail, topology="apart", link="rpc", broker=rabbitmq.url) as running:
        assert isinstance(running, Processes)
        for number in range(60):
            await running.get(Orders).place(f"o-{number % 2}", (number,))
            if number in (20, 40):
                running.kill("learner")
                running.kill("orders" if number == 40 else "teller")
        for order in range(2):
            wanted = [f"placed {number}" for number in range(order, 60, 2)]
            await become(wanted, learned(running, f"o-{order}"), 60)
            await become(wanted, told(running, f"o-{order}"), 60)


def test_a_broker_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="write amqp://"):
        run(Options(package="tests.messages.mail", data=tmp_path, broker="http://localhost"))

"""An application of one module that publishes, and two that subscribe."""

from __future__ import annotations

from craton import Application, Module
from tests.messages.mail.contracts import Learner, Orders, Teller

MODULES = "tests.messages.mail.modules"

mail = Application("mail", [
    Module("orders", Orders, f"{MODULES}:Desk", tables=f"{MODULES}:orders_tables"),
    Module("learner", Learner, f"{MODULES}:Scholar", tables=f"{MODULES}:learner_tables"),
    Module("teller", Teller, f"{MODULES}:Crier", tables=f"{MODULES}:teller_tables"),
])

"""Settings come from the environment, in their types, and what is wrong with them is said at once."""

from __future__ import annotations

from enum import Enum

import pytest

from craton.errors import SettingsError
from craton.settings import Settings, settings_of
from craton.values import Secret


class Mode(Enum):
    TEST = "test"
    LIVE = "live"


class PaymentSettings(Settings):
    api_base: str
    api_key: Secret
    retries: int = 3
    mode: Mode = Mode.TEST
    sandbox: bool = True
    limit: float | None = None


GIVEN = {"CRATON_PAYMENTS_API_BASE": "http://127.0.0.1:1", "CRATON_PAYMENTS_API_KEY": "sk_1"}


def refused(environ: dict[str, str]) -> str:
    """Why an environment is refused."""
    with pytest.raises(SettingsError) as caught:
        settings_of(PaymentSettings, "payments", environ)
    return str(caught.value)


def test_settings_are_read_by_the_names_of_module_and_field() -> None:
    other = {"CRATON_PAYMENT_RETRIES": "8", "CRATON_ORDERS_RETRIES": "9", "PATH": "/bin"}
    found = settings_of(PaymentSettings, "payments", GIVEN | other)
    assert found == PaymentSettings("http://127.0.0.1:1", Secret("sk_1"))


def test_settings_are_converted_to_their_types() -> None:
    more = {"RETRIES": "5", "MODE": "live", "SANDBOX": "false", "LIMIT": "2.5"}
    found = settings_of(PaymentSettings, "payments", GIVEN | {f"CRATON_PAYMENTS_{k}": v for k, v in more.items()})
    assert (found.retries, found.mode, found.sandbox, found.limit) == (5, Mode.LIVE, False, 2.5)


def test_a_missing_setting_is_named() -> None:
    assert refused({"CRATON_PAYMENTS_API_KEY": "sk_1"}) == "CRATON_PAYMENTS_API_BASE is missing: set it."


def test_a_setting_of_another_type_is_named_without_its_text() -> None:
    assert refused(GIVEN | {"CRATON_PAYMENTS_RETRIES": "many"}) == (
        "CRATON_PAYMENTS_RETRIES is wrong: Expected `int`, got `str`."
    )


def test_a_misspelt_setting_is_refused_rather_than_ignored() -> None:
    assert refused(GIVEN | {"CRATON_PAYMENTS_RETRYS": "1"}) == (
        "CRATON_PAYMENTS_RETRYS is no setting of payments: it has CRATON_PAYMENTS_API_BASE, CRATON_PAYMENTS_API_KEY, "
        "CRATON_PAYMENTS_RETRIES, CRATON_PAYMENTS_MODE, CRATON_PAYMENTS_SANDBOX, CRATON_PAYMENTS_LIMIT."
    )


def test_everything_wrong_is_said_at_once() -> None:
    assert refused({"CRATON_PAYMENTS_RETRIES": "many"}) == (
        "CRATON_PAYMENTS_API_BASE is missing: set it; CRATON_PAYMENTS_API_KEY is missing: set it; "
        "CRATON_PAYMENTS_RETRIES is wrong: Expected `int`, got `str`."
    )


def test_a_secret_setting_is_not_printed() -> None:
    assert "sk_1" not in repr(settings_of(PaymentSettings, "payments", GIVEN))

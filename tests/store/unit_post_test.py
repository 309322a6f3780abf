"""E-mails as they are written, and as they are handed over to a real mail server that fails now and then."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apps.store.inventory.contract import StockLow
from apps.store.money import Money
from apps.store.notifications import notices
from apps.store.notifications.notices import Notice, mail_of
from apps.store.notifications.post import Away, Folder, Refused, Server
from apps.store.notifications.settings import NotificationSettings
from apps.store.orders.events import Address, OrderCancelled, OrderLine, OrderPaid, OrderRefunded, OrderShipped
from craton import SettingsError
from tests.store.mailbox import Mailbox, Trouble, mailbox

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SHOP = "shop@store.example"
LINE = OrderLine("mug", "<b>Mug</b> & saucer", 2, Money(1050))
PAID = OrderPaid(
    "order-1", "user:1", "ann@example.com", (LINE,), Money(2872), Address("Ann", "1 Main St", "Here", "1", "US"), NOW,
)
NOTICES = [
    notices.paid("message-1", PAID),
    notices.shipped("message-2", OrderShipped("order-1", "1Z", "ann@example.com", NOW)),
    notices.cancelled("message-3", OrderCancelled("order-1", "changed my mind", "ann@example.com", Money(2872), NOW)),
    notices.refunded("message-4", OrderRefunded("order-1", Money(5), "ann@example.com", "scratched", NOW)),
    notices.stock_low("message-5", StockLow("mug", 2), "admin@store.example"),
]


@pytest.mark.parametrize("notice", NOTICES, ids=lambda notice: notice.kind)
def test_an_email_says_the_same_as_text_and_as_html(notice: Notice) -> None:
    mail = message_from_bytes(mail_of(notice, sender=SHOP).as_bytes(), policy=policy.default)
    assert (mail["To"], mail["From"], mail["Message-ID"]) == (
        notice.to, f"Store <{SHOP}>", f"<{notice.id}@store.example>",
    )
    assert notice.about in mail["Subject"]
    for kind in ("plain", "html"):
        part = mail.get_body((kind,))
        assert part is not None
        text = part.get_content()
        assert notice.about in text
        assert notice.note in text


def test_names_of_products_are_text_in_html() -> None:
    part = mail_of(NOTICES[0], sender=SHOP).get_body(("html",))
    assert part is not None and "2 x &lt;b&gt;Mug&lt;/b&gt; &amp; saucer, 10.50 USD each" in part.get_content()


@example("0@[")  # of which the email library itself makes an AttributeError
@given(st.from_regex(r"\A[^@\s]+@[^@\s]+\Z").filter(lambda text: 3 <= len(text) <= 254))
def test_whatever_counts_as_an_address_is_one_recipient_or_refused(address: str) -> None:
    try:
        mail = mail_of(Notice("message-1", "shipped", address, "order-1"), sender=SHOP)
    except ValueError:
        return
    assert [one.addr_spec for one in mail["To"].addresses] == [address]
    assert mail.as_bytes().count(b"\nTo: ") + mail.as_bytes().startswith(b"To: ") == 1


@given(st.text(max_size=80))
def test_no_text_adds_headers(text: str) -> None:
    try:
        mail = mail_of(Notice("message-1", "stock low", "ann@example.com", text, note=text), sender=SHOP)
    except ValueError:
        return
    assert [name for name, _ in mail.items()] == ["To", "From", "Subject", "Message-ID", "MIME-Version", "Content-Type"]


def test_a_message_that_is_sent_again_is_the_same_file(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "mail")
    for _ in range(2):
        folder.send(mail_of(NOTICES[0], sender=SHOP), "message-1")
    [file] = (tmp_path / "mail").iterdir()
    assert file.name == "message-1.eml"
    assert message_from_bytes(file.read_bytes(), policy=policy.default)["To"] == "ann@example.com"


def test_a_folder_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("in the way")
    with pytest.raises(Away):
        Folder(tmp_path / "mail").send(mail_of(NOTICES[0], sender=SHOP), "message-1")


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailbox() as box:
        yield box


def send(box: Mailbox) -> None:
    """Send one message."""
    Server(NotificationSettings(smtp=box.address)).send(mail_of(NOTICES[0], sender=SHOP), "message-1")


def test_a_mail_server_gets_the_whole_message(box: Mailbox) -> None:
    send(box)
    [mail] = box.arrived
    assert (mail["To"], box.recipients, mail.get_content_type()) == (
        "ann@example.com", [("ann@example.com",)], "multipart/alternative",
    )


@pytest.mark.parametrize("trouble", ["busy", "greylisted", "cut off when taken"])
def test_what_may_pass_is_tried_again(box: Mailbox, trouble: Trouble) -> None:
    box.troubles.append(trouble)
    with pytest.raises(Away):
        send(box)
    send(box)
    assert set(box.ids) == {"<message-1@store.example>"}


def test_what_a_mail_server_refuses_for_ever_is_refused(box: Mailbox) -> None:
    box.troubles.append("unknown mailbox")
    with pytest.raises(Refused):
        send(box)


def test_a_mail_server_that_is_away_is_tried_again(box: Mailbox) -> None:
    box.close()
    with pytest.raises(Away):
        send(box)


def test_a_wrong_mail_server_is_found_at_once() -> None:
    with pytest.raises(SettingsError):
        Server(NotificationSettings(smtp="mail.example.com"))

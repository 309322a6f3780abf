"""Where e-mails go: into a folder, or to a mail server."""

from __future__ import annotations

import os
import smtplib
import ssl
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol

from apps.store.notifications.settings import NotificationSettings
from craton import SettingsError


class Away(Exception):
    """The mail server is away, or busy, or did not say whether it took the message: send it again later."""


class Refused(Exception):
    """The mail server will never take this message."""


class Post(Protocol):
    """Where e-mails go. A message that is sent again under its name is the same message."""

    def send(self, mail: EmailMessage, name: str) -> None:
        """Send one message, and block until it is sent. Raises Away and Refused."""
        ...


class Folder:
    """A folder in which each message is a file, NAME.eml."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def send(self, mail: EmailMessage, name: str) -> None:
        """Write the file, whole or not at all."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            draft = self.path / f".{name}.{os.getpid()}"
            draft.write_bytes(mail.as_bytes())
            draft.replace(self.path / f"{name}.eml")
        except OSError as error:
            raise Away(str(error)) from error


class Server:
    """A mail server, by SMTP."""

    def __init__(self, settings: NotificationSettings) -> None:
        host, _, port = settings.smtp.rpartition(":")
        if not host or not port.isdigit():
            raise SettingsError(f"CRATON_NOTIFICATIONS_SMTP is {settings.smtp!r}: write it as host:port.")
        self.host, self.port, self.settings = host, int(port), settings

    def send(self, mail: EmailMessage, name: str) -> None:
        """Hand the message over."""
        try:
            with smtplib.SMTP(self.host, self.port, timeout=self.settings.timeout) as server:
                self.greet(server)
                server.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            raise refusal(max(code for code, _ in error.recipients.values()), error) from error
        except smtplib.SMTPResponseException as error:
            raise refusal(error.smtp_code, error) from error
        except smtplib.SMTPNotSupportedError as error:
            raise Refused(str(error)) from error
        except (OSError, smtplib.SMTPException) as error:
            raise Away(str(error)) from error

    def greet(self, server: smtplib.SMTP) -> None:
        """Encrypt, and sign in, where that is wished."""
        if self.settings.starttls:
            server.starttls(context=ssl.create_default_context())
        if self.settings.username:
            server.login(self.settings.username, self.settings.password.reveal())


def refusal(code: int, error: Exception) -> Away | Refused:
    """What an answer of the server means: 500 and above is for ever (RFC 5321, 4.2.1), but for what a person who set
    the shop up can mend: a wrong password (RFC 4954, section 6)."""
    return Refused(str(error)) if code >= 500 and code not in (530, 534, 535, 538) else Away(str(error))


def post_of(settings: NotificationSettings) -> Post:
    """What the settings say."""
    return Server(settings) if settings.smtp else Folder(Path(settings.folder))

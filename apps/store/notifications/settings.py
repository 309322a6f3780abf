"""What differs from one installation to another in the notifications module."""

from __future__ import annotations

from craton import Secret, Settings


class NotificationSettings(Settings):
    """`smtp`: the mail server as host:port; where it is empty, messages become files in `folder`. `timeout` is in
    seconds, at most 4. `admin` gets the alerts."""

    smtp: str = ""
    starttls: bool = False
    username: str = ""
    password: Secret = Secret("")
    timeout: float = 3.0
    folder: str = ".craton/mail"
    sender: str = "shop@store.example"
    admin: str = "admin@store.example"

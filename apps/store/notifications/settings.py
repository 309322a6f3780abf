"""What differs from one installation to another in the notifications module."""

from __future__ import annotations

from craton import Secret, Settings


class NotificationSettings(Settings):
    """`smtp`: the mail server as host:port; where it is empty, messages become files in `folder`. `timeout` and `pause`
    are in seconds: a message is sent again after a pause, which then doubles. `admin` gets the alerts."""

    smtp: str = ""
    starttls: bool = False
    username: str = ""
    password: Secret = Secret("")
    timeout: float = 3.0
    pause: float = 2.0
    folder: str = ".craton/mail"
    sender: str = "shop@store.example"
    admin: str = "admin@store.example"

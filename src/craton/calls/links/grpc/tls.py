"""TLS for gRPC, with the certificates of `craton certs`: the server shows its own, and services show that they are by
signing each call, so that clients outside need none."""

from __future__ import annotations

from typing import Any, cast

import grpc
from craton.calls.links.rpc.address import Address
from craton.calls.links.rpc.tls import Files, Protection, Tls
from craton.errors import SettingsError


def server_credentials(address: str, tls: Protection) -> grpc.ServerCredentials | None:
    """What protects what goes to this address; None on this machine. SettingsError where nothing would."""
    if address.startswith("unix:") or tls == "off":
        return None
    if isinstance(tls, Tls):
        return Certificates(tls.files).credentials()
    if not Address.parse(f"tcp:{address}").is_local():
        raise SettingsError(
            f"{address} can be reached from other machines, and nothing protects it: make certificates by "
            "`craton certs` and set CRATON_TLS to their folder, or to `off` where the network itself is trusted."
        )
    return None


def channel_credentials(address: str, tls: Protection) -> grpc.ChannelCredentials | None:
    """The asking side of the same: the authority whose certificates are believed."""
    if address.startswith("unix:") or not isinstance(tls, Tls):
        return None
    return grpc.ssl_channel_credentials(tls.files.ca.read_bytes())


class Certificates:
    """A service's certificate, read again for new connections once it was replaced."""

    def __init__(self, files: Files) -> None:
        self.files, self.stamps = files, files.stamps()

    def credentials(self) -> grpc.ServerCredentials:
        """What gRPC takes, and asks again at each new connection."""
        return grpc.dynamic_ssl_server_credentials(self.read(), cast("Any", self.read_again), False)

    def read(self) -> grpc.ServerCertificateConfiguration:
        """The files as they are now."""
        pair = (self.files.key.read_bytes(), self.files.certificate.read_bytes())
        return grpc.ssl_server_certificate_configuration([pair], self.files.ca.read_bytes())

    def read_again(self) -> grpc.ServerCertificateConfiguration | None:
        """The files, where they were replaced; None means as before."""
        try:
            if (stamps := self.files.stamps()) == self.stamps:
                return None
            found, self.stamps = self.read(), stamps
        except OSError:  # half of them are written: the next connection finds them all
            return None
        return found

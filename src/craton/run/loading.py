"""Finding an application and one of its topologies by name."""

from __future__ import annotations

from craton.application import Application, find_application
from craton.errors import SettingsError
from craton.topology import Topology, load_topologies, topology_file


def load_application(package: str, topology: str) -> tuple[Application, Topology]:
    """The application of a package ("apps.store"), and one of its topologies. DeclarationError, SettingsError."""
    application = find_application(package)
    topologies = load_topologies(application, topology_file(package))
    if topology not in topologies:
        raise SettingsError(f"{application.name} has no topology {topology}: it has {', '.join(topologies)}.")
    return application, topologies[topology]

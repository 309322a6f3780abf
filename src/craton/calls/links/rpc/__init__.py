"""rpc: calls between processes of Craton, many at once on one connection per peer."""

from craton.calls.links.rpc.link import RpcLink
from craton.calls.links.rpc.server import RpcServer

__all__ = ["RpcLink", "RpcServer"]

"""rest: calls between services as JSON over HTTP, at the routes of the OpenAPI document; also to other languages."""

from craton.calls.links.rest.link import RestLink

__all__ = ["RestLink"]

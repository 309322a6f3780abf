"""rest: calls between services as JSON over HTTP, at the routes of the OpenAPI document; also to other languages."""

"""A gallery, to be asked by gRPC."""

"""gRPC: contracts as protobuf, the server that answers by them, and the link between services (extra `grpc`)."""

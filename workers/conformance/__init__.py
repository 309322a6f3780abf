"""The conformance kit of workers: plays the controller and the broker, and tries a worker written in any language."""

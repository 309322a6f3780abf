"""A mill whose workers grind grain: what the tests of workers run."""

"""A module whose jobs do nothing: what the benchmarks of tasks submit."""

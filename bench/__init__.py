"""The benchmarks behind every figure in the documentation: ours beside its peers, in one run, losing cases included."""

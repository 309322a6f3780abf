"""The store as it should not be written: it charges, then ships. It proves that the audits can fail."""

"""Brokers: what carries events between services in place of direct calls."""

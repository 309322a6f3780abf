"""A payment provider to try the store with: a program of its own that speaks a part of Stripe's API.

Its books are durable. It takes no real cards. It shares no code with the store, and survives whatever happens to it.
"""

"""The small application that is measured: a catalog to ask, and an order that takes four steps."""

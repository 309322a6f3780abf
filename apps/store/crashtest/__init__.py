"""What `craton crashtest apps.store` does with the store, and what must hold after it."""

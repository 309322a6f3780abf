"""Videos: what there is to watch, and what is known of it."""

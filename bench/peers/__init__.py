"""What Craton is measured against: each peer as its own documentation recommends it, and tuned."""

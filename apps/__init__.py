"""Real applications, each in every topology."""

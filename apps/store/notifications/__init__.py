"""What customers and administrators are told by e-mail."""

"""Money: what the payment provider holds, has taken and has given back."""

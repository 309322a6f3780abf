"""What it costs to send goods, and what is to be sent."""

"""What was bought: orders, and the sagas that make, cancel and refund them."""

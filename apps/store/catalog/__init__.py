"""What is sold: products, their prices and categories."""

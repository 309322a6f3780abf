"""What is there: stock on hand, and stock held for orders."""

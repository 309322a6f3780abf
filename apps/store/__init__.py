"""A shop: products, stock, carts, orders, payments and users."""

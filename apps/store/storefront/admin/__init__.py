"""Pages for those who run the shop: products, stock, orders, shipments, and sagas that wait for a person."""

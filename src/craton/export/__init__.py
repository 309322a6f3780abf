"""What other programs need of an application, written down."""

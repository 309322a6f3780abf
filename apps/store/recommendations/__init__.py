"""What goes with what, by what others bought."""

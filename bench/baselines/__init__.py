"""The slice of the store that `craton compare` measures, written by hand: see README.md."""

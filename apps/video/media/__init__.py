"""Media: the files of editions, for whoever has a signed address."""

"""The store's face: pages that a server renders, for people with a browser, with or without JavaScript."""

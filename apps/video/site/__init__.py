"""The pages: a library, a player, uploads with progress, and what owners do with their videos."""

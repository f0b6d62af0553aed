"""Stage 8: how well it finds."""

"""Stage 4: what lasts."""

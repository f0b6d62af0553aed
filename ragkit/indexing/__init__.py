"""Stage 5: what finds."""

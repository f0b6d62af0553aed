"""Stage 2: a Document becomes Passages."""

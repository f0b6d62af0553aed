"""Stage 6: a query becomes hits, hits become context."""

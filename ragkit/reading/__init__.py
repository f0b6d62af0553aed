"""Stage 1: a folder becomes files, files become Documents."""

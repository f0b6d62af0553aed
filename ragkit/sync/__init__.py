"""A folder and a collection become alike."""

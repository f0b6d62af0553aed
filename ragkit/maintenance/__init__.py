"""The life of a collection beside being indexed and searched."""

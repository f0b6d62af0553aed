"""Semantic search and RAG indexing: point it at a folder of documents and ask it questions."""

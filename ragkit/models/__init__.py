"""What is known of each model, and what is shipped of them: vocabularies and the embedded model."""

"""Stage 3: texts become unit vectors."""

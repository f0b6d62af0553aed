"""The facade that ties the stages together."""

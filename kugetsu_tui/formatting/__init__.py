"""From values to short, safe text."""

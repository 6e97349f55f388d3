"""Formatting of values as short, safe text."""

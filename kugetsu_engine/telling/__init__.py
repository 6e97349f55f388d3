"""Reaching an operator who does not look at the console: a command, the desktop, and what apprise reaches."""

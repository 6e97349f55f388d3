"""Notifications that leave the machine: channels and their sender."""

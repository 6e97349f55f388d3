"""Dialogs over a screen: questions, the task form, help, the command line."""

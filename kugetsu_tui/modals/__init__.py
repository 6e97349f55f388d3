"""What lies over a screen for a moment: questions, the task form, help, the command line."""

"""The screens: home with its panes, and one task with its log."""

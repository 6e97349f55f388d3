"""What a pane shows, as plain comparable tuples made from a snapshot; no widget, no file, no clock."""

"""What happened: journal entries, the history of a task, the timeline of a queue."""

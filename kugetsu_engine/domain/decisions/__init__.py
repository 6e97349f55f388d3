"""What to do next, as pure functions of the facts: scheduling, resources, notifications."""

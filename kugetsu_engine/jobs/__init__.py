"""From a task to a job for a supervisor: prompt, environment, session, folder."""

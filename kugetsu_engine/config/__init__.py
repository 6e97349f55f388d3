"""Settings, env files and prompt templates, as the operator writes them."""

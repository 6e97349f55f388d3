"""How each agent program is driven: its command line, its environment, where its output goes, what its success looks like."""

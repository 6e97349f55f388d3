"""Everything that runs git or reads its files."""

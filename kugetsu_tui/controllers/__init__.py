"""What keys and commands do beyond the engine's requests."""

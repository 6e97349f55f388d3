"""What front ends use: requests to the engine and snapshots of its state."""

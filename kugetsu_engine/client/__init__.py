"""The one way in for front ends: requests to the engine and snapshots of its state."""

"""The engine's loop: recovery, requests, results, expiry, dispatch."""

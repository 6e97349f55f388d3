"""Between console and engine: polling, requests, the embedded engine, log feeds."""

"""Forges (GitHub, Gitea, Forgejo) by their REST APIs: issues for prompts, pull requests and their checks. All optional.

Only `client` speaks HTTP. It loads httpx, so engine and supervisors ask through `helper`, a separate process.
"""

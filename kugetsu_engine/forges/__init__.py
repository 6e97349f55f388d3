"""Forges (GitHub, Gitea, Forgejo) by their REST APIs: issues for prompts, pull requests and their checks. All of it optional.

Only `client` knows HTTP; it loads httpx, so whoever must start fast or stay small asks through `helper`, a process of its own.
"""

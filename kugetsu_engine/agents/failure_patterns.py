"""Messages that programs print when they fail, as regular expressions, tried line by line from the end of the log.

They are narrow on purpose: an agent that works *on* a rate limiter prints them too. `[failures]` in config.toml adds more.
"""

Patterns = tuple[tuple[str, str], ...]
"""Case-insensitive regular expression and failure class; the first that matches a line counts."""

COMMON: Patterns = (
    # the quota is used up, for good or until the next period
    (r"insufficient_quota|exceeded your current quota|quota (has been )?exceeded|quotaexceeded|resource_exhausted", "quota"),
    (r"credit balance is too low|insufficient (credits|balance|funds)|billing[_ ]hard[_ ]limit", "quota"),
    (r"usage[_ ]limit[_ ](has been )?(reached|exceeded)|hit your (usage |session |weekly )?limit", "quota"),
    (r"spending (limit|cap) (has been )?(reached|exceeded)|out of (extra )?(credits|usage)\b", "quota"),
    (r"(payment required|status(code)?\W{1,4}402|\b402 payment)", "quota"),
    # too many requests
    (r"too many requests|rate_limit_(error|exceeded)|ratelimiterror|\boverloaded_error\b", "rate_limit"),
    (r"rate[- ]limit(s)? (exceeded|reached|hit)|rate[- ]limited\b|(exceed|reached|hit)(ed|s)? (the|your|its) .{0,40}rate limit",
     "rate_limit"),
    (r"status[ _]?(code)?\W{1,4}(429|529)\b|\b(api|http|last) ?(error|status)?:? \(?(429|529)\b", "rate_limit"),
    (r"(model|server|provider|api) is (currently )?overloaded", "rate_limit"),
    # a wrong key, or none
    (r"invalid[_ ](x-)?api[-_ ]key|incorrect api key|api key (not found|is (missing|invalid))|no api key", "credentials"),
    (r"authentication[_ ]error|invalid authentication|oauth token (has )?(expired|been revoked)|token_expired", "credentials"),
    (r"please run /login|not logged in|run .{0,30}\bauth login\b|login required", "credentials"),
    (r"status[ _]?(code)?\W{1,4}(401|403)\b|\b(api|http) ?error:? \(?401\b|\b401 unauthorized", "credentials"),
    # the provider cannot be reached
    (r"\b(econnrefused|econnreset|enotfound|etimedout|ehostunreach|enetunreach|eai_again|und_err_\w+)\b", "network"),
    (r"could not resolve host|temporary failure in name resolution|name or service not known", "network"),
    (r"network is unreachable|no route to host|unable to connect to (the )?(api|server|anthropic|openai)", "network"),
    (r"stream disconnected before completion|fetch failed|socket hang up|error sending request for url", "network"),
    (r"status[ _]?(code)?\W{1,4}50[0-4]\b|\b(api|http) ?error:? \(?50[0-4]\b", "network"),
    # the machine
    (r"no space left on device|\benospc\b|disk quota exceeded", "disk"),
)  # fmt: skip
"""Patterns for all programs: claude, codex, gemini, aider and the libraries they use."""

"""Secrets in settings, in addresses and in options of remotes: what git has once, it keeps."""

import re
from urllib.parse import parse_qsl, urlsplit

NAME = re.compile(
    r"passw|passphrase|pwd|secret|credential|bearer|connection_string|(jwt|signature|token)$"
    r"|(access|account|api|customer|private|subscription)[-_]?key",
    re.IGNORECASE,
)
IN_ADDRESS = re.compile(r"token|^(auth|authorization|auth[-_]?key|hmac|pass|sas|sig)$", re.IGNORECASE)
"""Names of secrets in addresses, which mean something else elsewhere."""
BRIEF = re.compile(r"(code|key|session)", re.IGNORECASE)
"""Names of secrets in addresses where the value is long; `key=DE` and `code=3` are none."""
LONG = 12
"""Characters."""
PATHS = {"keyfile", "credentialpath", "configpath"}
"""Options of remotes that are the path of a file with a secret."""


def is_secret(name: str) -> bool:
    """Whether the value of a setting, or of an option of a remote, is a secret by its name."""
    return bool(NAME.search(name)) and name.lower() not in PATHS


def in_query(name: str, value: str) -> bool:
    """Whether a part of an address, such as `?name=value`, is a secret."""
    named = is_secret(name) or IN_ADDRESS.search(name)
    return bool(named or (BRIEF.fullmatch(name) and len(value) >= LONG))


def in_address(address: str) -> bool:
    """Whether an address holds a password, a token or a signature; False for what is none."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    if not (parts.scheme and parts.netloc):
        return False
    is_token = parts.username is not None and parts.scheme in ("http", "https")
    named = (*parse_qsl(parts.query), *parse_qsl(parts.fragment))
    return parts.password is not None or is_token or any(in_query(*pair) for pair in named)

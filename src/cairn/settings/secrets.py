"""Secrets in settings, in addresses and in options of remotes: what git has once, it keeps."""

import re
from urllib.parse import parse_qsl, urlsplit

NAME = re.compile(
    r"passw|passphrase|pwd|secret|credential|bearer|connection_string|(jwt|signature|token)$"
    r"|(access|account|api|customer|private|subscription)[-_]?key",
    re.IGNORECASE,
)
BRIEF = re.compile(r"(auth|authorization|code|hmac|key|sas|session|sig)", re.IGNORECASE)
"""Names of secrets in addresses, which mean something else elsewhere: `key` of an HDF file."""
PATHS = {"keyfile", "credentialpath", "configpath"}
"""Options of remotes that are the path of a file with a secret."""


def is_secret(name: str) -> bool:
    """Whether the value of a setting, or of an option of a remote, is a secret by its name."""
    return bool(NAME.search(name)) and name.lower() not in PATHS


def in_query(name: str) -> bool:
    """Whether the value of a part of an address, such as `?name=value`, is a secret by its name."""
    return is_secret(name) or bool(BRIEF.fullmatch(name))


def in_address(address: str) -> bool:
    """Whether an address holds a password, a token or a signature; False for what is none."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    if not (parts.scheme and parts.netloc):
        return False
    is_token = parts.username is not None and parts.scheme in ("http", "https")
    named = [name for name, _ in (*parse_qsl(parts.query), *parse_qsl(parts.fragment))]
    return parts.password is not None or is_token or any(map(in_query, named))

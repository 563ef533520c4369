"""Where backends take their credentials from: never a URL, which is stored and shown."""

from __future__ import annotations

import os


def secret(name: str) -> str | None:
    """A credential from the environment, else from the keyring where one is installed."""
    if value := os.environ.get(name):
        return value
    try:
        import keyring
    except ImportError:
        return None
    found: str | None = keyring.get_password("reticent", name)
    return found

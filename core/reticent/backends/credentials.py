"""Where backends take their credentials from: never a URL, which is stored and shown."""

from __future__ import annotations

import os

from reticent_redact import Policy, Redactor

taken: set[str] = set()
"""The credentials that backends of this process have sent to servers, which may repeat them in what they answer."""


def secret(name: str) -> str | None:
    """A credential from the environment, else from the keyring where one is installed."""
    found: str | None = os.environ.get(name)
    if not found:
        try:
            import keyring
        except ImportError:
            return None
        found = keyring.get_password("reticent", name)
    if found:
        taken.add(found)
    return found or None


def knowing(policy: Policy = Policy()) -> Redactor:  # noqa: B008 - a frozen value
    """A redactor for what servers say: it knows what is secret in this process, and what was sent to them."""
    redactor = Redactor(policy)
    redactor.know_process()
    for value in taken:
        redactor.register(value)
    return redactor

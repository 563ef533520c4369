"""What to do about a module that a model needs and that is not here: install a requirement, or bring the user's own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import metadata
from importlib.util import find_spec

from reticent.models.requirements import requirements


def advice(error: ImportError, listed: Sequence[str]) -> str:
    """Of a model with these requirements: what is missing, and what helps."""
    install = f"install what its requirements.txt lists: {', '.join(listed) or 'nothing, it says'}"
    module = (error.name or "").partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or not module or _is_here(module) or _is_of(module, listed):
        return f"{error.name or error}, which is not installed here; {install}"
    own = (
        f"{module} is a module of the one who logged the model: put it on sys.path, or log the model with "
        "code_paths=[...]"
    )
    if all(map(_is_installed, listed)):
        return f"{error.name}, which none of its requirements has: {own}"
    # A distribution may have another name than its modules.
    return f"{error.name}, which is not installed here; {install}; if it is in none of these, {own}"


def _is_here(module: str) -> bool:
    return sys.modules.get(module) is not None or find_spec(module) is not None


def _is_of(module: str, listed: Sequence[str]) -> bool:
    from packaging.utils import canonicalize_name

    (pinned,) = requirements({module: ""})  # what is known of its distribution
    likely = {canonicalize_name(module), canonicalize_name(_name(pinned))}
    names = [canonicalize_name(_name(line)) for line in listed]
    return any(name == one or name.startswith(f"{one}-") for name in names for one in likely)


def _is_installed(requirement: str) -> bool:
    try:
        metadata.version(_name(requirement))
    except (metadata.PackageNotFoundError, ValueError):
        return False
    return True


def _name(requirement: str) -> str:
    """ "" of a line that names no distribution, like an option of pip."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(requirement).name
    except InvalidRequirement:
        return ""

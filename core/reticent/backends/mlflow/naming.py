"""What MLflow's names and values may be, and what ours become there."""

from __future__ import annotations

import posixpath
import re
from hashlib import sha256

MAX_KEY = 250
MAX_PARAM = 6000
MAX_TAG = 8000
MAX_EXPERIMENT = 500

NAME_TAG = "reticent.name."
"""A tag with this and a name in MLflow says what the name is in the run log."""

_FORBIDDEN = re.compile(r"[^/\w.\- :]")
TAGS = {
    "user": "mlflow.user",
    "source": "mlflow.source.name",
    "git.commit": "mlflow.source.git.commit",
    "git.branch": "mlflow.source.git.branch",
    "git.remote": "mlflow.source.git.repoURL",
    "git.dirty": "mlflow.source.git.dirty",
    "autologging": "mlflow.autologging",
}
"""MLflow's own names for ours, by which its page shows where a run is from, and not as tags beside all others."""


def allowed(name: str) -> str:
    """A name of a param, metric or tag as MLflow takes it: the same, if it may be.

    `@` becomes `_at_`, as in MLflow's own integrations. Where anything else has to change, a digest at the end keeps two
    names apart that would become one.
    """
    changed = name.replace("@", "_at_")
    plain = posixpath.normpath(_FORBIDDEN.sub("_", changed)).lstrip("/")
    if plain == changed and len(plain) <= MAX_KEY and not plain.startswith("..") and plain != ".":
        return plain
    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{plain.replace('..', '_')[: MAX_KEY - 9]}_{digest}"

"""Run in .venv-trackers only: trackers need another protobuf than the frameworks do, so that no environment has both."""

from __future__ import annotations

from importlib.metadata import distributions

collect_ignore_glob = [] if any(one.name == "wandb" for one in distributions()) else ["test_*"]

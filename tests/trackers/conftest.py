"""Tests of trackers run in .venv-trackers, whose SDKs need another protobuf than the frameworks do: no environment has both.
In any other nothing of this directory is collected."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("wandb") else ["test_*"]

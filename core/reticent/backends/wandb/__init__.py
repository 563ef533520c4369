"""Weights & Biases: `wandb://entity/project` uploads as a run goes; `wandb`, for `<root>/wandb`, or `wandb+offline:///directory`
keeps runs for `wandb sync`.

Either way a run is first a transaction log as W&B's own SDK writes it, in a directory of its own, and `wandb sync` is what
uploads it. The SDK is not imported into a training: it starts a process and threads, sets variables of the environment that
children inherit, waits at exit, and lists the installed packages; and it cannot take back what it has half written.

    <directory>/offline-run-<time>-<run_id>/run-<run_id>.wandb   params, tags, metrics, console, status
                                            files/artifacts/     files of the run
                                            files/media/images/  pictures (PNG), which are also values of the run's history
"""

from reticent.backends.wandb.backend import WandbBackend

__all__ = ["WandbBackend"]

"""What a loop writes for TensorBoard by a `SummaryWriter`, mirrored into its run, or into one for all that a writer gets."""

from __future__ import annotations

import weakref
from collections.abc import Generator, Mapping
from typing import Any

from reticent import holding
from reticent.patching import Call, Capture
from reticent.patching.hooking import enabled
from reticent_integrations.torch import ending
from reticent_integrations.torch.here import local
from reticent_integrations.torch.summaries import Summaries
from reticent_integrations.torch.training import NAME

Args = tuple[Any, ...]
Kwargs = Mapping[str, Any]

OWN = {"loss", "grad_norm", "learning_rate", "epoch", "epoch_seconds", "steps_per_second", "samples_per_second"}
"""Metrics that are captured of a loop anyway: what a writer calls so is kept apart."""
MAX_TEXT = 1_000_000


class Mirror:
    """Where to goes what one writer is given."""

    def __init__(self, writer: Any) -> None:
        training = local.here.training
        self.run = holding.run_with_holder(self)
        if training is not None and not training.over and training.run is self.run:
            self.capture = training.capture
        else:
            self.capture = Capture(self.run, "", enabled[NAME](), NAME)
            if self.run.holding.has(self):
                self.run.set_tag("autologging", NAME)
        self.summaries = Summaries(self.capture)
        ending.when_gone(writer, self.close)

    def name(self, tag: str) -> str:
        training = local.here.training
        beside = training is not None and training.run is self.run
        return f"tensorboard/{tag}" if beside and tag in OWN else tag

    def close(self) -> None:
        holding.leave(self.run, self)


_mirrors: weakref.WeakKeyDictionary[Any, Mirror] = weakref.WeakKeyDictionary()


def added_scalar(args: Args, kwargs: Kwargs, _: None) -> None:
    """After `add_scalar`."""
    told = _told(args, kwargs, "tag", "scalar_value", "global_step")
    mirror = _mirror(args[0])
    mirror.capture.log_metric(mirror.name(told["tag"]), told["scalar_value"], told["global_step"])


def added_scalars(args: Args, kwargs: Kwargs, _: None) -> None:
    """After `add_scalars`."""
    told = _told(args, kwargs, "main_tag", "tag_scalar_dict", "global_step")
    mirror = _mirror(args[0])
    for name, value in told["tag_scalar_dict"].items():
        mirror.capture.log_metric(f"{told['main_tag']}/{name}", value, told["global_step"])


def added_text(args: Args, kwargs: Kwargs, _: None) -> None:
    """After `add_text`."""
    told = _told(args, kwargs, "tag", "text_string", "global_step")
    _mirror(args[0]).capture.log_text(str(told["text_string"])[:MAX_TEXT], _file(told, "txt"))


def added_histogram(args: Args, kwargs: Kwargs, _: None) -> None:
    """After `add_histogram`."""
    told = _told(args, kwargs, "tag", "values", "global_step")
    _mirror(args[0]).summaries.add_histogram(told["values"], _file(told, "json"))


def added_image(args: Args, kwargs: Kwargs, _: None) -> None:
    """After `add_image`, which `add_figure` calls with what it has drawn."""
    _add_image(args, kwargs, "CHW")


def added_images(args: Args, kwargs: Kwargs, _: None) -> None:
    """After `add_images`."""
    _add_image(args, kwargs, "NCHW")


def add_hparams(call: Call) -> Generator[None, Any, None]:
    """Around `add_hparams`, which makes a writer of its own."""
    mirror = _mirror(call.instance)
    mirror.capture.log_params(call.get("hparam_dict"), "explicit")
    metrics = {mirror.name(name): value for name, value in call.get("metric_dict").items()}
    mirror.capture.log_metrics(metrics, call.get("global_step"))
    yield


def closed(args: Args, kwargs: Kwargs, _: None) -> None:  # noqa: ARG001 - a hook's form
    """After `close`."""
    mirror = _mirrors.pop(args[0], None)
    if mirror is not None:
        mirror.close()


def _mirror(writer: Any) -> Mirror:
    mirror = _mirrors.get(writer)
    if mirror is None or mirror.run.status != "RUNNING" or not mirror.run.owned:
        mirror = _mirrors[writer] = Mirror(writer)
    return mirror


def _add_image(args: Args, kwargs: Kwargs, default: str) -> None:
    told = _told(args, kwargs, "tag", "img_tensor", "global_step", "walltime", "dataformats")
    _mirror(args[0]).summaries.add_image(told["img_tensor"], told["dataformats"] or default, _file(told, "png"))


def _file(told: Mapping[str, Any], suffix: str) -> str:
    step = "" if told["global_step"] is None else f"_{told['global_step']}"
    return f"tensorboard/{told['tag']}{step}.{suffix}"


def _told(args: Args, kwargs: Kwargs, *names: str) -> dict[str, Any]:
    """Arguments of a method by their names; None if one is not given."""
    return {name: kwargs.get(name) for name in names} | dict(zip(names, args[1:], strict=False))

"""The hooks of plain training loops. Those of every step do next to nothing until there is something to log."""

from __future__ import annotations

import time
import weakref
from collections.abc import Mapping
from typing import Any

from reticent import deferred, ranks
from reticent.patching.context import inside
from reticent.ranks import step_times
from reticent_integrations.torch import ownership, rank_steps
from reticent_integrations.torch.here import MAX_LOSSES, MAX_MODULES, Pass, known, local
from reticent_integrations.torch.training import MAX_OPTIMIZERS, Training
from reticent_integrations.torch.watched import Known

Args = tuple[Any, ...]
Kwargs = Mapping[str, Any]


def stepped(optimizer: Any, args: Args, kwargs: Kwargs) -> None:
    """After each step of each optimizer, in all frameworks' trainings and on every rank; only a plain loop's are logged."""
    if rank_steps.forward_ended.wanted:
        step_times.step_ended()
    if inside.get():
        rank_steps.look()
        return
    one = known.get(id(optimizer))
    if one is None:
        one = Known(optimizer, born=0.0)  # it was made before autologging was on
    if one.on_cuda and _is_recorded():
        return
    training = one.training
    if training is None or training.over:
        rank_steps.look()
        training = _place(one, optimizer)
    if training is not None:
        training.step(one, optimizer, args, kwargs)


def constructed(args: Args, kwargs: Kwargs, _: None) -> None:  # noqa: ARG001 - a hook's form
    """After an optimizer was made. For parameters that are being trained, it takes the place of the one before."""
    optimizer = args[0]
    one = Known(optimizer, time.perf_counter())
    training = local.here.training
    if training is not None and not training.over:
        before = _sharing(training, optimizer)
        if before is not None and len(training.optimizers) < MAX_OPTIMIZERS:
            training.add(one, optimizer, successor_of=before)


def scheduled(args: Args, kwargs: Kwargs, _: None) -> None:
    """After a scheduler was made, or the part of one that its class inherits."""
    scheduler = args[0]
    optimizer = args[1] if len(args) > 1 else kwargs.get("optimizer", getattr(scheduler, "optimizer", None))
    one = known.get(id(optimizer))
    if one is None or any(reference() is scheduler for reference in one.schedulers):
        return
    one.schedulers.append(weakref.ref(scheduler))


def went_backward(args: Args, kwargs: Kwargs, _: None) -> None:
    """After `torch.autograd.backward`, which all backward calls come to."""
    here = local.here
    here.backwards += 1
    told, losses = args[0] if args else kwargs["tensors"], here.losses
    if not losses and not here.unscaled and getattr(told, "is_cpu", False) and not told.dim():
        losses.append(told.item())  # as most are: the general way takes longer
        return
    for loss in (told,) if hasattr(told, "numel") else told:
        if loss.numel() == 1 and len(losses) < MAX_LOSSES:
            if here.unscaled:
                loss = _unscaled(loss)
            losses.append(loss.item() if loss.is_cpu else _on_device(loss))


def _unscaled(loss: Any) -> Any:
    """A loss as it was before any scaling."""
    here = local.here
    reference, before = here.unscaled.pop(id(loss), (None, None))
    return before if reference is not None and reference() is loss else loss


def _on_device(value: Any) -> Any:
    """What to read of a value would be to wait for: a tensor that is read when it has arrived, or None."""
    return value.detach() if deferred.on_device(value) else None


def scaled(args: Args, kwargs: Kwargs, result: Any) -> None:
    """After `GradScaler.scale`."""
    here, before = local.here, args[1] if len(args) > 1 else kwargs["outputs"]
    if result is before or not hasattr(result, "numel"):
        return
    if len(here.unscaled) > MAX_MODULES:
        here.unscaled.clear()
    here.unscaled[id(result)] = weakref.ref(result), before.detach()


def scaler_updated(args: Args, kwargs: Kwargs, _: None) -> None:  # noqa: ARG001 - a hook's form
    """After `GradScaler.update`: what was gone backward from and not stepped with was not finite."""
    here = local.here
    if here.losses:
        here.losses = []
        if here.training is not None:
            here.training.skipped += 1


def clipped(args: Args, kwargs: Kwargs, norm: Any) -> None:  # noqa: ARG001 - a hook's form
    """After gradients were clipped by their norm."""
    local.here.norm = norm.item() if norm.is_cpu else _on_device(norm)


def asked(args: Args, kwargs: Kwargs, _: Any) -> None:  # noqa: ARG001 - a hook's form
    """After a module was asked for its parameters, as it is to make an optimizer."""
    module, modules = args[0], local.here.modules
    key = id(module)
    reference = modules.get(key)
    if reference is not None and reference() is module:
        modules.move_to_end(key)
        return
    modules[key] = weakref.ref(module)
    if len(modules) > MAX_MODULES:
        modules.popitem(last=False)


def began_pass(args: Args, kwargs: Kwargs, iterator: Any) -> None:  # noqa: ARG001 - a hook's form
    """After `DataLoader.__iter__`."""
    import torch

    here = local.here
    one = Pass(args[0], iterator, torch.is_grad_enabled(), here.backwards)
    for key, other in list(here.passes.items()):
        if other.iterator() is None:
            del here.passes[key]
    here.passes[id(iterator)] = one
    if one.learning:
        here.latest = one


def drew_none(args: Args, kwargs: Kwargs, error: BaseException) -> None:
    """There was no other batch, or an error in the data."""
    if not isinstance(error, StopIteration):
        broke(args, kwargs, error)
        return
    here = local.here
    one, training = here.passes.pop(id(args[0]), None), here.training
    if one is not None and one.iterator() is args[0]:
        one.exhausted = True
        one.count_batches()
        if training is not None and not training.over:
            training.exhausted(one, here.backwards)


def broke(args: Args, kwargs: Kwargs, error: BaseException) -> None:  # noqa: ARG001 - a hook's form
    """An error came out of the data, or on the way backward."""
    training = local.here.training
    if training is not None and not training.over and isinstance(error, Exception):
        training.fail(error)


def _place(one: Known, optimizer: Any) -> Training | None:
    """The training that an optimizer belongs to whose steps belong to none so far."""
    here = local.here
    training = here.training
    if training is not None and not training.over:
        before = _sharing(training, optimizer)
        if before is not None or training.may_have(one):
            if len(training.optimizers) >= MAX_OPTIMIZERS:
                return None
            training.add(one, optimizer, successor_of=before)
            return training
    if ranks.follows():
        return None
    if training is not None and not training.over:
        training.replace()
    here.training = Training(one, optimizer, before=one.training)
    return here.training


def _is_recorded() -> bool:
    """Whether a CUDA graph is being recorded: a step that is not made yet, and nothing of ours may get into it."""
    import torch

    if not torch.cuda.is_current_stream_capturing():
        return False
    here = local.here
    here.losses, here.norm = [], None
    return True


def _sharing(training: Training, optimizer: Any) -> Known | None:
    """An optimizer of a training that has some of another one's parameters."""
    own = {id(one) for one in ownership.parameters(optimizer)}
    for reference in training.optimizers:
        other = reference()
        if other is not None and not own.isdisjoint(map(id, ownership.parameters(other))):
            return known.get(id(other))
    return None

"""PyTorch, plain loops: the optimizer, its schedulers, the learning rate, the loss of each step, the norm of gradients,
epochs and data by the DataLoaders, the model at the end, files that `torch.save` or safetensors write meanwhile, and what
goes to a `SummaryWriter`. A run begins with the first step of an optimizer and ends when it is gone. Nothing is captured
here in trainings by Lightning, Transformers and others, which have integrations of their own.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from reticent.patching import Integration, LightPatch, Options, Patch, RegisteredHook
from reticent_integrations.torch import loop, saving, writers

WRITER = "torch.utils.tensorboard.writer:SummaryWriter"
Count = Annotated[int, msgspec.Meta(ge=0)]


class TorchOptions(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    grad_norm_every_n_steps: Count | None = None
    """In which steps the norm of the gradients is computed; 0: never; None: in every 10th, and in fewer where that takes
    more than a hundredth of a long training's time. Where the loop clips by it, it is there anyway."""
    histograms_every_n_steps: Count = 0
    """In which steps histograms of weights and gradients are made; 0: never."""


integration = Integration(
    "torch",
    module="torch",
    requires=">=2.5",
    patches=(
        RegisteredHook("torch.optim.optimizer:register_optimizer_step_post_hook", loop.stepped, everywhere=True),
        LightPatch("torch.autograd:backward", loop.went_backward, failed=loop.broke, before=loop.forward_ended),
        LightPatch("torch.optim.optimizer:Optimizer.__init__", loop.constructed),
        LightPatch("torch.optim.lr_scheduler:LRScheduler.__init__", loop.scheduled, subclasses=True),
        LightPatch("torch.amp.grad_scaler:GradScaler.scale", loop.scaled),
        LightPatch("torch.amp.grad_scaler:GradScaler.update", loop.scaler_updated),
        LightPatch("torch.nn.utils.clip_grad:clip_grad_norm_", loop.clipped),
        LightPatch("torch.nn.modules.module:Module.named_parameters", loop.asked),
        LightPatch("torch.utils.data.dataloader:DataLoader.__iter__", loop.began_pass),
        LightPatch(
            "torch.utils.data.dataloader:_BaseDataLoaderIter.__next__", None, failed=loop.drew_none, optional=True
        ),
        LightPatch("torch.serialization:save", saving.saved),
        LightPatch("safetensors.torch:save_file", saving.saved_tensors, optional=True),
        LightPatch(f"{WRITER}.add_scalar", writers.added_scalar, optional=True),
        LightPatch(f"{WRITER}.add_scalars", writers.added_scalars, optional=True),
        LightPatch(f"{WRITER}.add_text", writers.added_text, optional=True),
        LightPatch(f"{WRITER}.close", writers.closed, optional=True),
        Patch(f"{WRITER}.add_hparams", writers.add_hparams, optional=True),
    ),
    options=TorchOptions,
    demo="reticent_integrations.torch.demo",
)

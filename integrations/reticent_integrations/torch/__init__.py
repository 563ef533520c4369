"""PyTorch, plain loops: the optimizer, its schedulers, the learning rate, the loss of each step, the norm of gradients,
epochs and data by the DataLoaders, the model at the end, files that `torch.save` or safetensors write meanwhile, and what
goes to a `SummaryWriter`. A run begins with the first step of an optimizer and ends when it is gone. Nothing is captured
here in trainings by Lightning, Transformers and others, which have integrations of their own.
"""

from __future__ import annotations

from reticent.patching import Integration, LightPatch, Patch, RegisteredHook

LOOP, WRITERS = f"{__name__}.loop", f"{__name__}.writers"
FORWARD_ENDED = f"{__name__}.rank_steps:forward_ended"
WRITER = "torch.utils.tensorboard.writer:SummaryWriter"


integration = Integration(
    "torch",
    module="torch",
    requires=">=2.5",
    patches=(
        RegisteredHook("torch.optim.optimizer:register_optimizer_step_post_hook", f"{LOOP}:stepped", everywhere=True),
        LightPatch(
            "torch.autograd:backward",
            f"{LOOP}:went_backward",
            failed=f"{LOOP}:broke",
            before=FORWARD_ENDED,
        ),
        LightPatch("torch.optim.optimizer:Optimizer.__init__", f"{LOOP}:constructed"),
        LightPatch("torch.optim.lr_scheduler:LRScheduler.__init__", f"{LOOP}:scheduled", subclasses=True),
        LightPatch("torch.amp.grad_scaler:GradScaler.scale", f"{LOOP}:scaled"),
        LightPatch("torch.amp.grad_scaler:GradScaler.update", f"{LOOP}:scaler_updated"),
        LightPatch("torch.nn.utils.clip_grad:clip_grad_norm_", f"{LOOP}:clipped"),
        LightPatch("torch.nn.modules.module:Module.named_parameters", f"{LOOP}:asked"),
        LightPatch("torch.utils.data.dataloader:DataLoader.__iter__", f"{LOOP}:began_pass"),
        LightPatch(
            "torch.utils.data.dataloader:_BaseDataLoaderIter.__next__", None, failed=f"{LOOP}:drew_none", optional=True
        ),
        LightPatch("torch.serialization:save", f"{__name__}.saving:saved"),
        LightPatch("safetensors.torch:save_file", f"{__name__}.saving:saved_tensors", optional=True),
        LightPatch(f"{WRITER}.add_scalar", f"{WRITERS}:added_scalar", optional=True),
        LightPatch(f"{WRITER}.add_scalars", f"{WRITERS}:added_scalars", optional=True),
        LightPatch(f"{WRITER}.add_text", f"{WRITERS}:added_text", optional=True),
        LightPatch(f"{WRITER}.add_histogram", f"{WRITERS}:added_histogram", optional=True),
        LightPatch(f"{WRITER}.add_image", f"{WRITERS}:added_image", optional=True),
        LightPatch(f"{WRITER}.add_images", f"{WRITERS}:added_images", optional=True),
        LightPatch(f"{WRITER}.close", f"{WRITERS}:closed", optional=True),
        Patch(f"{WRITER}.add_hparams", f"{WRITERS}:add_hparams", optional=True),
    ),
    options=f"{__name__}.options:TorchOptions",
    demo="reticent_integrations.torch.demo",
)

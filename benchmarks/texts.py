"""What the redaction benchmark reads: the params of a training, and four kinds of text, the same in every run."""

from __future__ import annotations

import base64
import json
import random
import re
import sysconfig
from collections.abc import Callable
from itertools import count, islice
from pathlib import Path

TRAINING_ARGUMENTS: dict[str, object] = {
    "output_dir": "runs/bert-base-uncased-mrpc",
    "overwrite_output_dir": False,
    "do_train": True,
    "do_eval": True,
    "do_predict": False,
    "eval_strategy": "steps",
    "prediction_loss_only": False,
    "per_device_train_batch_size": 32,
    "per_device_eval_batch_size": 64,
    "per_gpu_train_batch_size": None,
    "per_gpu_eval_batch_size": None,
    "gradient_accumulation_steps": 4,
    "eval_accumulation_steps": None,
    "eval_delay": 0,
    "torch_empty_cache_steps": None,
    "learning_rate": 5e-05,
    "weight_decay": 0.01,
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "adam_epsilon": 1e-08,
    "max_grad_norm": 1.0,
    "num_train_epochs": 3.0,
    "max_steps": -1,
    "lr_scheduler_type": "linear",
    "lr_scheduler_kwargs": {},
    "warmup_ratio": 0.1,
    "warmup_steps": 0,
    "log_level": "passive",
    "log_level_replica": "warning",
    "log_on_each_node": True,
    "logging_dir": "runs/bert-base-uncased-mrpc/logs",
    "logging_strategy": "steps",
    "logging_first_step": False,
    "logging_steps": 500,
    "logging_nan_inf_filter": True,
    "save_strategy": "steps",
    "save_steps": 500,
    "save_total_limit": 3,
    "save_safetensors": True,
    "save_on_each_node": False,
    "save_only_model": False,
    "restore_callback_states_from_checkpoint": False,
    "no_cuda": False,
    "use_cpu": False,
    "use_mps_device": False,
    "seed": 42,
    "data_seed": None,
    "jit_mode_eval": False,
    "use_ipex": False,
    "bf16": True,
    "fp16": False,
    "fp16_opt_level": "O1",
    "half_precision_backend": "auto",
    "bf16_full_eval": False,
    "fp16_full_eval": False,
    "tf32": None,
    "local_rank": 0,
    "ddp_backend": None,
    "tpu_num_cores": None,
    "tpu_metrics_debug": False,
    "debug": [],
    "dataloader_drop_last": False,
    "eval_steps": 500,
    "dataloader_num_workers": 8,
    "dataloader_prefetch_factor": 2,
    "past_index": -1,
    "run_name": "bert-base-uncased-mrpc",
    "disable_tqdm": False,
    "remove_unused_columns": True,
    "label_names": None,
    "load_best_model_at_end": True,
    "metric_for_best_model": "eval_f1",
    "greater_is_better": True,
    "ignore_data_skip": False,
    "fsdp": [],
    "fsdp_min_num_params": 0,
    "fsdp_config": {"min_num_params": 0, "xla": False, "xla_fsdp_v2": False},
    "fsdp_transformer_layer_cls_to_wrap": None,
    "accelerator_config": {"split_batches": False, "dispatch_batches": None, "even_batches": True},
    "deepspeed": None,
    "label_smoothing_factor": 0.0,
    "optim": "adamw_torch",
    "optim_args": None,
    "adafactor": False,
    "group_by_length": False,
    "length_column_name": "length",
    "report_to": ["tensorboard"],
    "ddp_find_unused_parameters": None,
    "ddp_bucket_cap_mb": None,
    "ddp_broadcast_buffers": None,
    "dataloader_pin_memory": True,
    "dataloader_persistent_workers": False,
    "skip_memory_metrics": True,
    "use_legacy_prediction_loop": False,
    "push_to_hub": False,
    "resume_from_checkpoint": None,
    "hub_model_id": None,
    "hub_strategy": "every_save",
    "hub_token": None,
    "hub_private_repo": None,
    "hub_always_push": False,
    "gradient_checkpointing": False,
    "gradient_checkpointing_kwargs": None,
    "include_inputs_for_metrics": False,
    "eval_do_concat_batches": True,
    "auto_find_batch_size": False,
    "full_determinism": False,
    "torchdynamo": None,
    "ray_scope": "last",
    "ddp_timeout": 1800,
    "torch_compile": False,
    "neftune_noise_alpha": None,
}
"""The 112 params that a fine-tuning with Hugging Face's Trainer logs; a value of each type they have."""

assert len(TRAINING_ARGUMENTS) == 112


def log(size: int) -> str:
    """A training's log: no two lines are the same, and none of them has a secret."""
    rnd = random.Random(1)
    return _filled(
        size,
        lambda step: (
            f"2026-11-23 {step // 3600 % 24:02}:{step // 60 % 60:02}:{step % 60:02},{rnd.randrange(1000):03} INFO "
            f"trainer step={step} loss={rnd.random():.4f} lr={rnd.random() / 1000:.2e} tokens/s={rnd.randrange(99999)} "
            f"path=runs/exp_{rnd.randrange(100)}/ckpt/step_{step}/model.safetensors\n"
        ),
    )


def base64_lines(size: int) -> str:
    """Random bytes in base64, as an embedded picture or an encoded array is written."""
    rnd = random.Random(2)
    return _filled(size, lambda _: base64.b64encode(rnd.randbytes(57)).decode() + "\n")


def dense_json(size: int) -> str:
    """A tokenizer's configuration over and over: every second key says `token`, and none is a secret."""
    rnd = random.Random(3)
    kinds = ("pad", "eos", "bos", "unk", "sep", "cls", "mask", "image", "audio", "decoder_start")
    return _filled(
        size,
        lambda number: json.dumps({f"{kind}_token": rnd.randrange(50_000) for kind in kinds} | {"id": number}) + "\n",
    )


def dense_texts(size: int) -> str:
    """The same with texts for values, which have to be looked at one by one."""
    return re.sub(r": ([0-9]+)", r': "[T\1]"', dense_json(size))[:size]


def code(size: int) -> str:
    """The standard library's own modules: source, docstrings and comments."""
    modules = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    text = "\n".join(module.read_text(encoding="utf-8", errors="replace") for module in modules)
    return (text * (size // len(text) + 1))[:size]


TEXTS: dict[str, Callable[[int], str]] = {
    "training log": log,
    "base64": base64_lines,
    'JSON of `"..._token": 7`': dense_json,
    'JSON of `"..._token": "[T7]"`': dense_texts,
    "source and prose": code,
}


def _filled(size: int, line: Callable[[int], str]) -> str:
    lines = list(islice(map(line, count()), size // len(line(0)) + 1))
    while sum(map(len, lines)) < size:
        lines.append(line(len(lines)))
    return "".join(lines)[:size]

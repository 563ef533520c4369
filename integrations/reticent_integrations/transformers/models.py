"""The model that a training made, logged with its tokenizer, its signature, and the first rows that it was given."""

from __future__ import annotations

import json
from typing import Any

from reticent.models.signature.infer import signature
from reticent.models.signature.tensors import is_a
from reticent.patching import Capture
from reticent_integrations.transformers import tokenizers
from reticent_integrations.transformers.first_batch import FirstBatch
from reticent_integrations.transformers.parts import COMPONENTS, Parts, handles, parts

_TEXT = {"type": "string", "required": True}
_GIVEN = {
    "text-classification": [
        {"type": "string", "name": "label", "required": True},
        {"type": "double", "name": "score", "required": True},
    ],
    "token-classification": [_TEXT],
    "text-generation": [_TEXT],
}
"""What pipelines give, as a signature has it, by the tasks that take any text."""
_PROMPT = 32
"""Tokens of a text that is to be continued: a whole one may leave no place for more."""


def log(capture: Capture, trainer: Any, first_batch: FirstBatch) -> None:
    if not capture.options.log_models:
        return
    if getattr(trainer, "is_fsdp_enabled", False) or getattr(trainer, "is_deepspeed_enabled", False):
        capture.set_tags({"model_left_out": "its weights are spread over processes; see the checkpoints"})
        return
    model, processing_class = trainer.model, getattr(trainer, "processing_class", None)
    role = next((name for name, kind in COMPONENTS.items() if is_a(processing_class, *kind)), None)
    whole = {"model": model} if role is None else {"model": model, role: processing_class}
    if not handles(whole):  # a module of the user's own
        inputs = first_batch.inputs or None
        capture.log_model(model, signature_inputs=inputs, signature_outputs=first_batch.logits if inputs else None)
        return
    if role is None:
        capture.log_model(model, **_with_tensors(first_batch))
    else:
        capture.log_model(whole, **_with_texts(parts(whole), tokenizers.of(processing_class), first_batch))


def _with_tensors(first_batch: FirstBatch) -> dict[str, Any]:
    """Signature and example of a model alone: tensors by name. How long a text is, it leaves open."""
    inputs = {name: value for name, value in first_batch.inputs.items() if "label" not in name}
    if not inputs:
        return {}
    return {"input_example": inputs, "signature": _open_lengths(signature(inputs, first_batch.logits))}


def _with_texts(whole: Parts, tokenizer: Any, first_batch: FirstBatch) -> dict[str, Any]:
    """Signature and example of a model with its tokenizer: texts, as its pipeline takes them."""
    ids = first_batch.inputs.get("input_ids")
    if tokenizer is None or ids is None or whole.task not in _GIVEN:
        return {}
    # One by one: of several at once, the library would remember that it has worked in parallel, and warn of forks.
    rows = ids.tolist() if whole.task != "text-generation" else ids[:, :_PROMPT].tolist()
    texts = [str(tokenizer.decode(row, skip_special_tokens=True)) for row in rows]
    return {
        "input_example": texts,
        "signature": {"inputs": json.dumps([_TEXT]), "outputs": json.dumps(_GIVEN[whole.task])},
    }


def _open_lengths(found: dict[str, str | None] | None) -> dict[str, str | None] | None:
    """The same signature for texts of any length: whole numbers are tokens, and the last extent of logits is no length."""
    if found is None or '"input_ids"' not in (found["inputs"] or ""):
        return found
    inputs, outputs = json.loads(found["inputs"] or "[]"), json.loads(found["outputs"] or "null")
    for spec in (one["tensor-spec"] for one in inputs):
        if spec["dtype"].startswith(("int", "bool")):
            spec["shape"] = [-1] * len(spec["shape"])
    for spec in (one["tensor-spec"] for one in outputs or ()):
        spec["shape"][:-1] = [-1] * (len(spec["shape"]) - 1)
    return {**found, "inputs": json.dumps(inputs), "outputs": outputs and json.dumps(outputs)}

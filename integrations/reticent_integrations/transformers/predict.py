"""What a loaded model gives: for a pipeline what MLflow's function gives for its task, for a model alone its logits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from reticent.models.signature.tensors import is_a
from reticent_integrations.transformers.inputs import opened
from reticent_integrations.transformers.parameters import argument_names, own_parameters, refuse_unsafe
from reticent_integrations.transformers.parts import PIPELINE, parts, pipeline

_ZERO_SHOT = ("transformers.pipelines.zero_shot_classification", "ZeroShotClassificationPipeline")


def predict(model: Any, data: Any, params: Mapping[str, Any]) -> Any:
    whole = parts(model)
    with _inference(whole.model):
        if is_a(model, *PIPELINE):
            return _of_pipeline(model, data, params)
        if whole.components and "processor" not in whole.components:
            return _of_pipeline(pipeline(whole.model, whole.task, whole.components), data, params)
        return _of_model(whole.model, data, params)


@contextmanager
def _inference(model: Any) -> Iterator[None]:
    import torch

    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module in training:
            module.training = True


def _of_pipeline(pipeline: Any, data: Any, params: Mapping[str, Any]) -> Any:
    refuse_unsafe(params, own_parameters(pipeline, "_sanitize_parameters"))
    task = pipeline.task
    if is_a(pipeline, *_ZERO_SHOT) and isinstance(data, Mapping):
        told = {name: value for name, value in data.items() if name != "sequences"}
        refuse_unsafe(told)
        return _zero_shot(pipeline(data.get("sequences"), **{**told, **params}))
    outputs = pipeline(opened(pipeline, _items(data)), **params)
    if task in ("text-classification", "image-classification"):
        import pandas as pd

        return pd.DataFrame(outputs)
    if task == "text-generation":
        return [text["generated_text"].strip() for texts in outputs for text in _listed(texts)]
    if task == "fill-mask":
        return [_first_token(found).strip() for found in (outputs if isinstance(outputs[0], list) else [outputs])]
    if task == "token-classification":
        return [",".join(str(token.get("entity_group", token.get("entity"))) for token in found) for found in outputs]
    if task == "feature-extraction":
        import numpy as np

        found = [np.array(output[0]) for output in outputs]
        return found[0] if len(found) == 1 else found
    return outputs


def _first_token(found: Any) -> str:
    """The likeliest word; of a text with several masks, for the first one."""
    first = found[0]
    return str((first[0] if isinstance(first, list) else first)["token_str"])


def _zero_shot(outputs: Any) -> Any:
    import pandas as pd

    return pd.DataFrame(
        {"sequence": found["sequence"], "labels": label, "scores": score}
        for found in _listed(outputs)
        for label, score in zip(found["labels"], found["scores"], strict=True)
    )


def _items(data: Any) -> list[Any]:
    """One text, or image, or dict of texts, for each row."""
    if is_a(data, "pandas", "DataFrame"):
        if len(data.columns) == 1:
            return list(data.iloc[:, 0])
        return list(data.to_dict(orient="records"))
    if is_a(data, "pandas", "Series"):
        return list(data)
    if is_a(data, "numpy", "ndarray"):
        return list(data) if data.dtype.kind not in "OUS" else list(data.ravel().tolist())
    if isinstance(data, Mapping):
        values = list(data.values())
        if all(isinstance(value, str) for value in values):
            return [dict(data)] if len(values) > 1 else values
        if len(values) == 1:
            return _items(values[0])
        return [dict(zip(data, row, strict=True)) for row in zip(*map(_items, values), strict=True)]
    if isinstance(data, list):
        # A dict of one text stands for the text.
        return [next(iter(item.values())) if isinstance(item, Mapping) and len(item) == 1 else item for item in data]
    return [data]


def _of_model(model: Any, data: Any, params: Mapping[str, Any]) -> Any:
    """The logits for tensors by name; without a name they are what the model takes first, such as `input_ids`."""
    import numpy as np
    import torch

    refuse_unsafe(params, argument_names(model.forward))
    if is_a(data, "pandas", "DataFrame"):
        data = {str(name): np.stack([np.asarray(cell) for cell in column]) for name, column in data.items()}
    elif not isinstance(data, Mapping):
        data = {getattr(model, "main_input_name", "input_ids"): data}
    tensors = {
        name: (value if isinstance(value, torch.Tensor) else torch.as_tensor(np.asarray(value))).to(model.device)
        for name, value in data.items()
    }
    dtype = model.dtype
    tensors = {name: value.to(dtype) if value.is_floating_point() else value for name, value in tensors.items()}
    outputs = model(**tensors, **params)
    found = next((outputs[key] for key in ("logits", "last_hidden_state") if key in outputs), outputs[0])
    return (found.float() if found.dtype is torch.bfloat16 else found).cpu().numpy()


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]

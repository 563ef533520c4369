"""What a model of Transformers is made of: a pipeline, a dict of its components as MLflow takes it, or a model alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from reticent.models.signature.tensors import is_a

COMPONENTS = {
    "tokenizer": ("transformers.tokenization_utils_base", "PreTrainedTokenizerBase"),
    "image_processor": ("transformers.image_processing_base", "ImageProcessingMixin"),
    "feature_extractor": ("transformers.feature_extraction_utils", "FeatureExtractionMixin"),
    "processor": ("transformers.processing_utils", "ProcessorMixin"),
}
"""What stands beside a model in a pipeline, with the base of its classes."""

MODEL = ("transformers.modeling_utils", "PreTrainedModel")
PIPELINE = ("transformers.pipelines.base", "Pipeline")

_TASKS = {
    "text-classification": "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES",
    "token-classification": "MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES",
    "fill-mask": "MODEL_FOR_MASKED_LM_MAPPING_NAMES",
    "text-generation": "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
    "image-classification": "MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES",
    "feature-extraction": "MODEL_MAPPING_NAMES",
}


@dataclass(frozen=True, slots=True)
class Parts:
    model: Any
    """Of Transformers, or adapted by PEFT."""
    task: str | None
    components: dict[str, Any]

    @property
    def base(self) -> Any:
        """The model without PEFT's wrapping; its adapters are still in its layers."""
        return self.model.get_base_model() if is_adapted(self.model) else self.model


def handles(model: object) -> bool:
    if is_a(model, *PIPELINE):
        return _is_model(model.model)  # type: ignore[attr-defined]
    if isinstance(model, Mapping):
        others = {name: value for name, value in model.items() if name != "model"}
        return _is_model(model.get("model")) and all(
            name in COMPONENTS and is_a(value, *COMPONENTS[name]) for name, value in others.items()
        )
    return _is_model(model)


def parts(model: Any) -> Parts:
    if is_a(model, *PIPELINE):
        found = {name: getattr(model, name, None) for name in COMPONENTS}
        return Parts(model.model, model.task, {name: value for name, value in found.items() if value is not None})
    if isinstance(model, Mapping):
        components = {name: value for name, value in model.items() if name != "model"}
        whole = Parts(model["model"], None, components)
    else:
        whole = Parts(model, None, {})
    return Parts(whole.model, _task(type(whole.base).__name__), whole.components)


def pipeline(model: Any, task: str | None, components: Mapping[str, Any], kind: Any = None) -> Any:
    """A pipeline of these parts, which moves the model to no other device."""
    from transformers.pipelines import PIPELINE_REGISTRY

    if task is None:
        raise ValueError(f"no task is known for a model of class {type(model).__name__}: make a pipeline of it")
    if kind is None:
        impl = PIPELINE_REGISTRY.check_task(task)[1]["impl"]
        module, _, name = impl.rpartition(".") if isinstance(impl, str) else ("", "", "")
        kind = getattr(import_module(module), name) if module else impl
    return kind(model=model, task=task, device=-1, **components)


def is_adapted(model: object) -> bool:
    """Whether a model is one of PEFT's."""
    return is_a(model, "peft.peft_model", "PeftModel")


def _is_model(model: object) -> bool:
    if is_adapted(model):
        model = model.get_base_model()  # type: ignore[attr-defined]
    return is_a(model, *MODEL)


def _task(name: str) -> str | None:
    """The task of a pipeline for models of the class of this name."""
    from transformers.models.auto import modeling_auto

    for task, mapping in _TASKS.items():
        names = getattr(modeling_auto, mapping).values()
        if any(name == known or (isinstance(known, tuple | list) and name in known) for known in names):
            return task
    return None

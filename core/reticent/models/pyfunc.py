"""Any model as a function: data that suits the signature in, predictions out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reticent.errors import ReticentError
from reticent.models.flavor import Flavor
from reticent.models.load import SHOWN, opened
from reticent.models.signature.schema import SchemaError, Signature, enforce, enforce_params


@dataclass(frozen=True, slots=True)
class PyFunc:
    """A model that predicts, whatever framework it is of."""

    model: Any
    """As `load_model` gives it."""
    flavor: Flavor
    signature: Signature | None

    def __repr__(self) -> str:
        kind = type(self.model)
        takes = "" if self.signature is None else f", takes {', '.join(_names(self.signature)) or 'anything'}"
        return f"<PyFunc {self.flavor.name}: {kind.__module__}.{kind.__qualname__}{takes}>"

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Predictions for a DataFrame, an array, a dict or a list. SchemaError for data that does not suit the
        signature, which names what is wrong."""
        if self.signature is not None:
            if params and not self.signature.params:
                raise SchemaError(f"the model takes no params, and is given {list(params)}")
            data = enforce(data, self.signature.inputs)
            params = enforce_params(params or {}, self.signature.params)
        assert self.flavor.predict is not None
        return self.flavor.predict(self.model, data, params or {})


def _names(signature: Signature) -> list[str]:
    """The inputs by name, at most so many; those that have none by type."""
    inputs = signature.inputs or []
    named = [str(spec["type"] if spec.get("name") is None else spec["name"]) for spec in inputs[:SHOWN]]
    return [*named, f"and {len(inputs) - SHOWN} more"] if len(inputs) > SHOWN else named


def load_pyfunc(uri: str | os.PathLike[str], *, trust: bool = False) -> PyFunc:
    """The model at a URI as a function; URIs, trust and errors as of `load_model`."""
    with opened(uri) as model:
        if model.flavor.predict is None:
            raise ReticentError(f"models of the flavor {model.flavor.name} do not predict; use load_model")
        return PyFunc(model.load(trust), model.flavor, Signature.parse(model.published.signature))

"""Classes of a user, as models are made of them."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable("users")
class Regressor(keras.Model):
    def __init__(self, units: int, **config: Any) -> None:
        super().__init__(**config)
        self.units = units
        self.hidden = keras.layers.Dense(units, activation="relu")
        self.last = keras.layers.Dense(1)

    def call(self, given: Any) -> Any:
        return self.last(self.hidden(given))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}

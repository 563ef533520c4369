"""The callbacks that Keras calls while it trains: one of ours before the user's, one after them."""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping
from typing import Any

from reticent_integrations.keras.epochs import Epochs


def flat(callbacks: Any) -> list[Any]:
    """The user's callbacks, however they were given: None, one, a list, nested lists, or a `CallbackList`."""
    import keras

    if isinstance(callbacks, keras.callbacks.CallbackList):
        return list(callbacks.callbacks)
    return list(keras.tree.flatten(callbacks)) if callbacks else []


def with_ours(callbacks: Any, epochs: Epochs) -> Any:
    """The user's callbacks with ours around them. What the user gave is left as it is."""
    import keras

    first_class, last_class = _classes()
    first, last = first_class(epochs), last_class(epochs)
    if isinstance(callbacks, keras.callbacks.CallbackList):
        around = copy.copy(callbacks)
        around.callbacks = [first, *callbacks.callbacks, last]
        return around
    if not callbacks:
        return [first, last]
    if isinstance(callbacks, (list, tuple)):
        return [first, *callbacks, last]
    # Keras takes what is in no list to be safe in threads, and may call it there: so it does with this.
    return {1: first, 2: callbacks, 3: last}


@functools.cache
def _classes() -> tuple[Any, Any]:
    """The classes of both, made when Keras is there to inherit from."""
    import keras

    class First(keras.callbacks.Callback):  # type: ignore[misc] # Keras's classes are not typed
        """Before the user's callbacks, one of which may raise, or end the training."""

        async_safe = True
        """Keras may go on to call it in threads, as it does without it."""

        def __init__(self, epochs: Epochs) -> None:
            super().__init__()
            self.epochs = epochs

        def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002 - Keras's form
            self.epochs.training_begins()

        def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002 - as above
            self.epochs.begins(epoch)

        def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
            self.epochs.batch_ended(batch, logs or {})

        def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002 - as above
            self.epochs.validation_begins()

        def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002 - as above
            self.epochs.validation_ended()

        def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
            self.epochs.ended(epoch, logs or {})

        def __reduce__(self) -> tuple[Any, tuple[()]]:
            """A copy does nothing, and can be read where Reticent is not installed."""
            return keras.callbacks.Callback, ()

    class Last(keras.callbacks.Callback):  # type: ignore[misc] # as above
        """After the user's callbacks, which write checkpoints and may add to what there is to log."""

        async_safe = True

        def __init__(self, epochs: Epochs) -> None:
            super().__init__()
            self.epochs = epochs

        def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
            self.epochs.callbacks_are_done(epoch, logs or {})

        def __reduce__(self) -> tuple[Any, tuple[()]]:
            return keras.callbacks.Callback, ()

    return First, Last

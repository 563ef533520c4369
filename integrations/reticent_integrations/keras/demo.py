"""Keras: a small network with early stopping, on breast cancer data"""

from __future__ import annotations


def train() -> str:
    import keras
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split

    rows, labels = load_breast_cancer(return_X_y=True)
    rows_train, rows_test, labels_train, labels_test = train_test_split(rows, labels, random_state=0)
    scaling = keras.layers.Normalization()
    scaling.adapt(rows_train)
    layers = [scaling, keras.layers.Dense(16, activation="relu"), keras.layers.Dense(1, activation="sigmoid")]
    model = keras.Sequential([keras.Input((30,)), *layers])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    stopping = keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True)
    model.fit(rows_train, labels_train, epochs=20, validation_split=0.2, callbacks=[stopping], verbose=0)
    _, accuracy = model.evaluate(rows_test, labels_test, verbose=0)
    return f"{accuracy:.1%} of unseen data are right"

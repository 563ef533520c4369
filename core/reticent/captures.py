"""What integrations capture, as their tests have seen it: the file `captures.json` in the package of each."""

from __future__ import annotations

from importlib import metadata, resources

import msgspec


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """What one training has left: names, and of params their origin."""

    params: dict[str, str | None] = {}
    metrics: list[str] = []
    tags: list[str] = []
    artifacts: list[str] = []
    datasets: list[str] = []
    models: list[str] = []

    def groups(self) -> dict[str, list[str]]:
        """The names by what they are of, params by their origin too; what is empty left out."""
        origins = dict.fromkeys(["explicit", "default", "derived", *self.params.values()])
        params = {
            f"params, {origin}" if origin else "params": [name for name, its in self.params.items() if its == origin]
            for origin in origins
        }
        others = {
            "metrics": self.metrics,
            "tags": self.tags,
            "artifacts": self.artifacts,
            "data sets": self.datasets,
            "models": self.models,
        }
        return {what: names for what, names in {**params, **others}.items() if names}


class Captures(msgspec.Struct, frozen=True, kw_only=True):
    version: str
    """The version of the framework that was trained with."""
    trainings: dict[str, Training]
    """By what was trained, in a few words."""


def tables() -> dict[str, Captures]:
    """Of each integration that has a table, by the name of its entry point; several in one package share it."""
    packages: dict[str, str] = {}
    for point in metadata.entry_points(group="reticent.integrations"):
        package = point.value.partition(":")[0]
        packages[package] = f"{packages[package]}, {point.name}" if package in packages else point.name
    found = {names: _table(package) for package, names in packages.items()}
    return {names: found[names] for names in sorted(found) if found[names] is not None}  # type: ignore[misc]


def _table(package: str) -> Captures | None:
    try:
        content = (resources.files(package) / "captures.json").read_bytes()
        return msgspec.json.decode(content, type=Captures)
    except Exception:  # noqa: BLE001 - it has none, or a third party's package fails in any way: the doctor reports that
        return None

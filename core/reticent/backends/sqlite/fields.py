"""What runs can be searched and sorted by, and where the embedded store has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Condition = tuple[str, list[object]]
"""SQL over `run`, left-joined with `experiment`, and the values of its parameters."""

TEXTUAL = "=, !=, >, >=, <, <=, LIKE, ILIKE, IN, NOT IN, IS NULL, IS NOT NULL"
NUMERIC = "=, !=, >, >=, <, <=, IN, NOT IN, IS NULL, IS NOT NULL"

Entity = Literal["metric", "param", "tag", "attribute"]
ENTITIES: dict[str, Entity] = {"metric": "metric", "param": "param", "parameter": "param", "tag": "tag"}
ENTITIES |= {f"{name}s": entity for name, entity in ENTITIES.items()}
ATTRIBUTE_PREFIXES = ("attribute", "attributes", "attr", "run")

ATTRIBUTES = {
    "run_id": "run.run_id",
    "run_name": "run.name",
    "status": "run.status",
    "start_time": "run.start_time",
    "end_time": "run.end_time",
    "experiment": "experiment.name",
    "parent_run_id": "run.parent_id",
    "duration": "(run.end_time - run.start_time)",
}
ALIASES = {
    "name": "run_name",
    "run name": "run_name",
    "created": "start_time",
    "experiment_name": "experiment",
    "parent_id": "parent_run_id",
    "duration_s": "duration",
}

ALLOWED = f"metrics.<key>, params.<key>, tags.<key>, {', '.join(ATTRIBUTES)}"

# The number that a text is, else NULL. Compared with a number, SQLite takes a text for the number that it spells, and
# puts any other text behind infinity; Python's spellings of the infinities are such others.
_AS_NUMBER = (
    "CASE WHEN v.value <= CAST(9e999 AS REAL) THEN CAST(v.value AS NUMERIC)"
    " WHEN lower(v.value) IN ('inf', '+inf', 'infinity') THEN 9e999"
    " WHEN lower(v.value) IN ('-inf', '-infinity') THEN -9e999 END"
)
_METRIC = "FROM latest_metric AS v WHERE v.run = run.id AND v.key = (SELECT id FROM metric_key WHERE name = ?)"
_VERSIONED = (
    "FROM {table} AS v WHERE v.run = run.id AND v.key = ?"
    " AND v.time = (SELECT max(time) FROM {table} WHERE run = v.run AND key = v.key)"
)


@dataclass(frozen=True, slots=True)
class Field:
    """What a comparison is about: a metric, param or tag by its key, or an attribute by its name.

    `text` and `number` are its value in SQL, None where it has no such; `nan` says that the number is NaN.
    """

    entity: Entity
    name: str

    @property
    def is_time(self) -> bool:
        return self.entity == "attribute" and self.name in ("start_time", "end_time")

    @property
    def text(self) -> str | None:
        if self.entity == "attribute":
            return ATTRIBUTES[self.name] if self.number is None else None
        return None if self.entity == "metric" else "v.value"

    @property
    def number(self) -> str | None:
        if self.entity == "attribute":
            return ATTRIBUTES[self.name] if self.is_time or self.name == "duration" else None
        return "v.value" if self.entity == "metric" else _AS_NUMBER

    @property
    def nan(self) -> str:
        if self.entity == "attribute":  # never NaN; NULL where there is none
            return f"{ATTRIBUTES[self.name]} != {ATTRIBUTES[self.name]}"
        return "v.value IS NULL" if self.entity == "metric" else "lower(v.value) IN ('nan', '+nan', '-nan')"

    @property
    def comparators(self) -> str:
        return NUMERIC if self.text is None else TEXTUAL

    def where(self, condition: str, values: list[object]) -> Condition:
        """Whether a run has it and the condition on it holds; never NULL."""
        if self.entity == "attribute":
            return f"coalesce({condition}, 0)", values
        return f"EXISTS (SELECT 1 {self._source} AND {condition})", [self.name, *values]

    def present(self) -> Condition:
        return self.where(f"{ATTRIBUTES[self.name]} IS NOT NULL" if self.entity == "attribute" else "1", [])

    def order(self) -> Condition:
        """The value to sort by: a param or tag as a number if it is one, and these before other texts."""
        if self.entity == "attribute":
            return ATTRIBUTES[self.name], []
        value = "v.value" if self.entity == "metric" else f"coalesce({_AS_NUMBER}, v.value)"
        return f"(SELECT {value} {self._source})", [self.name]

    @property
    def _source(self) -> str:
        return _METRIC if self.entity == "metric" else _VERSIONED.format(table=self.entity)

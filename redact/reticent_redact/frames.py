"""The columns of a table of pandas that a pickle would make: in it, names and values stand apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from typing import Any, TypeVar

from reticent_redact import arrow
from reticent_redact.pickled import Numbers, Object

_MOST = 500
"""Among so many things the array in an index or a column is looked for."""
_DEEP = 8

_WIDTHS = {"string": 4, "large_string": 8, "binary": 4, "large_binary": 8}
"""Bytes of the numbers that say where the texts of an array of Arrow are."""

_T = TypeVar("_T", str, bytes)


def named(made: Object, charge: Callable[[int], None]) -> list[dict[str, Any]]:
    """The values in a table (the manager of one, or a Series) under the names of their columns or rows.

    `charge` is told of how many items something is made.
    """
    state = made[-1] if made else None
    if type(state) is dict and state.get("_typ") == "series":
        name = state.get("_name", state.get("name"))
        return [{name: state.get("_mgr", state.get("_data"))}] if type(name) is str else []
    axes, blocks = _taken_apart(state) if type(state) is tuple and len(state) > 1 else ([], [])
    index = _array(axes[0], charge) if axes else None
    if index is None:
        return []
    labels = _apart(index[4], charge)
    arrays = [(_array(values, charge), places) for values, places in blocks]
    if len(axes) == 1:
        return [_paired(labels, _apart(array[4], charge)) for array, _ in arrays if array]
    return [_columns(_at(places, labels), array, charge) for array, places in arrays if array]


def _taken_apart(state: tuple[Any, ...]) -> tuple[list[Any], list[tuple[Any, Any]]]:
    """The axes of a manager, and the values of its blocks with the places that they are for."""
    last = next(iter(state[-1].values()), None) if type(state[-1]) is dict else None
    if type(last) is dict:  # of a Series, and of older tables
        blocks = [block for block in last.get("blocks") or () if type(block) is dict]
        return list(last.get("axes") or ()), [(block.get("values"), block.get("mgr_locs")) for block in blocks]
    if type(state[0]) is tuple and type(state[1]) is list:
        made = [block[0] for block in state[0] if type(block) is Object and block]
        return list(state[1]), [(block[0], block[1]) for block in made if type(block) is tuple and len(block) > 1]
    return [], []


def _at(places: Any, labels: list[Any]) -> list[Any]:
    """The labels at some places; all of them if it cannot be told which."""
    where = places[0] if type(places) is Object and places else None
    if type(where) is tuple and len(where) == 3 and all(type(at) is int for at in where) and where[2]:
        return labels[slice(*where)]
    return labels


def _paired(labels: list[Any], items: list[Any]) -> dict[str, Any]:
    pairs = zip(labels, items, strict=True) if len(items) == len(labels) else ()
    return {label: item for label, item in pairs if type(label) is str}


def _columns(labels: list[Any], array: tuple[Any, ...], charge: Callable[[int], None]) -> dict[str, Any]:
    """The columns that are in an array, a row of it each; without its shape, any of them may be any one's."""
    shape, is_by_column, items = array[1], array[3], array[4]
    if len(shape) != 2 or shape[0] != len(labels) or len(labels) == 1:
        return {label: items for label in labels if type(label) is str}
    count, apart = len(labels), _apart(items, charge)
    width = len(apart) // count
    columns = (apart[at::count] if is_by_column else apart[at * width : (at + 1) * width] for at in range(count))
    return _paired(labels, list(columns))


def _apart(items: list[Any], charge: Callable[[int], None]) -> list[Any]:
    """The items of a list at their places."""
    charge(sum(item if type(item) is Numbers else 1 for item in items))
    return list(chain.from_iterable([None] * item if type(item) is Numbers else [item] for item in items))


def _array(value: Any, charge: Callable[[int], None]) -> tuple[Any, ...] | None:
    """The first array of objects in something: version, shape, dtype, whether it lies column by column, items."""
    queue = [value]
    for item in queue:
        if type(item) is tuple and len(item) == 5 and type(item[1]) is tuple and type(item[4]) is list:
            return item
        if type(item) is tuple and len(item) == 7 and type(item[4]) is list and len(item[4]) >= 2:
            texts = _of_arrow(item, charge)
            if texts is not None:
                return None, (1, len(texts)), None, None, texts
        inside = list(item.values()) if type(item) is dict else item if isinstance(item, (list, tuple)) else []
        queue += inside[: _MOST - len(queue)]
    return None


def _of_arrow(array: tuple[Any, ...], charge: Callable[[int], None]) -> list[str] | None:
    """The texts of an array of Arrow: type, length, nulls, offset, buffers, children, dictionary. The last two buffers
    say where each begins, and are all texts in one; of long ones there is the beginning."""
    kind, start = _first(str, array[0]), array[3]
    places, content = (_first(bytes, buffer) for buffer in array[4][-2:])
    width = _WIDTHS.get(kind or "")
    if width is None or places is None or content is None or type(start) is not int:
        return None
    last = len(places) - width + 1
    ends = [int.from_bytes(places[at : at + width], "little") for at in range(start * width, last, width)]
    if ends != sorted(ends):
        return None
    charge(len(places) + len(content))
    return [content[at:end].decode("utf-8", "replace") for at, end in pairwise(ends)]


def in_arrow(array: Any, whole: Callable[[bytes], bytes], charge: Callable[[int], None]) -> Iterator[bytes]:
    """The texts of an array of Arrow and of those in it, each on a line; `whole` gives all of a buffer for its beginning."""
    queue = [array]
    for item in queue:
        if type(item) is not tuple or len(item) != 7 or type(item[4]) is not list or type(item[3]) is not int:
            continue
        queue += [*(item[5] if type(item[5]) is list else []), item[6]][: _MOST - len(queue)]
        width = _WIDTHS.get(_first(str, item[0]) or "")
        if width is None or len(item[4]) < 2:
            continue
        places, content = (_first(bytes, buffer) for buffer in item[4][-2:])
        if places is None or content is None:
            continue
        places, content = whole(places), whole(content)
        charge(len(places) + len(content))
        ends = arrow.ends(places, width, len(content), item[3])
        if ends is not None:
            yield arrow.lines(content, ends)


def _first(kind: type[_T], value: Any) -> _T | None:
    """The first text, or bytes, in a few things in one another."""
    for _ in range(_DEEP):
        if type(value) is kind:
            return value
        if not isinstance(value, (list, tuple)) or not value:
            return None
        value = value[0]
    return None

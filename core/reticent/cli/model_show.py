"""`reticent models show`: all that is known of a model, with nothing of it loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from reticent.cli import render
from reticent.cli.model_list import Logged, models_of, outcome, tried_json
from reticent.errors import ReticentError
from reticent.models.flavor import Flavor
from reticent.models.load import OpenedModel, described, flavor_of, shown
from reticent.models.locate import located
from reticent.models.mlmodel import PublishedModel
from reticent.models.signature.kinds import Spec
from reticent.models.signature.schema import Signature
from reticent.models.verify import FileState, file_states

SAFE = "nothing: safe to open"


@dataclass(frozen=True, slots=True)
class _Seen:
    uri: str
    model: PublishedModel
    flavor: Flavor | None
    files: list[FileState]
    imports: list[str] | None
    """None if nothing here can tell."""
    requirements: list[str]
    signature: Signature | None
    logged: Logged | None
    """None if the run it came from is not known here."""


def show_model(uri: str, as_json: bool) -> None:
    with located(uri) as directory:
        seen = _look(uri, directory)
    if as_json:
        render.dump(_as_json(seen))
    else:
        _print(seen)


def _look(uri: str, directory: Path) -> _Seen:
    model = described(uri, directory)
    flavor = flavor_of(model)
    imports: list[str] | None = None
    requirements: list[str] = []
    if flavor is not None:
        opened = OpenedModel(uri, directory, model, flavor)
        requirements = opened.requirements()
        try:
            imports = opened.imports()
        except ReticentError:
            imports = None
    files = file_states(directory, model)
    return _Seen(uri, model, flavor, files, imports, requirements, Signature.parse(model.signature), _logged(model))


def _logged(model: PublishedModel) -> Logged | None:
    from reticent.store import get_run

    try:
        run = get_run(model.run_id)
    except ReticentError:  # of another root, or of MLflow's
        return None
    return next((one for one in models_of(run) if one.model.path == model.path), None)


def _print(seen: _Seen) -> None:
    out = render.console()
    facts = Table.grid(padding=(0, 3, 0, 0))
    facts.add_column(style=render.DIM)
    facts.add_column(overflow="fold", max_width=render.CELL)
    known = seen.flavor.name if seen.flavor else None
    flavors = [f"{name} (loads it here)" if name == known else str(name) for name in seen.model.flavors]
    facts.add_row("flavors", render.literal(", ".join(flavors)))
    facts.add_row("loading runs", _loading(seen.imports))
    facts.add_row("size", render.size(sum(file.size for file in seen.files)))
    if seen.model.created:
        facts.add_row("created", render.literal(f"{seen.model.created[:19]} UTC"))
    if seen.logged is not None:
        name, run_id = seen.logged.run.name, seen.logged.run.run_id
        facts.add_row("run", Text.assemble(render.literal(name), (f"  {run_id}", render.DIM)))
        detail = seen.logged.tried.detail if seen.logged.tried else ""
        facts.add_row("tried", Text.assemble(outcome(seen.logged.tried), "  ", render.literal(detail, render.DIM, 200)))
    elif seen.model.run_id:
        facts.add_row("run", Text.assemble(render.literal(seen.model.run_id), ("  not known here", render.DIM)))
    title = render.literal(seen.uri, render.HEAD, limit=100)
    out.print(Panel(facts, title=title, title_align="left", border_style=render.DIM, expand=False, padding=(0, 2)))

    signature = render.table("", "name", "type")
    for heading, specs in _parts(seen.signature).items():
        for number, spec in enumerate(specs):
            named = render.literal(spec["name"] if spec.get("name") is not None else "")
            signature.add_row(Text(heading if number == 0 else "", render.DIM), named, render.literal(type_of(spec)))
    if signature.row_count:
        render.section(out, "Signature", signature)
    files = render.table("", "", "", right=(1,))
    for file in seen.files:
        good, fair = file.state == "as published", file.state == "no checksum"
        style = render.DIM if good else render.FAIR if fair else render.BAD
        files.add_row(render.literal(file.path), Text(render.size(file.size), render.DIM), Text(file.state, style))
    render.section(out, "Files", files, str(len(seen.files)))
    if seen.requirements:
        requirements = render.table("")
        for requirement in seen.requirements:
            requirements.add_row(render.literal(requirement))
        render.section(out, "Requirements", requirements)


def _loading(imports: list[str] | None) -> Text:
    if imports is None:
        return Text("nobody can tell here", render.FAIR)
    if not imports:
        return Text(SAFE, render.GOOD)
    return render.literal(shown(imports), render.FAIR)


def _parts(signature: Signature | None) -> dict[str, list[Spec]]:
    if signature is None:
        return {}
    return {"takes": signature.inputs or [], "gives": signature.outputs or [], "params": signature.params}


def type_of(spec: Spec) -> str:
    """A specification of a signature, as people write it."""
    kind = str(spec.get("type"))
    if kind == "tensor":
        tensor = spec.get("tensor-spec") or {}
        shape = " x ".join("any" if extent == -1 else str(extent) for extent in tensor.get("shape", []))
        text = f"{tensor.get('dtype')} [{shape}]"
    elif kind == "array":
        text = f"list of {type_of(spec.get('items') or {'type': 'any'})}"
    elif kind == "object":
        text = ", ".join(f"{name}: {type_of(item)}" for name, item in (spec.get("properties") or {}).items())
        text = f"{{{text}}}"
    else:
        text = kind
    if "default" in spec:
        text += f" = {spec['default']}"
    return text + (", optional" if spec.get("required") is False else "")


def _as_json(seen: _Seen) -> dict[str, Any]:
    signature = seen.signature
    return {
        "uri": seen.uri,
        "flavors": list(seen.model.flavors),
        "flavor": seen.flavor.name if seen.flavor else None,
        "imports": seen.imports,
        "files": [{"path": file.path, "size": file.size, "state": file.state} for file in seen.files],
        "requirements": seen.requirements,
        "signature": signature
        and {"inputs": signature.inputs, "outputs": signature.outputs, "params": signature.params},
        "created": seen.model.created or None,
        "run_id": seen.model.run_id or None,
        "path": seen.model.path or None,
        "run_name": seen.logged.run.name if seen.logged else None,
        "tried": tried_json(seen.logged.tried) if seen.logged else None,
    }

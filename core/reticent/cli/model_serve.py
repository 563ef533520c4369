"""`reticent models serve`: a model behind HTTP, until Ctrl-C."""

from __future__ import annotations

from rich.text import Text

from reticent.cli import render
from reticent.errors import MissingExtraError


def serve_model(uri: str, host: str, port: int, trust: bool, max_mb: float, timeout_s: float, threads: int) -> None:
    from reticent.models import load_pyfunc

    try:
        from reticent.models.serve.app import Limits
        from reticent.models.serve.server import bind, is_loopback, serve
    except ImportError as error:
        raise MissingExtraError(
            f"serving needs {error.name}, which is not installed: pip install 'reticent[serve]'"
        ) from error
    out, aside = render.console(), render.console(stderr=True)
    with bind(host, port) as bound:
        model = load_pyfunc(uri, trust=trust)
        if not is_loopback(bound):
            warning = "anybody who reaches this address can use the model: there is no authentication"
            aside.print(Text.assemble(render.check("fair"), f" {warning}"), soft_wrap=True)
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{bound.getsockname()[1]}"

        def started() -> None:
            serves = f"serves {uri} ({model.flavor.name}) at {address}/invocations"
            out.print(Text.assemble(render.check("good"), " ", render.literal(serves)), soft_wrap=True)
            out.file.flush()

        serve(model, bound, Limits(int(max_mb * 1e6), timeout_s, threads), started)
    out.print(Text("stopped", render.DIM))

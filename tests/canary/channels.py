"""The ways by which a value can come to Reticent, each as a function that sends three secrets along it.

Run as a program with a name of one of them: `python -m tests.canary.channels params`. With `--unsealed` and several names
nothing is redacted: then the secrets have to be found, or the test that looks for them could not fail.
"""

from __future__ import annotations

import base64
import bz2
import contextlib
import gzip
import html
import io
import json
import logging
import lzma
import os
import pickle
import subprocess
import sys
import tarfile
import urllib.parse
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, make_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import reticent
from reticent import guard, settings
from reticent.testing.canary import CANARY, log_everywhere

KEYED, SHAPED, KNOWN = CANARY.all()
TEXT = CANARY.text()
OF_ALL = CANARY.all()
OF_TEXT = (SHAPED, KNOWN)
"""Where there are no keys."""


@dataclass(frozen=True)
class Channel:
    send: Callable[[Path], None]
    """Given an empty directory for its files."""
    secrets: tuple[str, ...] = OF_ALL
    prints: bool = False
    """Whether the user's own program writes the secrets to stdout."""
    environment: dict[str, str] = field(default_factory=dict)


CHANNELS: dict[str, Channel] = {}


def channel(**more: Any) -> Callable[[Callable[[Path], None]], Callable[[Path], None]]:
    def add(send: Callable[[Path], None]) -> Callable[[Path], None]:
        CHANNELS[send.__name__] = Channel(send, **more)
        return send

    return add


@channel()
def everything(files: Path) -> None:
    log_everywhere(CANARY, files)


@channel()
def params(files: Path) -> None:
    reticent.log_param("api_key", KEYED)
    reticent.log_params({"note": SHAPED, "remark": f"it is {KNOWN}!"})
    reticent.log_param("api_key", KEYED[::-1])  # another value: a warning
    reticent.log_param("remark", f"no, {KNOWN}")


@channel()
def names_of_params(files: Path) -> None:
    reticent.log_params({f"api_key={KEYED}": 1, f"a.{SHAPED}.b": 2, KNOWN: 3})
    reticent.log_params({f"api_key={KEYED}": 4, f"a.{SHAPED}.b": 5, KNOWN: 6})  # others: warnings


@channel()
def nested_params(files: Path) -> None:
    colour = Enum("colour", {"RED": f"x {SHAPED}"})
    login = make_dataclass("login", ["user", "api_key"])
    reticent.log_params(
        {
            "db": {"api_key": KEYED, "hosts": [("a", {"note": SHAPED, "more": {KNOWN}})]},
            "json": json.dumps({"a": [{"api_key": KEYED, "b": KNOWN}]}),
            "objects": [login("u", KEYED), colour["RED"], Path(f"/home/{KNOWN}"), KNOWN.encode(), ValueError(TEXT)],
            "arguments": ["--api-key", KEYED, f"--note={SHAPED}"],
            "pairs": [("api_key", KEYED), {"name": "api_key", "value": KEYED}],
            "keys": {SHAPED: 1, (KNOWN, 1): 2},
        }
    )


@channel()
def tags(files: Path) -> None:
    with reticent.start_run(tags={"api_key": KEYED, SHAPED: "a", KNOWN: KNOWN}):
        reticent.set_tag(f"api_key={KEYED}", SHAPED)
        reticent.set_tags({"note": {"api_key": KEYED}, "remark": KNOWN})


@channel()
def names_of_runs_and_experiments(files: Path) -> None:
    for secret in (f"api_key={KEYED}", SHAPED, KNOWN):
        with reticent.start_run(f"run {secret}", experiment=f"experiment {secret}"), reticent.start_run(secret):
            pass


@channel()
def names_of_metrics(files: Path) -> None:
    for secret in (f"api_key={KEYED}", SHAPED, KNOWN):
        reticent.log_metric(f"loss {secret}", 0.5)
        reticent.log_metrics({secret: 0.5}, step=3)


@channel()
def texts(files: Path) -> None:
    raw = KNOWN.encode()
    lines = [
        *(f"api_key = {KEYED}", f"--api-key {KEYED}", json.dumps({"api_key": KEYED}), f"<api_key>{KEYED}</api_key>"),
        *(SHAPED, f"https://user:{SHAPED}@host/", f"https://host/?api_key={KEYED}&n=1"),
        *(KNOWN, json.dumps(KNOWN), repr(KNOWN), html.escape(KNOWN), html.escape(KNOWN, quote=False)),
        *(html.escape(KNOWN).replace("&quot;", "&#34;"), json.dumps({"a": json.dumps({"b": KNOWN})})),
        json.dumps(json.dumps([KNOWN], ensure_ascii=False), ensure_ascii=False),
        *(urllib.parse.quote(KNOWN), urllib.parse.quote(KNOWN, safe=""), urllib.parse.quote_plus(KNOWN)),
        *(base64.b64encode(before + raw + b"\n").decode() for before in (b"", b":", b"u:")),
    ]
    for number, line in enumerate(lines):
        reticent.log_text(line, f"{number}.txt")


@channel()
def a_large_text(files: Path) -> None:
    reticent.log_text(f"a line of no interest\n{TEXT}\n" * 10_000, "large.txt")


@channel()
def dictionaries(files: Path) -> None:
    reticent.log_dict({"api_key": KEYED, "a": [SHAPED, {KNOWN: KNOWN}]}, "a.json")
    reticent.log_dict([{"name": "api_key", "value": KEYED}, json.dumps({"a": KNOWN}), TEXT], "b.json")


@channel()
def names_of_artifacts(files: Path) -> None:
    for number, secret in enumerate((f"api_key={KEYED}", SHAPED, KNOWN)):
        reticent.log_text("text", f"{secret}.txt")
        (files / f"{number}.txt").write_text("text")
        reticent.log_artifact(files / f"{number}.txt", secret)
        path = files / "deep" / secret / f"{secret}.csv"  # the known one has a slash in it
        path.parent.mkdir(parents=True)
        path.write_text("a,b\n")
    reticent.log_artifacts(files / "deep")


@channel()
def text_files(files: Path) -> None:
    (files / "a.yaml").write_text(f"db:\n  api_key: {KEYED}\nnote: {SHAPED}\nremark: {KNOWN}\n")
    (files / "b.csv").write_text(f"a,b\n{SHAPED},{urllib.parse.quote(KNOWN)}\n")
    (files / "c.ipynb").write_text(json.dumps({"cells": [{"source": [f'api_key = "{KEYED}"\n', repr(KNOWN)]}]}))
    reticent.log_artifact(files / "a.yaml")
    reticent.log_artifacts(files, "all")


@channel(secrets=OF_TEXT)
def binary_files(files: Path) -> None:
    for secret in OF_TEXT:
        for encoding in ("utf-8", "latin-1", "utf-16", "utf-32-be"):
            name = f"{len(secret)}-{encoding}.bin"
            (files / name).write_bytes(bytes(range(256)) + f"\u00e9{secret}\u00e9".encode(encoding))
            reticent.log_artifact(files / name)


@channel()
def pickles(files: Path) -> None:
    for number, content in enumerate(({"api_key": KEYED}, [SHAPED, b"\xff"], {"a": (KNOWN,)})):
        for protocol in (0, 2, 5):
            path = files / f"{number}-{protocol}.pkl"
            path.write_bytes(pickle.dumps(content, protocol))
            reticent.log_artifact(path)


@channel()
def archives(files: Path) -> None:
    for number, text in enumerate((json.dumps({"api_key": KEYED}), f"x {SHAPED}", json.dumps([KNOWN]))):
        data = text.encode() + b"\n" * 500
        inner = _zip({"a.json": data})
        packed = {
            "a.zip": inner,
            "b.zip": _zip({"weights": b"\0" * 5000, "inner.zip": inner}),
            "c.zip": _zip({"data.pkl": pickle.dumps(json.loads(text) if text[:1] in "{[" else [text])}),
            "d.gz": gzip.compress(data),
            "e.tar.gz": _tar(data),
            "f.bz2": bz2.compress(data),
            "g.xz": lzma.compress(data),
            "h.zip": _zip({"a.json.gz": gzip.compress(data)}),
        }
        for name, content in packed.items():
            (files / f"{number}-{name}").write_bytes(content)
            reticent.log_artifact(files / f"{number}-{name}")


@channel(secrets=OF_TEXT)
def names_in_archives(files: Path) -> None:
    (files / "a.zip").write_bytes(_zip({SHAPED: b"x"}))
    (files / "b.zip").write_bytes(_zip({KNOWN: b"x"}))
    reticent.log_artifacts(files)


def _zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _tar(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo("member")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


@channel()
def figures(files: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    for fonts in ("path", "none"):
        matplotlib.rcParams["svg.fonttype"] = fonts
        figure, axes = pyplot.subplots()
        axes.set_title(f"api_key={KEYED}")
        axes.set_xlabel(SHAPED)
        axes.plot([1, 2], label=KNOWN, gid=SHAPED)
        axes.legend()
        reticent.log_figure(figure, f"{fonts}.svg")
        reticent.log_figure(figure, f"{fonts}.png")

    class Interactive:
        def write_html(self, path: Path) -> None:
            path.write_text(f"<div data-a='{html.escape(KNOWN)}'>{json.dumps({'api_key': KEYED})}</div>")

    reticent.log_figure(Interactive(), "a.html")


@channel(secrets=OF_TEXT)
def what_pictures_say_of_themselves(files: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from PIL import Image, PngImagePlugin

    figure, _ = pyplot.subplots()
    for number, secret in enumerate(OF_TEXT):
        figure.savefig(files / f"{number}.png", metadata={"Comment": f"x {secret}"})
        figure.savefig(files / f"{number}.svg", metadata={"Title": secret, "Creator": secret})
        compressed = PngImagePlugin.PngInfo()
        compressed.add_text("Comment", f"{secret} " * 9, zip=True)
        Image.new("L", (9, 9)).save(files / f"z{number}.png", pnginfo=compressed)
    reticent.log_artifacts(files)


@channel(prints=True)
def console(files: Path) -> None:
    reticent.configure(capture={"console": True, "git": False})
    with reticent.start_run():
        for line in (TEXT, json.dumps({"api_key": KEYED}), SHAPED, KNOWN, repr(KNOWN)):
            print(line)
            print(f"\x1b[31m{line}\x1b[0m")
        sys.stdout.write(SHAPED[:9])
        sys.stdout.write(f"{SHAPED[9:]}\n")


@channel()
def command_line(files: Path) -> None:
    sys.argv[1:] = ["--api-key", KEYED, f"--api_key={KEYED}", SHAPED, f"--note={KNOWN}", KNOWN]
    reticent.start_run()


@channel(secrets=(SHAPED,))
def name_of_the_program(files: Path) -> None:
    sys.argv[0] = f"/home/x/{SHAPED}.py"
    reticent.start_run()


@channel(environment={"SOME_API_KEY": KEYED, "SOME_NOTE": f"x {SHAPED}", "SOME_REMARK": KNOWN})
def environment(files: Path) -> None:
    reticent.configure(capture={"environment": ["*"], "git": False})
    reticent.start_run()


@channel()
def git(files: Path) -> None:
    def run(*arguments: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *identity, *arguments], cwd=files, check=True, capture_output=True)

    run("init", "-b", f"work-{SHAPED}")
    (files / "train.py").write_text(f"api_key = '{KEYED}'\n")
    run("add", "train.py")
    run("commit", "-m", "start")
    run("remote", "add", "origin", f"https://user:{SHAPED}@host/{urllib.parse.quote(KNOWN)}.git")
    (files / "train.py").write_text(f"api_key = '{KEYED}'  # new\nnote = {KNOWN!r}\n{SHAPED}\n")
    os.chdir(files)
    reticent.configure(capture={"git": True})
    reticent.start_run()


@channel()
def tracebacks(files: Path) -> None:
    for error in _errors():
        with contextlib.suppress(type(error)), reticent.start_run():
            raise error


def _errors() -> Iterator[BaseException]:
    class TokenError(Exception):
        def __str__(self) -> str:
            return TEXT

    cause = ValueError(f"api_key={KEYED}")
    cause.__cause__ = KeyError(KNOWN)
    cause.__context__ = OSError(2, SHAPED, KNOWN)
    yield RuntimeError(TEXT)
    yield TokenError()
    yield cause
    yield SystemExit(TEXT)
    yield AssertionError({"api_key": KEYED, "a": [SHAPED, KNOWN]})
    if sys.version_info >= (3, 11):
        noted = RuntimeError("noted")
        noted.add_note(TEXT)
        yield noted
        yield ExceptionGroup(SHAPED, [cause, ValueError(KNOWN)])  # noqa: F821 - of Python 3.11


@channel()
def an_error_that_ends_the_program(files: Path) -> None:
    sys.excepthook = lambda *_: None  # it would print the user's error, as it should
    reticent.start_run()
    raise RuntimeError(TEXT) from ValueError(KNOWN)


@channel()
def warnings(files: Path) -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError(TEXT)

        __str__ = __float__ = __reduce__ = __repr__

    run = reticent.start_run()
    for secret in (f"api_key={KEYED}", SHAPED, KNOWN):
        guard._told.clear()  # each is told once only
        reticent.log_metric(f"loss {secret}", secret)  # type: ignore[arg-type]  # no number
        reticent.log_metric("loss", 1.0, step=secret)  # type: ignore[arg-type]
        run.log_metrics({secret: [1, 2]})  # type: ignore[dict-item]
        reticent.log_metric("odd", Odd())  # type: ignore[arg-type]
        reticent.log_params(secret)  # type: ignore[arg-type]
        reticent.set_tags([(secret, secret)])  # type: ignore[arg-type]
        reticent.log_param(Odd(), Odd())  # type: ignore[arg-type]
        reticent.log_artifact(files / secret)
        reticent.log_artifact(f"/none\0{secret}")
        reticent.log_text("x", f"../{secret}")
        reticent.log_text(7, secret)  # type: ignore[arg-type]
        reticent.log_dict({secret: Odd()}, "a.json")
        reticent.log_figure(secret, f"{secret}.png")
        reticent.log_model(secret, secret, metadata=Odd())
        reticent.log_model(secret, **{secret: 1})
        run.warn("mine", secret)
        run.in_background("mine", lambda secret=secret: 1 / len(secret[:0]))  # type: ignore[misc]
        with run.guard("mine"):
            raise RuntimeError(secret)
        reticent.start_run(run_id=secret, parent_run_id=secret)
        reticent.end_run(secret)


@channel(environment={"RETICENT_MAX_ARTIFACT_MB": "0.0001"})
def references(files: Path) -> None:
    for secret in (f"api_key={KEYED}", SHAPED, urllib.parse.quote(KNOWN, safe="")):
        (files / secret).write_bytes(b"x" * 1000)
        reticent.log_artifact(files / secret)


@channel()
def data_sets(files: Path) -> None:
    with reticent.start_run() as run:
        for secret in (f"api_key={KEYED}", SHAPED, KNOWN):
            columns = {"columns": [{"name": secret, "type": "str"}]}
            run.log_dataset(
                secret, secret, digest=secret, source=f"s3://bucket/{secret}", schema=columns, profile={secret: secret}
            )


@channel()
def a_fit(files: Path) -> None:
    import pandas as pd
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer

    reticent.autolog()
    features = pd.DataFrame({"a": range(20), f"api_key={KEYED}": range(20), SHAPED: range(20), KNOWN: range(20)})
    targets = pd.Series([SHAPED, KNOWN] * 10, name=SHAPED)
    steps = [(f"step-{SHAPED}", FunctionTransformer(_same, kw_args={"api_key": KEYED, "remark": KNOWN}))]
    model = Pipeline([*steps, ("forest", RandomForestClassifier(2, random_state=0))])
    model.fit(features, targets)
    model.score(features, targets)
    RandomForestClassifier(2).fit(features, targets)


def _same(features: Any, api_key: str = "", remark: str = "") -> Any:
    return features


@channel()
def a_search(files: Path) -> None:
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    reticent.autolog()
    options = [{"api_key": KEYED}, {"remark": SHAPED}, {"remark": KNOWN}]
    pipeline = make_pipeline(FunctionTransformer(_same), LogisticRegression())
    X = np.random.default_rng(0).normal(size=(40, 2))
    GridSearchCV(pipeline, {"functiontransformer__kw_args": options}, cv=2).fit(X, X[:, 0] > 0)


@channel()
def a_fit_that_fails(files: Path) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    def fail(features: Any) -> Any:
        raise RuntimeError(TEXT) from ValueError(KNOWN)

    reticent.autolog()
    with contextlib.suppress(RuntimeError):
        make_pipeline(FunctionTransformer(fail), LogisticRegression()).fit([[0.0], [1.0]], [0, 1])


@channel()
def a_boosting(files: Path) -> None:
    import numpy as np
    import xgboost

    reticent.autolog()
    X = np.random.default_rng(0).normal(size=(40, 3))
    named = xgboost.DMatrix(X, X[:, 0] > 0, feature_names=["api_key=" + KEYED, SHAPED, KNOWN])
    xgboost.set_config(verbosity=0)
    options = {"api_key": KEYED, "note": SHAPED, "remark": KNOWN, "objective": "binary:logistic"}
    booster = xgboost.train(options, named, 2, evals=[(named, SHAPED)], verbose_eval=False)
    booster.set_attr(api_key=KEYED, note=SHAPED, remark=KNOWN)
    reticent.log_model(booster, "again")


@channel()
def models(files: Path) -> None:
    import pandas as pd
    from sklearn.linear_model import LogisticRegression

    frame = pd.DataFrame({"api_key": [KEYED, KEYED], SHAPED: [SHAPED, "a"], "b": [KNOWN, KNOWN], KNOWN: [1, 2]})
    frame["kind"] = pd.Categorical([KNOWN, SHAPED])
    clean = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    secret = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    secret.api_key, secret.note = KEYED, [SHAPED, KNOWN]
    metadata = {"api_key": KEYED, SHAPED: [KNOWN, {"a": SHAPED}]}
    with reticent.start_run():
        reticent.log_model(clean, "a", signature_inputs=frame, input_example=frame, metadata=metadata)
        reticent.log_model(clean, "b", input_example={"api_key": KEYED, "a": SHAPED, KNOWN: [KNOWN]})
        reticent.log_model(clean, "c", input_example=[{"api_key": KEYED}, SHAPED, KNOWN])
        reticent.log_model(clean, f"d-{SHAPED}")
        reticent.log_model(secret, "e")


@channel()
def a_flavour_of_the_users(files: Path) -> None:
    from reticent.models import Flavor

    def save(model: Any, directory: Path) -> dict[str, Any]:
        if model == "fails":
            raise RuntimeError(TEXT)
        (directory / f"{SHAPED}.json").write_text(json.dumps({"api_key": KEYED}))
        (directory / "README.md").write_text(TEXT)
        return {"toy": {"api_key": KEYED, "remark": KNOWN}}

    flavor = Flavor("toy", handles=lambda _: False, save=save, load=lambda *_: None)
    with reticent.start_run():
        reticent.log_model("a model", "a", flavor=flavor)
        reticent.log_model("fails", "b", flavor=flavor)


@channel(secrets=(SHAPED,))  # the known one has characters that no id has
def ids_of_runs(files: Path) -> None:
    for secret in (SHAPED, KNOWN):
        with reticent.start_run(run_id=secret, parent_run_id=secret) as run:
            run.log_metric("loss", 0.5)


@channel()
def a_forked_child(files: Path) -> None:
    reticent.start_run()
    child = os.fork()
    if child == 0:
        reticent.log_params({"api_key": KEYED, "note": SHAPED, "remark": KNOWN})
        reticent.log_text(TEXT, "a.txt")
        os._exit(0)
    os.waitpid(child, 0)


@channel()
def settings_changed_in_between(files: Path) -> None:
    with reticent.start_run() as run:
        reticent.log_param("api_key", KEYED)
        reticent.configure(deliver_s=2.0)
        run.log_param("again", [KEYED, SHAPED, KNOWN])
        with reticent.start_run():
            reticent.log_param("again", [KEYED, SHAPED, KNOWN])


def _failing(files: Path) -> None:
    with reticent.start_run():
        reticent.log_params({"api_key": KEYED, "note": SHAPED, "remark": KNOWN})
    reticent.flush(2)


for place in ("open", "write", "close", "rejects"):
    CHANNELS[f"a_backend_that_fails_{place}"] = Channel(
        _failing, environment={"RECEIVER": place, "RETICENT_EXIT_TIMEOUT_S": "0.5"}
    )


def unsealed() -> None:
    """Have nothing redacted from here on."""
    import hashlib
    import shutil

    from reticent_redact import Redactor, SealedFile, SealedText
    from reticent_redact.redactor import to_text

    def seal(self: Any, value: Any, *, channel: str, key: str = "", report: Any = None, render: Any = to_text) -> Any:
        return SealedText(value if type(value) is str else render(value))

    def seal_next(self: Any, text: str, **_: Any) -> Any:
        return text

    def seal_file(self: Any, source: Path, target: Path, **_: Any) -> SealedFile:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
        content = target.read_bytes()
        return SealedFile(len(content), hashlib.sha256(content).hexdigest(), text=False, redactions=0)

    Redactor.seal = seal  # type: ignore[method-assign]
    Redactor.seal_next = seal_next  # type: ignore[method-assign]
    Redactor.seal_file = seal_file  # type: ignore[method-assign, assignment]
    Redactor.redact = lambda self, key, value, report=None: value  # type: ignore[method-assign]
    Redactor.redact_text = lambda self, text, report=None: text  # type: ignore[method-assign]


def main() -> None:
    logging.basicConfig(level=logging.INFO)
    place, *names = sys.argv[1:]
    sys.argv[1:] = []
    if names[0] != "--unsealed":
        CHANNELS[names[0]].send(Path(place))
        return
    unsealed()
    before = os.environ.copy()
    for name in names[1:]:
        files = Path(place) / name / "files"
        files.mkdir(parents=True)
        os.environ.update(CHANNELS[name].environment)
        settings.reset()
        reticent.configure(dir=str(files.parent / "root"))
        with contextlib.suppress(RuntimeError):
            CHANNELS[name].send(files)
        reticent.end_run()
        assert reticent.flush(120)
        for variable in CHANNELS[name].environment:
            del os.environ[variable]
        os.environ.update(before)


if __name__ == "__main__":
    main()

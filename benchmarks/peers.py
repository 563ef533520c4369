"""Other tools that look for secrets in text, each as a function from a text to whether it found one.

A peer that is not installed is left out; `make bench` installs them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

Peer = Callable[[str], bool]


def peers() -> tuple[dict[str, Peer], list[str]]:
    """Those that are installed, and the names of those that are not."""
    found: dict[str, Peer] = {}
    missing = []
    for name, make in (
        ("detect-secrets", detect_secrets),
        ("logfire", logfire),
        ("presidio-analyzer", presidio),
    ):
        try:
            found[name] = make()
        except ImportError:
            missing.append(name)
    return found, missing


def detect_secrets() -> Peer:
    """All its plugins with their default settings over a file, as its command scans one."""
    from detect_secrets.core.scan import scan_file
    from detect_secrets.settings import default_settings

    def scan(text: str) -> bool:
        with tempfile.TemporaryDirectory() as directory, default_settings():
            path = Path(directory) / "text.txt"
            path.write_text(text, encoding="utf-8", errors="replace")
            return len(list(scan_file(str(path)))) > 0

    return scan


def logfire() -> Peer:
    """Its scrubber with the default patterns; a text is one value of it, and is hidden as a whole or not at all."""
    from logfire._internal.scrubbing import Scrubber

    scrubber = Scrubber(None)

    def scan(text: str) -> bool:
        scrubbed, _ = scrubber.scrub_value(("value",), text)
        return bool(scrubbed != text)

    return scan


def presidio() -> Peer:
    """The recognizers made of patterns that it loads for English; it has others that need a language model."""
    import tldextract
    from presidio_analyzer import predefined_recognizers

    # The recognizer of e-mail would ask the network for the list of top-level domains.
    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=())
    names = (
        "CreditCard Crypto Date Email Iban Ip MacAddress MedicalLicense Nhs Url "
        "UsBank UsItin UsLicense UsPassport UsSsn Uuid"
    )
    recognizers = [getattr(predefined_recognizers, f"{name}Recognizer")() for name in names.split()]

    def scan(text: str) -> bool:
        found = [recognizer.analyze(text, recognizer.supported_entities) for recognizer in recognizers]
        return any(found)

    return scan

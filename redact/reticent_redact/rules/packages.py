"""Rules for the credentials of package registries and of the files that package managers keep them in."""

from __future__ import annotations

from reticent_redact.rules.checks import has_digit, is_password, is_real, is_varied
from reticent_redact.rules.forms import AN_UUID, END, hexes, mixed, small, token
from reticent_redact.rules.rule import Rule

_TOKENS: tuple[Rule, ...] = (
    token("npm-token", "npm_", "[A-Za-z0-9]{36}" + END, mixed(36)),
    token("pypi-token", "pypi-Ag", "[A-Za-z0-9_-]{50,1000}", mixed(80), has_digit),
    token("rubygems-key", "rubygems_", "[a-f0-9]{48}" + END, hexes(48)),
    token("nuget-key", "oy2", "[a-z0-9]{43}" + END, small(43), has_digit),
    token("crates-io-token", "cio", "[A-Za-z0-9]{32}" + END, mixed(32), is_varied),
    token("docker-hub-token", ("dckr_pat_", "dckr_oat_"), "[A-Za-z0-9_-]{27,64}", mixed(27)),
    token("jfrog-api-key", "AKCp", "[A-Za-z0-9]{69}" + END, mixed(69)),
    token("jfrog-reference-token", "cmVmd", "[A-Za-z0-9]{59}" + END, mixed(59), is_varied),
    token("packagist-token", "packagist_", "[a-z]{3}_[a-f0-9]{60,80}" + END, "ort_" + hexes(68)),
)

_FILES: tuple[Rule, ...] = (
    Rule(
        "npmrc-credentials",
        ("_authToken", "_auth=", "_auth =", ":_password"),
        r"(?:_authToken|_auth|:_password)[ ]{0,2}=[ ]{0,2}[\"']?(?P<secret>[A-Za-z0-9+/_.=-]{8,2048})",
        is_password,
        hits=(
            "//registry.npmjs.org/:_authToken=" + AN_UUID,
            "_auth=" + mixed(32) + "==",
            "//r.example.org/:_password = " + mixed(20),
        ),
        misses=("//registry.npmjs.org/:_authToken=${NPM_TOKEN}", "_auth=short"),
    ),
    Rule(
        "docker-config-auth",
        ('"auth"', '\\"auth\\"'),
        r'\\?"auth\\?"[ ]{0,2}:[ ]{0,2}\\?"(?P<secret>[A-Za-z0-9+/]{12,4096}={0,2})\\?"',
        is_real,
        hits=('{"auths":{"ghcr.io":{"auth":"' + mixed(32) + '=="}}}',),
        misses=('"auth": "basic"', '"auth": ""', '"auth": "oauth-with-refresh"'),
    ),
    Rule(
        "maven-settings-password",
        ("<password>", "<passphrase>", "<apiKey>"),
        r"<(?:password|passphrase|apiKey)>(?P<secret>[^<>\s]{4,512})</",
        is_password,
        hits=("<password>" + mixed(12) + "</password>", "<passphrase>{" + mixed(43) + "=}</passphrase>"),
        misses=("<password>${env.PASSWORD}</password>", "<password></password>", "<password>password</password>"),
    ),
    Rule(
        "nuget-config-password",
        ("ClearTextPassword",),
        r"ClearTextPassword[\"']?[ ]{1,4}value=[\"'](?P<secret>[^\"'<>\s]{4,512})[\"']",
        is_password,
        hits=('<add key="ClearTextPassword" value="' + mixed(20) + '" />',),
        misses=('<add key="ClearTextPassword" value="%NUGET_PASSWORD%" />',),
    ),
)

RULES: tuple[Rule, ...] = (*_TOKENS, *_FILES)

"""Rules for command lines, and for the manifests that commands apply."""

from __future__ import annotations

import base64

from reticent_redact.plausible import is_word
from reticent_redact.rules.checks import has_value, is_mixed, is_password
from reticent_redact.rules.forms import mixed
from reticent_redact.rules.rule import Rule


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


# As far as the command's end, over continued lines, and not into another one.
_CURL = (
    r"curl (?:(?!curl )(?:[^\n\\]|\\[^\n]|\\\n)){0,1000}?(?<=[ \t\n])"
    r"(?:-u|-U|--user(?=[ =])|--proxy-user(?=[ =]))[ =]{0,2}(?:\\?[\"'])?"
)

_COMMANDS: tuple[Rule, ...] = (
    Rule(
        "curl-password",
        ("curl ",),
        _CURL + r"[^\s:<\"'\\]{0,128}:(?P<secret>[^\s\"'\\]{1,256})",
        lambda secret: is_password(secret) and not secret.isdigit() and secret not in ("test", "yyy"),
        hits=("curl -s -u user:hunter2 https://example.org", 'curl --user "me:' + mixed(20) + '" -X POST u'),
        misses=(
            "curl -u $USER:$PASS https://example.org",
            "curl https://example.org",
            "curl -u user https://example.org",
        ),
    ),
    Rule(
        "curl-user-key",
        ("curl ",),
        _CURL + r"(?P<secret>[^\s:\"'\\$<{@/]{12,256}):?(?=[\s\"',;)]|\Z)",
        is_mixed,
        hits=("curl https://api.example.org -u " + mixed(24) + ":", "curl -u '" + mixed(24) + ":' x"),
        misses=("curl -u username https://example.org", "curl -u ${API_KEY_12345}: x", "curl -u short1: x"),
    ),
)

_LOGINS: tuple[Rule, ...] = (
    Rule(
        "login-command-password",
        (
            "docker login ",
            "podman login ",
            "helm registry login ",
            "sshpass -p",
            "mysql -",
            "mysqldump -",
            "mysqladmin -",
        ),
        r"(?:(?:docker|podman|helm registry) login [^\n]{0,200}?(?<= )(?:-p|--password)[ =]"
        r"|sshpass -p ?|mysql(?:dump|admin)? (?:-[^p\s][^\s]{0,64} (?:[^-\s][^\s]{0,64} )?){0,8}-p)"
        r"[\"']?(?P<secret>[^\s\"'-][^\s\"']{0,255})",
        is_password,
        hits=(
            "docker login -u me -p hunter2 registry.example.org",
            "sshpass -p hunter2 ssh a@b",
            "mysql -u root -phunter2 db",
        ),
        misses=("docker login registry.example.org", "mysql -u root -p db", "docker login -u me -p $PASSWORD r"),
    ),
    Rule(
        "redis-cli-password",
        ("redis-cli ",),
        r"redis-cli (?:[^\s-][^\s]{0,63} |-[^a\s][^\s]{0,63} (?:[^-\s][^\s]{0,63} )?|--[^\s]{1,63} ){0,8}(?:-a|--pass)[ =]"
        r"[\"']?(?P<secret>[^\s\"']{1,256})",
        is_password,
        hits=("redis-cli -a hunter2", "redis-cli -h h -p 6379 -a 'hunter2' ping", "redis-cli --pass hunter2"),
        misses=("redis-cli -h h ping", "redis-cli -a $REDIS_PASSWORD", "redis-cli -h a get"),
    ),
    Rule(
        "netrc-password",
        ("machine ", "default login "),
        r"(?:machine[ \t]{1,4}[^\s]{1,128}|default)(?:\s{1,16}(?:login|account)\s{1,16}[^\s]{1,128}){0,2}"
        r"\s{1,16}password\s{1,16}(?P<secret>[^\s]{1,256})",
        is_password,
        hits=(
            "machine h.example.org login me password hunter2",
            "machine h\n  login me\n  password hunter2\n",
            "machine h password hunter2 login me",
            "default login me password hunter2",
        ),
        misses=("machine learning login password", "machine h login me", "machine h login me password ${PASSWORD}"),
    ),
    Rule(
        "pgpass-password",
        (":0000:", ":*:"),
        r"(?<=[A-Za-z0-9_.*-]):(?:5[0-9]{3}|6[45][0-9]{2}|\*):[A-Za-z0-9_*-]{1,63}:[A-Za-z0-9_.@*-]{1,63}:"
        r"(?P<secret>(?:[^\s:\\]|\\[:\\]){1,256})(?=\s|\Z|[\"',])",
        lambda secret: is_password(secret) and not is_word(secret) and not secret.isdigit(),
        hits=("db.example.org:5432:app:me:hunter2", "*:*:*:postgres:hunter2"),
        misses=("localhost:5432", "main.cc:5432:app:warning:unused", "h:5432:app:me:${PASSWORD}", "a:8080:b:c:hunter2"),
    ),
    Rule(
        "sql-password",
        ("IDENTIFIED BY '", "identified by '", "PASSWORD '", "password '"),
        r"(?:IDENTIFIED BY|identified by|PASSWORD|password) '(?P<secret>[^'\n]{1,256})'",
        is_password,
        hits=("CREATE USER a IDENTIFIED BY 'hunter2';", "ALTER ROLE a WITH PASSWORD 'hunter2'"),
        misses=("IDENTIFIED BY '${PASSWORD}'", "the password 'password' is none", "WITH PASSWORD ''"),
    ),
)


def _is_never(shown: str) -> bool:  # noqa: ARG001 - a check
    """For blocks of several values: one that shows a form says nothing about the others."""
    return False


# Taken whole by a look ahead: what does not fit is not tried again with less of it.
_BLOCK = r"(?=(?P<secret>[ \t]{1,24}[^\s][^\n]{1,16384}(?:\n[ \t]{1,24}[^\s][^\n]{0,16384}){0,64}))(?P=secret)"
_K8S_DATA = r"(?:\\?\"[\w./-]{1,128}\\?\"\s{0,4}:\s{0,4}\\?\"[A-Za-z0-9+/=]{0,16384}\\?\",?\s{0,64}){1,64}"

_MANIFESTS: tuple[Rule, ...] = (
    Rule(
        "kubernetes-secret",
        ("kind: Secret", "kind: 'Secret'", 'kind: "Secret"'),
        r"kind: [\"']?Secret[\"']?[ \t\r]{0,8}\n(?:(?!---|kind:)[^\n]{0,512}\n){0,40}?"
        r"[ ]{0,16}(?:data|stringData):[ \t\r]{0,8}\n" + _BLOCK,
        has_value,
        stands_in=_is_never,
        hits=(
            "kind: Secret\nmetadata:\n  name: a\ntype: Opaque\ndata:\n  password: "
            + _base64("hunter2")
            + "\n  user: YWRt\n",
            "kind: Secret\nstringData:\n  user: xxxxxxxx\n  other: hunter2\n",
        ),
        misses=(
            "kind: SecretStore\ndata:\n  a: b\n",
            "kind: Secret\nmetadata:\n  name: a\n",
            "kind: Secret\ndata:\n  password: ${PASSWORD}\n",
            "kind: Secret\ndata:\n  password: xxxxxxxx\n",
            "kind: ConfigMap\ndata:\n  a: b\n",
        ),
    ),
    Rule(
        "kubernetes-secret-data-first",
        ("\ndata:", "\nstringData:"),
        r"(?:\n|\A)(?:data|stringData):[ \t\r]{0,8}\n"
        + _BLOCK
        + r"\n(?:(?!---)[^\n]{0,512}\n){0,40}?[ \t]{0,16}kind: [\"']?Secret\b",
        has_value,
        stands_in=_is_never,
        hits=(
            "apiVersion: v1\ndata:\n  password: " + _base64("hunter2") + "\nkind: Secret\n",
            "---\ndata:\n  # of the database\n  password: " + _base64("hunter2") + "\nkind: Secret\n",
        ),
        misses=("apiVersion: v1\ndata:\n  password: x\nkind: ConfigMap\n",),
    ),
    Rule(
        "kubernetes-secret-json",
        ('"data"', '\\"data\\"', '"stringData"'),
        r'\\?"(?:data|stringData)\\?"\s{0,4}:\s{0,4}\{\s{0,64}(?P<secret>'
        + _K8S_DATA
        + r')\}(?:(?!"data)[^\0]){0,1500}?"kind\\?"\s{0,4}:\s{0,4}\\?"Secret\\?"',
        has_value,
        stands_in=_is_never,
        hits=('{"apiVersion":"v1","data":{"password":"' + _base64("hunter2") + '"},"kind":"Secret"}',),
        misses=('{"data":{"a":"b"},"kind":"ConfigMap"}', '{"data":[1,2],"kind":"Secret"}'),
    ),
    Rule(
        "kubernetes-secret-json-kind-first",
        ('"kind":"Secret"', '"kind": "Secret"', '\\"kind\\":\\"Secret\\"'),
        r'\\?"kind\\?":[ ]?\\?"Secret\\?"(?:(?!"kind)[^\0]){0,1500}?'
        r'\\?"(?:data|stringData)\\?"\s{0,4}:\s{0,4}\{\s{0,64}(?P<secret>' + _K8S_DATA + r")\}",
        has_value,
        stands_in=_is_never,
        hits=('{"kind":"Secret","metadata":{"name":"a"},"data":{"password":"' + _base64("hunter2") + '"}}',),
        misses=('{"kind":"ConfigMap","data":{"a":"b"}}', '{"kind":"Secret","metadata":{}}'),
    ),
)

RULES: tuple[Rule, ...] = (*_COMMANDS, *_LOGINS, *_MANIFESTS)

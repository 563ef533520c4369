"""Rules for credentials that no vendor issues: keys, tokens by standards, headers, URLs, command lines and files."""

from __future__ import annotations

import base64

from reticent_redact.rules.checks import is_basic, is_mixed, is_password, is_real, is_varied
from reticent_redact.rules.forms import ALONE, hexes, mixed
from reticent_redact.rules.rule import Rule


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


_HEADER = "eyJ(?:(?![_-]eyJ)[A-Za-z0-9_-]){8,4096}"
"""Of a web token, which may stand behind a name (`session_eyJ`). It ends where the next may begin, so that no text is read
again for each of many beginnings."""

_TOKENS: tuple[Rule, ...] = (
    Rule(
        "jwt",
        ("eyJ",),
        ALONE + _HEADER + r"\.eyJ[A-Za-z0-9_-]{8,32768}(?:\.[A-Za-z0-9_-]{0,8192})?",
        hits=(
            "eyJ" + "hbGciOiJIUzI1NiJ9" + ".eyJ" + "zdWIiOiIxMjM0In0" + "." + "s5T-_a1B2" * 4,
            "eyJ" + "hbGciOiJSUzI1NiJ9" + ".eyJ" + mixed(12000) + "." + mixed(683),
            "session_eyJ" + "hbGciOiJIUzI1NiJ9" + ".eyJ" + "zdWIiOiIxMjM0In0" + "." + "s5T-_a1B2" * 4,
        ),
        misses=(
            "eyJ" + "hbGciOiJIUzI1NiJ9",
            "eyJ.eyJ.eyJ",
            "aeyJ" + "hbGciOiJIUzI1NiJ9" + ".eyJ" + "zdWIiOiIxMjM0In0.",
        ),
    ),
    Rule(
        "jwe",
        ("eyJ",),
        ALONE + _HEADER + r"\.[A-Za-z0-9_-]{0,1024}\.[A-Za-z0-9_-]{8,64}"
        r"\.[A-Za-z0-9_-]{4,32768}\.[A-Za-z0-9_-]{16,128}",
        is_varied,
        hits=(".".join(("eyJ" + "hbGciOiJSU0EtT0FFUCJ9", mixed(342), mixed(16), mixed(90), mixed(22))),),
        misses=("eyJ" + "hbGciOiJSU0EtT0FFUCJ9" + ".a.b.c.d", "eyJ" + "hbGciOiJSU0EtT0FFUCJ9" + "." + mixed(40)),
    ),
    Rule(
        "bearer-token",
        ("Bearer", "bearer", "BEARER"),
        ALONE + r"(?i:bearer)(?:[ \t]{1,4}|%20|\+)"
        # One digit soon, or it is none: looking for it to the end of all that has no digit would take long.
        r"(?=[A-Za-z._~+/:|-]{0,255}[0-9])(?P<secret>[A-Za-z0-9._~+/:|-]{16,8192}={0,2})",
        is_mixed,
        hits=("Authorization: Bearer " + "a1B2c3D4" * 4, "bearer " + "0a1b2c3d" * 4 + "=="),
        misses=(
            "Bearer authentication-is-required",
            "the bearer of news",
            "Bearer tok3n",
            "Bearer xxxxxxxxxxxxxxxxxxxx1",
        ),
    ),
    Rule(
        "basic-authorization",
        ("Basic ", "basic ", "BASIC ", "Basic%00"),
        ALONE + r"(?i:basic)(?:[ \t]{1,4}|%20)(?P<secret>[A-Za-z0-9+/]{10,4096}={0,2})",
        is_basic,
        hits=("Basic " + _base64("user:hunter2!"), "basic " + _base64("root:toor99")),
        misses=("Basic authentication", "Basic understanding", "Basic " + _base64("no colon in here")),
    ),
    Rule(
        "basic-authorization-argument",
        ("BasicAuth(", "DigestAuth(", "auth=(", "auth = ("),
        r"(?:(?:Basic|Digest)Auth|auth[ ]?=[ ]?)\(\s{0,32}[^\s(),]{1,128},\s{0,32}(?:password=)?[bru]?"
        r"(?P<mark>[\"'])(?P<secret>[^\"'\n]{1,256})(?P=mark)\s{0,32}[,)]",
        is_password,
        hits=(
            'requests.get(u, auth=("me", "hunter2"))',
            "HTTPBasicAuth('me','hunter2')",
            'DigestAuth(user, "hunter2")',
        ),
        misses=("HTTPBasicAuth(user, password)", 'auth=("me", "password")', 'auth=("me", os.environ["P"])'),
    ),
    Rule(
        "digest-authorization",
        ("Digest username=",),
        r"Digest username=(?:(?!Digest )[^\r\n]){1,800}?[ ,]response=\\?\"?(?P<secret>[0-9a-f]{32,128})",
        is_real,
        hits=('Authorization: Digest username="u", realm="r", nonce="n", uri="/", response="' + hexes(32) + '"',),
        misses=('Digest username="u", realm="r"', 'Digest username="u", response="short"'),
    ),
    Rule(
        "cookie",
        ("ookie:", 'ookie":', "ookie':", 'ookie\\":'),
        r"ookie(?:\\?[\"'])?:[ ]{0,2}(?:\\?[\"'])?(?=[^0-9\r\n]{0,255}[0-9])"
        r"(?P<secret>[A-Za-z0-9_.-]{1,64}=[^\s;,\"'\\]{0,2048}"
        r"(?:;[ ]?[A-Za-z0-9_.-]{1,64}=[^\s;,\"'\\]{0,2048}){0,60})",
        lambda secret: len(secret) >= 24 and is_mixed(secret),
        hits=(
            "Set-Cookie: sessionid=" + mixed(32) + "; Path=/",
            "Cookie: a=b; csrftoken=" + mixed(32),
            '"cookie": "sid=' + mixed(32) + '"',
        ),
        misses=("Cookie: theme=dark", "Cookie: none"),
    ),
    Rule(
        "django-csrf-session",
        ("sessionid=", "csrftoken=", "PHPSESSID=", "JSESSIONID=", "connect.sid=", "remember_token="),
        r"(?:sessionid|csrftoken|PHPSESSID|JSESSIONID|connect\.sid|remember_token)=(?P<secret>[A-Za-z0-9_.:%-]{16,512})",
        is_mixed,
        hits=("JSESSIONID=" + mixed(32), "sessionid=" + mixed(32)),
        misses=("sessionid=short", "sessionid=the-one-of-the-user"),
    ),
)

_QUERY = [
    "X-Amz-Signature",
    "X-Amz-Security-Token",
    "X-Amz-Credential",
    "X-Goog-Signature",
    "X-Goog-Credential",
    "Signature",
    "access_token",
    "refresh_token",
    "id_token",
    "client_secret",
    "api_key",
    "apikey",
    "api-key",
    "auth_token",
    "authtoken",
    "auth",
    "token",
    "secret",
    "password",
    "passwd",
    "pwd",
    "session_token",
    "sessionid",
    "code_verifier",
    "client_assertion",
    "hmac",
    "jwt",
    "subscription-key",
]

_URLS: tuple[Rule, ...] = (
    Rule(
        "url-password",
        ("://",),
        # A number before the first slash is a port. A password may hold slashes and at signs: it ends at the last one.
        r"(?<=[A-Za-z0-9+.-])://[^\s/:?#@\"'<>`\\]{0,256}:(?!\d{0,5}[/?#])"
        r"(?P<secret>(?:(?!://)[^\s\"'<>`\\]){1,512})@(?=[A-Za-z0-9\[_%.-])",
        is_password,
        hits=(
            "https://user:hunter2@example.org/path",
            "postgresql+psycopg://u:pw@h/db",
            "redis://:p4ss@localhost:6379/0",
            "amqp://u:p@ss/word@host",
        ),
        misses=(
            "https://example.org:8080/path/@scope/package",
            "https://user@example.org",
            "postgres://u:${DB_PASSWORD}@h/db",
            "http://localhost:5000",
            "git+ssh://git@github.com:owner/repo@v1.0",
            "a://:a://b@c",
        ),
    ),
    Rule(
        "url-query-secret",
        tuple(f"{name}=" for name in _QUERY),
        rf"(?:(?<=[?&])|(?<=&amp;))(?:{'|'.join(_QUERY)})=(?P<secret>[^\s&?#\"'<>`\\()\[\]{{}}]{{8,4096}})",
        lambda secret: is_mixed(secret) and is_password(secret),
        hits=(
            "https://example.org/a?access_token=" + mixed(24),
            "s3.amazonaws.com/k?X-Amz-Date=20261123T000000Z&X-Amz-Signature=" + hexes(64) + "&x=1",
            "wss://h/?token=" + hexes(16) + "#f",
        ),
        misses=(
            "?token=next",
            "max_token=" + mixed(20),
            "?access_token=${ACCESS_TOKEN_1}",
            "?page=2&token=xxxxxxxxxxxxxxxx1",
        ),
    ),
    Rule(
        "url-authorization-code",
        ("?code=", "&code="),
        r"[?&]code=(?P<secret>[A-Za-z0-9_./%~=-]{20,2048})",
        is_varied,
        hits=("https://example.org/callback?code=4%2F0A" + mixed(40) + "&state=1",),
        misses=("?code=404", "?code=ERR_CONNECTION_REFUSED_22", "&code=" + mixed(12)),
    ),
    Rule(
        "dsn-password",
        (";Password=", ";password=", ";PASSWORD=", ";PWD=", ";Pwd=", ";pwd=", "; Password=", "; password=", "; Pwd="),
        r";[ ]?(?i:password|pwd)=(?P<secret>\{[^{}\r\n]{1,128}\}|[^;\"'\s<>\\]{1,256})",
        is_password,
        hits=("Server=db;User Id=sa;Password=hunter2;", "jdbc:sqlserver://h;user=sa;password=" + mixed(12)),
        misses=("Server=db;Password=;", "Server=db;Password=${PASSWORD};", "Password=hunter2"),
    ),
    Rule(
        "odbc-password",
        ("PWD=", "Pwd=", "pwd="),
        ALONE + r"(?i:pwd)=(?P<secret>\{[^{}\r\n]{1,128}\}|[^;\"'\s<>/\\][^;\"'\s<>\\]{0,255})"
        r"(?=;[ ]?(?i:uid|server|driver|database|encrypt|trust|port|dsn)[A-Za-z ]{0,24}=)",
        is_password,
        hits=("PWD={hunter2};UID=sa", "PWD=hunter2;Server=db", "Pwd=hunter2;Database=d"),
        misses=("PWD=/home/me", "PWD={password};UID=sa", "PWD=a;b"),
    ),
)

RULES: tuple[Rule, ...] = (*_TOKENS, *_URLS)

"""The words in the names of secrets, and the words that say that a name is of something else."""

from __future__ import annotations

from itertools import product


def _set_of(words: str) -> frozenset[str]:
    return frozenset(words.split())


FOREIGN = {
    "contraseña": "contrasena",
    "hasło": "haslo",
    "пароль": "parol",
    "密码": "mima",
    "密碼": "mima",
    "口令": "kouling",
    "パスワード": "pasuwado",
    "비밀번호": "bimilbeonho",
}
"""Other languages' words for a password, and how they are spelled here."""

NOT_ASCII = {
    case: next(letter for letter in case if not letter.isascii())
    for word in FOREIGN
    for case in (word, word.upper(), word.capitalize())
}
"""What stands where a secret key may, and is looked for by itself: by its first letter that few texts have."""

SECRET = {
    tuple(sequence.split())
    for sequence in (
        "password",
        "passwd",
        "pwd",
        "passphrase",
        "passcode",
        "pass word",
        "pass phrase",
        "pass key",
        *(
            f"{of} {word}"
            for of, word in product(_set_of("db user smtp mail admin root become sudo login ssh"), ("pass", "pw"))
        ),
        "ftp pass",
        "ldap pass",
        "redis pass",
        "mysql pass",
        "postgres pass",
        "requirepass",
        "masterauth",
        "psk",
        "pre shared key",
        "preshared key",
        *FOREIGN.values(),
        "passwort",
        "kennwort",
        "mot de passe",
        "senha",
        "wachtwoord",
        "secret",
        "credential",
        "authorization",
        "api key",
        "access key",
        "secret key",
        "private key",
        "auth key",
        "account key",
        "master key",
        "signing key",
        "encryption key",
        "fernet key",
        "subscription key",
        "deploy key",
        "license key",
        "ssh key",
        "api token",
        "auth token",
        "access token",
        "refresh token",
        "bearer token",
        "security token",
        "session token",
        "secret token",
        "bot token",
        "deploy token",
        "oauth token",
        "hub token",
        "hf token",
        "github token",
        "gitlab token",
        "personal access token",
        "client secret",
        "connection password",
    )
}
"""Word sequences that name a secret wherever they stand in a key. Written as one word (`apikey`) they count as well."""

MAYBE = _set_of("token key auth session jwt pat cookie sig signature sas bearer pass pw pin cred psw")
"""Last words of keys whose value decides."""

OF_PASS = _set_of(
    "my app service client server host account basic bind broker ca cert https imap jks key keystore kafka keytab ldap "
    "mongo mq mssql mysql ora oracle ovpn pdf pg pgp gpg pop postgres rabbitmq redis repo rsync samba sasl sftp ftp "
    "sign signing smb sql sqlplus ssh ssl store svn tls tomcat truststore trust vault vnc vpn wifi wlan wpa zip ansible "
    "jenkins nexus elastic opensearch grafana docker registry router"
)
"""Words before `pass` or `pw` with which it is a password: `keystore_pass`, `SSHPASS`."""
PASS = ("pass", "pw")
SECRET_ID = "secret-id"  # noqa: S105 - the name of Vault's half of a login, which is one

WHOLE = {
    *(
        f"{of} {kind}"
        for of, kind in product(
            _set_of("webhook database db jdbc mongo mongodb postgres redis amqp broker"), ("url", "uri")
        )
    ),
    "webhook",
    "dsn",
    "connection string",
    "connection str",
    "conn string",
    "conn str",
}
"""Last words of keys whose whole value is a secret: an address that lets in whoever knows it."""

DESCRIBING = _set_of(
    "id ids name names path paths file filename files dir directory folder count counts issuer length len size "
    "type types version versions url uri endpoint host field fields column columns policy expiry expires expired "
    "expiration ttl timeout changed enabled disabled required format arn header hint env var variable variables region "
    "provider manager store backend strategy mode min max limit index idx pattern regex prefix suffix rotation "
    "strength age date time at created updated loss score accuracy acc f1 auc rate error dim dims shape dtype width "
    "ratio"
)
"""A key that ends so says something about a secret and does not hold it."""

OWNER = _set_of("user username login email account owner description title comment note label help example database")

_ML_TOKEN = _set_of(
    "pad eos bos unk sep cls mask special additional num n max min new image video audio speech text start end "
    "begin first last next prev previous decoder encoder forced suppress stop word sub subword bpe prompt "
    "completion input output total per by use skip return add strip vocab placeholder boundary separator query "
    "label target content object box public csrf xsrf patch time register row newline whitespace suffix prefix middle"
)
_ML_KEY = _set_of(
    "primary foreign sort sorting group groupby partition public cache dict state metric score monitor label "
    "target feature sample batch data dataset input output image text index column col row item record field json "
    "yaml config param hash join lookup merge order rank query value num n max min use head add weight weights "
    "bias loss layer model module task class prefix experiment run trial study missing unexpected checkpoint scheduler "
    "object optimizer weight dtype config architecture arch"
)
_ML_PASS = _set_of(
    "n num max min total train eval val test inference per forward backward first second low high band one multi single"
)
PLAIN_VARIABLE = _set_of("public pad eos bos unk sep cls mask num max min primary foreign sort partition host known")
"""Of those, the words that say the same in the name of an environment variable, where secrets are more usual."""
ORDINARY = {"token": _ML_TOKEN, "key": _ML_KEY, "pass": _ML_PASS, "pw": _ML_PASS}
"""Words that, standing before a word of `MAYBE`, make it machine learning's own."""

PLACES = _set_of("PWD OLDPWD GOOGLE_APPLICATION_CREDENTIALS")
"""Environment variables that are called like secrets and hold paths."""

JOINED = {"".join(sequence): "-".join(sequence) for sequence in SECRET if len(sequence) > 1}
JOINED_ENDINGS = (
    "secret",
    "password",
    "passwd",
    "passphrase",
    "apikey",
    *(joined for joined in JOINED if len(joined) >= 9),
)
SINGULAR = {f"{word}s": word for sequence in SECRET for word in sequence}
LONGEST = max(map(len, SECRET))

SECRET_FILES = _set_of(
    ".netrc _netrc .pgpass .git-credentials .pypirc .my.cnf .s3cfg .htpasswd .dockercfg id_rsa id_dsa id_ecdsa "
    "id_ed25519 *.p12 *.pfx *.jks *.keystore *.kdbx *.ppk"
)
"""Files that are credentials by what they are for, in formats that no rule for text reads."""

IN_VARIABLES = MAYBE - {"session", "signature", "pin"}
"""Last words of environment variables that hold a secret, whatever it looks like."""

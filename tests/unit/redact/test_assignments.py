"""What text gives away about a secret: values in, under and beside a key, in the ways that files and code write them."""

from __future__ import annotations

import pytest

from reticent_redact import Redactor

# "§" stands for the secret.
NESTED = [
    '{"password":["§"]}',
    '{"api_keys":{"prod":"§"}}',
    '{"password": {"value": "§"}}',
    '{"value":"§","name":"DB_PASSWORD"}',
    '{"name":"DB_PASSWORD","value":"§"}',
    '{"value": "§", "key": "api_key"}',
    '{"value": "§", "type": "x", "n": 1, "name": "password"}',
    '{"name": "password", "type": "x", "secure": true, "value": "§"}',
    'INFO cfg {"passwords": ["§", "T"]} done',
    '"{\\"password\\":[\\"§\\"]}"',
    "{'password': ['§']}",
    '{"secrets": {"db": {"value": "§"}}}',
    '{\n "password": [\n  "§"\n ]\n}',
    "password:\n  §\n",
    "password:\n    §\nuser: x",
    "passwords:\n  - §\n  - T\n",
    "passwords:\n- §\n",
    'a:\n  password:\n    "§"\n',
    "password: &a §\n",
    "password: !tag §\n",
    "password: !!str §\n",
    "password: |\n  §\n",
    "password: >-\n  §\n",
    "password: [§, T]\n",
    "password: {value: §}\n",
    "api_keys:\n  prod: §\n",
    "- password:\n    §\n",
    '<password value="§"/>',
    '<add key="Password" value="§"/>',
    '<add value="§" key="Password"/>',
    "<password><![CDATA[§]]></password>",
    '<password enc="no">§</password>',
    "<password>\n  §\n</password>",
    '<property name="password"><value>§</value></property>',
    "user,password\nbob,§\n",
    "user,password,x\nbob,§,1\neve,T,2\n",
    '"user","password"\n"bob","§"\n',
    "id;password\n1;§\n",
    "user\tpassword\nbob\t§\n",
    "password,user\n§,bob",
    "localhost:5432:mydb:bob:§\n",
    "*:*:*:bob:§\n",
    "machine h.example login bob password §\n",
    "machine h.example\n  login bob\n  password §\n",
    "default login bob password §\n",
    "[('password', '§'), ('lr', 0.1)]",
    '[["api_key", "§"]]',
    "Enter password:\n§\nok\n",
    "mysql -u me --password \\\n  §\n",
    'variable "db_password" { default = "§" }',
    'variable "db_password" {\n  type = string\n  default = "§"\n}\n',
]
NOT_A_PLACEHOLDER = [
    "password={§",
    "password=$(§",
    "password=<§>",
    "password={§}",
    'password="{§}"',
    'password="<§>"',
    'password="$(§"',
    "password: input§",
    "password=data.§",
    "password='§......'",
    'password: "§......"',
    "password=self.§",
    "password: $§",
    "kind: Secret\nmetadata:\n  name: a\ndata:\n  a: xxxxxxxx\n  password: §\n",
    "kind: Secret\nmetadata:\n  name: a\nstringData:\n  a: EXAMPLE\n  other: §\n",
    "password: ${DB_PASSWORD:-§}",
    "password=`§",
    "password=prompt-§",
    "password=§******",
]
KEYS = [
    "smtp_pass=§",
    "SMTP_PASS: §",
    "db_pw=§",
    "psk=§",
    'psk="§"',
    "become_pass: §",
    "ansible_become_pass=§",
    "API key: §",
    "api key = §",
    "APIkey=§",
    "APIKey=§",
    "FERNET_KEY=§",
    "passwort=§",
    "Passwort: §",
    "kennwort=§",
    "mot_de_passe=§",
    "mot de passe: §",
    "contraseña=§",
    "contraseña: §",
    "contrasena=§",
    "senha=§",
    "wachtwoord=§",
    "hasło=§",
    "haslo=§",
    "пароль=§",
    "пароль: §",
    "Пароль: §",
    "密码=§",
    "密码\uff1a§",
    "密码: §",
    "パスワード=§",
    "パスワード\uff1a§",
    '"密码": "§"',
    "pAsSwOrD=§",
    "PassWord: §",
    "sEcReT=§",
    '"pAsSwOrD": "§"',
    "aPi_KeY=§",
    'password: str = "§"',
    'password: Optional[str] = "§"',
    'api_key: str | None = "§"',
    'getenv("DB_PASSWORD","§")',
    'os.getenv("DB_PASSWORD", "§")',
    'os.environ.get("API_KEY", "§")',
    'os.environ.setdefault("API_KEY", "§")',
    "define('DB_PASSWORD', '§')",
    'add_argument("--password", default="§")',
    'add_argument("--password", type=str, default="§", help="x")',
    'setPassword("§")',
    '.password("§")',
    'x.set_password("§")',
    'builder.apiKey("§")',
    '.option("password", "§")',
    "ENV DB_PASSWORD §",
    "ARG DB_PASSWORD=§",
    'ENV DB_PASSWORD="§"',
    "PWD={§};UID=x",
    "UID=x;PWD={§};",
    "UID=x;PWD=§",
    "PWD=§;UID=x",
    "redis-cli -a §",
    "redis-cli -h h -p 6379 -a § ping",
    "mysql -p§",
    "mysql -u root -p§ db",
    "mysql --password=§",
    "sshpass -p § ssh",
    "sshpass -p§ ssh",
    "sshpass -p '§' ssh",
    "password%3D§",
    "u=a%26password%3D§%26x=1",
    "password -> §",
    "password => '§'",
    'password := "§"',
    'password: str = Field(default="§")',
    'password = SecretStr("§")',
    "requirepass §\n",
]
SOURCE = [
    '+    password: str = "§"',
    '-api_key: Optional[str]="§"',
    'def f(user, password: str="§", x=1):',
    'password: str = Field(..., default="§")',
    'password: str = Field(title="x", default="§")',
    '+parser.add_argument("--password", type=str, default="§")',
    '+x = os.getenv("API_KEY","§")',
    '+API_KEYS = ["§"]',
    'PASSWORD = (\n "§")',
    'API_KEY = (\n    "ab"\n    "§"\n    "x"\n)',
    'assert password != "§"',
    '+PASSWORD = (\n+    "§"\n+)',
    'HTTPBasicAuth("me","§")',
    "s.auth = ('me', '§')",
    "+machine h.example.org\n+  login me\n+  password §\n",
    "-machine h.example.org login me password §\n",
    "+password:\n+  - §\n",
    '+passwords = [\n+  "§",\n+]',
    "-password: |\n-  §\n",
    "-  password: §",
    "-password §\n",
]
FORMS = [
    '"password": §',
    "- 'api_key': §\n",
    '"password": !!str §',
    '"password": &a "§"',
    "password: &a !!str §",
    "<name>db.password</name><value>§</value>",
    "<property><name>db.password</name>\n  <value>§</value></property>",
    "<password>\n<![CDATA[§]]></password>",
    "<password a=\"b\" c='d'>\n §\n</password>",
    "<key>password</key>\n\t<string>§</string>",
    '<string name="api_key">§</string>',
    '<entry key="password">§</entry>',
    'ENV API_KEY "§"',
    "setenv API_KEY §",
    "SetEnv API_KEY '§'",
    "set -gx API_KEY §",
    '%env API_KEY "§"',
    '+#define API_KEY "§"',
    "#define API_KEY §",
    "PASSWORD ?= §",
    "PASSWORD+=§",
    "PASSWORD ::= §",
    "\x1b[1mpassword\x1b[0m: §",
    "\x1b[1;34mapi_key\x1b[0m=\x1b[32m§\x1b[0m",
    "\x1b[1mpassword:\x1b[0m §",
    "**password**: §",
    "**password:** §",
    "**API key**: §",
    "`password`: §",
    'proxy_set_header Authorization "Bearer §";',
    "password%3A%20§",
    "java -jar a.jar -password § -x",
    "['cmd', '--password', '§']",
    '{"password":{"a":{"b":"§"}}}',
    "password=§......xyz",
    "password: tr#######§",
]
PLAIN = [
    "session='Run_2024-01-15_ResNet50'",
    "key='ResNet50_ImageNet1K_V2'",
    "experiment_key='3f9a0c7e5b1d82463f9a0c7e5b1d8246'",
    "Key='models/v1/weights.bin'",
    "Key='models/2024-01-15/ResNet50_V1.bin'",
    "secret_dim='12'",
    "storage_key='runs/v1/a'",
    "database_url='sqlite:///file.db'",
    "DATABASE_URL=sqlite:///file.db",
    "database_url='duckdb:///a/b.duckdb'",
    "Missing key(s): Encoder.layers.0.weight",
    "Missing key: Encoder.layers.0.self_attn.q_proj.weight",
    "Missing key: Encoder.layers.10.SelfAttention2.weight",
    "token: Qwen2.5-Coder-32B-Instruct",
    "token='Qwen2.5-Coder-32B-Instruct'",
    "key: Llama-3.1-Nemotron-70B-Instruct-HF",
    "password = load(a)",
    "secret = np.random.rand(3)",
    'pwd = Path("x")',
    "token = tokens[i]",
    "key = jax.random.PRNGKey(0)",
    "+    password = load(a)",
    "password = get_password()",
    "password=password",
    "password = getpass.getpass()",
    "connect(password=args.password)",
    "password = self._password",
    "password = db_password",
    "api_key=api_key,",
    "password = config['db']['password']",
    'password = config["db"]["password"]',
    'password = os.environ["DB_PASSWORD"]',
    'password = os.getenv("DB_PASSWORD")',
    'password = getenv("DB_PASSWORD")',
    '{"api_key": {"type": "string", "description": "The key."}}',
    '{"secret": {"name": "my-secret", "namespace": "prod"}}',
    "secret:\n  secretName: my-secret\n",
    "if password:\n    login()\n",
    "if has_password:\n    return\n",
    "secrets:\n  - source: my-secret\n",
    "secrets:\n  - db-creds\n",
    '{"password": ["This field is required."]}',
    '{"password": null, "secret": 12, "api_key": ["a"]}',
    "password: {{ db_password }}",
    'password: "{password}"',
    "password=<your-password>",
    "password=${VAR}",
    "password: ${{ secrets.DB_PASSWORD }}",
    "password=$DB_PASSWORD",
    'password="$(cat /run/secrets/pw)"',
    "password=$(cat file)",
    "password: ${oc.env:DB_PASSWORD}",
    'f"password={password}"',
    "password=%s",
    "password: changeme",
    "password: <API_KEY>",
    "def f(password: str = None)",
    'def f(password: str = "")',
    "def f(password: Optional[str] = None)",
    'getenv("DB_PASSWORD", "")',
    'getenv("DB_PASSWORD")',
    'add_argument("--password", help="the password")',
    'add_argument("--password", default=None)',
    "setPassword(password)",
    'get_secret("my-secret")',
    "proxy_pass http://backend;",
    "the password field",
    "API key: required",
    "api key: see docs",
    "user,password\n",
    "PWD=/home/me",
    "password -> str",
    "def get_password(self) -> str:",
    "name,secret\nmodel,alpha\n",
    'variable "db_password" {\n  type = string\n}\n',
    "sort_key,label\na1b2c3d4,1\n",
    "localhost:5432",
    "main.cc:1234:warn",
    "machine learning login page",
    "psk_order=4",
    "8psk: 0.9",
    "key = jnp.zeros((3, 4))",
    "password_length: 12",
    "secret = torch.randn(2, 3)",
    "token = self.tokenizer.convert_ids_to_tokens(i)",
    "auth = HTTPBasicAuth(user, pw)",
    "password = serializers.CharField(write_only=True)",
    "export PASSWORD=$PASSWORD",
    "secret=$(aws ssm get-parameter --name x)",
    "user: bob\npassword:\nhost: x\n",
    "password:\n\n  text",
    '"passwords": []',
    '"secrets": {}',
    "api_keys: []",
    "+password = get_password()",
    "self.password = password",
    "pwd = Path.cwd()",
    "api_key = load_key(path)",
    "secret_share = share * n",
    "secret = a.weight @ b",
    "PASSWORD = (\n    get_password()\n)",
    "password: str = Field(...)",
    "password : 12.5%",
    '{"password":"float64","user":"string"}',
    '{"password": {"type": "string", "minLength": 8}}',
    '{"password": "VARCHAR(255)"}',
    '"password": 12345',
    '{\n "password": true\n}',
    "**password**: the one of the user",
    "password += 1",
    "#define PASSWORD_MAX 12",
    "HTTPBasicAuth(user, password)",
    "<key>password</key><true/>",
    '<label for="password1">Password1</label>',
    'Authorization header "Bearer"',
    "secret%3Aname",
    '@click.option("--password", "--pw")',
]

TABLES = [
    "| user | password | n |\n|:-----|:---------|--:|\n| ann  | §  | 1 |\n",
    "|password|\n|---|\n|`§`|\n",
    " user | password\n------+----------\n ann  | §\n(1 row)\n",
    "+------+----------+\n| user | password |\n+------+----------+\n| ann  | a word   |\n+--+--+\n| bob  | § |\n",
    "│ user ┆ password │\n│ ---  ┆ ---      │\n│ str  ┆ str      │\n╞══════╪══════════╡\n│ ann  ┆ § │\n",
    ",user,password\n0,ann,§\n",
    '{"columns":["user","password"],"index":[0,1],"data":[["ann","a"],["bob","§"]]}',
    "{'columns': ['user', 'password'], 'index': [0], 'data': [['ann', '§']]}",
    '{\n  "columns": [\n    "password",\n    "n"\n  ],\n  "data": [\n    [\n      "§",\n      1.5\n    ]\n  ]\n}',
    "<table><tr><th>user</th><th>password</th></tr><tr><td>ann</td><td>§</td></tr></table>",
    '<thead>\n<tr style="a: b;">\n<th></th>\n<th>password</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<th>0</th><td>§</td></tr>',
]
"""Tables in text, as pandas, polars, databases and Markdown write them."""

SECRETS = ["tr0ub4dor" + "-and-3", "hunter" + "22"]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("text", [*NESTED, *NOT_A_PLACEHOLDER, *KEYS, *SOURCE, *FORMS, *TABLES])
def test_a_secret_in_text(text: str, secret: str) -> None:
    redacted = Redactor().redact_text(text.replace("§", secret))
    assert secret not in redacted
    assert "[REDACTED:" in redacted
    assert Redactor().redact_text(redacted) == redacted


@pytest.mark.parametrize("text", PLAIN)
def test_text_that_stays(text: str) -> None:
    assert Redactor().redact_text(text) == text


def test_only_the_values_of_a_column_go() -> None:
    text = "user,password,role\nann,S1-one-1,admin\nbob,S2-two-2,guest\n\nsee above, S1\n"
    redacted = Redactor().redact_text(text)
    hidden = "[REDACTED:key-password]"
    assert redacted == f"user,password,role\nann,{hidden},admin\nbob,{hidden},guest\n\nsee above, S1\n"


@pytest.mark.parametrize(
    "table", ["{},{}\n{},{}\n", "|{}|{}|\n|--|--|\n|{}|{}|\n", "{{'columns':['{}','{}'],'data':[['{}','{}']]}}"]
)
def test_the_values_of_two_columns(table: str) -> None:
    redacted = Redactor().redact_text(table.format("password", "api_key", "S1-one-1", "S2-two-2"))
    assert redacted == table.format("password", "api_key", "[REDACTED:key-password]", "[REDACTED:key-api-key]")


@pytest.mark.parametrize(
    "text",
    [
        "| option | meaning |\n|--|--|\n| password | S1-one-1 |\n",
        '{"columns": ["user", "n"], "data": [["S1-one-1", 1]]}',
        "<tr><th>user</th><td>password</td></tr><tr><td>S1-one-1</td><td>a word</td></tr>",
        "a | password\nb | S1-one-1\n",
    ],
)
def test_what_stands_under_another_name_stays(text: str) -> None:
    assert Redactor().redact_text(text) == text


def test_only_the_values_in_a_list_go() -> None:
    redacted = Redactor().redact_text('{"passwords": ["S1-one-1", null, 7, "S2-two-2"], "user": "ann-7"}')
    assert redacted == '{"passwords": ["[REDACTED:key-password]", null, 7, "[REDACTED:key-password]"], "user": "ann-7"}'


def test_what_says_something_about_a_secret_stays() -> None:
    redacted = Redactor().redact_text('{"api_key": {"value": "S1-one-1", "type": "v1-b", "created": "2026-01-02"}}')
    assert redacted == '{"api_key": {"value": "[REDACTED:key-api-key]", "type": "v1-b", "created": "2026-01-02"}}'


def test_a_secret_whose_key_is_wide_is_hidden_where_it_stands() -> None:
    redacted = Redactor().redact_text("设置\uff0c密码\uff1aS1-one-1\uff0c完成")
    assert "S1-one-1" not in redacted
    assert redacted.startswith("设置\uff0c密码\uff1a[REDACTED:")


@pytest.mark.parametrize("key", ["password=", "PASSWORD=", "api_key:", "DB-Secret="])
def test_keys_in_wide_letters(key: str) -> None:
    wide = key.translate({ordinary: ordinary + 0xFEE0 for ordinary in range(0x21, 0x7F)})
    for secret in SECRETS:
        assert Redactor().redact_text(f"{wide}{secret}").startswith(f"{wide}[REDACTED:key-")


def test_the_colour_behind_a_secret_stays() -> None:
    text = f"\x1b[1mpassword\x1b[0m: \x1b[32m{SECRETS[0]}\x1b[0m done"
    assert Redactor().redact_text(text) == "\x1b[1mpassword\x1b[0m: \x1b[32m[REDACTED:key-password]\x1b[0m done"

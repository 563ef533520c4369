"""Rules for the credentials of model hubs, of model vendors and of machine learning's own services."""

from __future__ import annotations

from reticent_redact.rules.checks import has_both_cases, has_digit, is_mixed, is_real, is_varied
from reticent_redact.rules.forms import ALONE, AN_UUID, END, END_URLSAFE, HEX_DIGITS, UUID, hexes, mixed, small, token
from reticent_redact.rules.rule import Rule

_LANGUAGE_MODELS: tuple[Rule, ...] = (
    token(
        "anthropic-key",
        "sk-ant-",
        "[a-z0-9]{3,12}-[A-Za-z0-9_-]{78,300}AA" + END_URLSAFE,
        "api03-" + mixed(93) + "AA",
        has_digit,
    ),
    token("openrouter-key", "sk-or-", "(?:v1-)?[a-f0-9]{64}", "v1-" + hexes(64)),
    token("langfuse-key", ("sk-lf-", "pk-lf-"), UUID, AN_UUID),
    token(
        "helicone-key",
        ("sk-helicone-", "pk-helicone-"),
        "[a-z0-9]{7}-[a-z0-9]{7}-[a-z0-9]{7}-[a-z0-9]{7}",
        "-".join(small(28)[n : n + 7] for n in range(0, 28, 7)),
    ),
    token(
        "openai-project-key",
        ("sk-proj-", "sk-svcacct-", "sk-admin-", "sk-None-", "sk-service-"),
        "[A-Za-z0-9_-]{20,300}",
        mixed(24),
        has_digit,
    ),
    token("openai-key", "sk-", "[A-Za-z0-9]{32,200}" + END, mixed(20) + "T3Blbk" + "FJ" + mixed(20), has_digit),
    token("openai-session", "sess-", "[A-Za-z0-9]{40}" + END, mixed(40), is_varied),
    token("groq-key", "gsk_", "[A-Za-z0-9]{48,56}" + END, mixed(52), is_varied),
    token("perplexity-key", "pplx-", "[A-Za-z0-9]{40,64}" + END, mixed(48), has_digit),
    token("fireworks-key", "fw_", "[A-Za-z0-9]{22,24}" + END, mixed(24), has_both_cases),
    token("together-key", "tgp_v1_", "[A-Za-z0-9_-]{43}" + END_URLSAFE, mixed(43)),
    token("xai-key", "xai-", "[A-Za-z0-9]{70,90}" + END, mixed(80), is_varied),
    token("cerebras-key", "csk-", "[a-z0-9]{48}" + END, small(48), has_digit),
    token("voyage-key", ("pa-", "al-"), "[A-Za-z0-9_-]{43}" + END_URLSAFE, mixed(43), is_varied),
    token("nvidia-key", "nvapi-", "[A-Za-z0-9_-]{60,80}", mixed(64), has_digit),
    token("jina-key", "jina_", "[a-f0-9]{32}[A-Za-z0-9_-]{28}", hexes(32) + mixed(28)),
    token("llama-cloud-key", "llx-", "[A-Za-z0-9]{48}" + END, mixed(48), is_mixed),
    token("tavily-key", ("tvly-", "tvly-dev-", "tvly-prod-"), "[A-Za-z0-9]{20,40}" + END, mixed(32), has_digit),
    token("firecrawl-key", "fc-", "[a-f0-9]{32}" + END, hexes(32)),
    token("friendli-token", "flp_", "[A-Za-z0-9]{40,64}" + END, mixed(48), is_varied),
    Rule(
        "elevenlabs-key",
        tuple(f"sk_{digit}" for digit in HEX_DIGITS),
        ALONE + "sk_[a-f0-9]{48}" + END,
        is_real,
        hits=("sk_" + hexes(48),),
        misses=("sk_" + hexes(20), "mask_" + hexes(48), "sk_" + "x" * 48),
    ),
    token("cartesia-key", "sk_car_", "[A-Za-z0-9_-]{20,64}", mixed(24), is_mixed),
)

_HUBS_AND_TRACKERS: tuple[Rule, ...] = (
    token("huggingface-token", ("hf_", "api_org_"), "[A-Za-z0-9]{34,40}" + END, mixed(34), has_both_cases),
    token(
        "huggingface-oauth-secret", ("hf_oauth_", "oauth_app_secret_"), "[A-Za-z0-9_.-]{34,400}", mixed(40), is_varied
    ),
    token("replicate-token", "r8_", "[A-Za-z0-9]{37}" + END, mixed(37), has_digit),
    token("wandb-key", "wandb_v1_", "[A-Za-z0-9_]{60,90}", mixed(25) + "_" + mixed(51)),
    Rule(
        "wandb-legacy-key",
        ("wandb login ", "api.wandb.ai", "ANDB_API_KEY", "andb_api_key", "wandb.login("),
        r"(?:wandb login (?:--relogin |--host=[^\s]{1,128} ){0,2}|api\.wandb\.ai[ \t\r\n]{1,4}login[ \t]{1,4}\w{1,64}"
        r"[ \t\r\n]{1,4}password[ \t]{1,4}|(?:ANDB_API_KEY|andb_api_key)[\"']?\]?[ \t]{0,4}[:=][ \t]{0,4}[\"']?"
        r"|wandb\.login\((?:key=)?[\"'])"
        r"(?P<secret>(?:local-)?[a-f0-9]{40})" + END,
        is_real,
        hits=(
            "WANDB_API_KEY=" + hexes(40),
            "wandb login " + hexes(40),
            "machine api.wandb.ai\n  login user\n  password " + hexes(40),
            'wandb.login(key="' + hexes(40) + '")',
        ),
        misses=("WANDB_API_KEY=" + hexes(32), "wandb login --relogin", "WANDB_RUN_ID=" + hexes(40)),
    ),
    token("neptune-token", "eyJhcGlfYWRkcmVzcyI", "[A-Za-z0-9+/]{60,1024}={0,2}", "6Imh0dHBz" + mixed(80)),
    token("kaggle-token", "KGAT_", "[A-Za-z0-9]{32,64}" + END, hexes(32), has_digit),
    Rule(
        "kaggle-json-key",
        ('"username"', '\\"username\\"'),
        r'\\?"username\\?"[ ]{0,4}:[ ]{0,4}\\?"[\w.-]{1,64}\\?"[ ]{0,4},\s{0,16}\\?"key\\?"[ ]{0,4}:[ ]{0,4}\\?"'
        r"(?P<secret>[a-f0-9]{32})" + END,
        is_real,
        hits=('{"username":"someone","key":"' + hexes(32) + '"}',),
        misses=('{"username":"someone","key":"value"}', '{"username":"someone","id":"' + hexes(32) + '"}'),
    ),
    token("langsmith-key", ("lsv2_pt_", "lsv2_sk_"), "[a-f0-9]{32}_[a-f0-9]{10}", hexes(32) + "_" + hexes(10)),
    token("langsmith-legacy-key", "ls__", "[a-f0-9]{32}" + END, hexes(32)),
    token("pinecone-key", "pcsk_", "[A-Za-z0-9_]{50,80}", mixed(6) + "_" + mixed(63), is_varied),
    token("e2b-key", "e2b_", "[a-f0-9]{40}" + END, hexes(40)),
    token("daytona-key", "dtn_", "[a-f0-9]{64}" + END, hexes(64)),
    token("chroma-key", "ck-", "[A-Za-z0-9]{43,44}" + END, mixed(44), is_varied),
    token("arize-key", "ak-", UUID + "-[A-Za-z0-9_-]{20,64}", AN_UUID + "-" + mixed(32)),
    token("modal-token", ("ak-", "as-"), "[A-Za-z0-9]{22}" + END_URLSAFE, mixed(22), has_both_cases),
    token("runpod-key", "rpa_", "[A-Z0-9]{40}[A-Za-z0-9]{4,8}" + END, mixed(40).upper() + small(6), has_digit),
    token(
        "lambda-cloud-key",
        "secret_",
        r"[a-z0-9-]{1,64}_[a-f0-9]{32}\.[A-Za-z0-9]{32}" + END,
        f"name_{hexes(32)}.{mixed(32)}",
    ),
    token("anyscale-token", ("aph0_", "esecret_"), "[A-Za-z0-9_-]{24,200}", mixed(40), is_varied),
    token("gretel-key", "grtu", "[a-f0-9]{60}" + END, hexes(60)),
    token("mem0-key", "m0-", "[A-Za-z0-9]{40}" + END, mixed(40), is_varied),
    Rule(
        "cursor-key",
        tuple(f"key_{digit}" for digit in HEX_DIGITS),
        ALONE + "key_[a-f0-9]{64}" + END,
        is_real,
        hits=("key_" + hexes(64),),
        misses=("key_" + hexes(40), "monkey_" + hexes(64)),
    ),
    Rule(
        "comet-api-key",
        ("OMET_API_KEY", "omet_api_key"),
        r"(?:OMET_API_KEY|omet_api_key)[\"']?\]?[ \t]{0,4}[:=][ \t]{0,4}[\"']?(?P<secret>[A-Za-z0-9]{25})" + END,
        is_mixed,
        hits=("COMET_API_KEY=" + mixed(25), 'comet_api_key: "' + mixed(25) + '"'),
        misses=("COMET_API_KEY=" + mixed(10), "COMET_API_KEY=${COMET_API_KEY_OF_PROD}"),
    ),
)

RULES: tuple[Rule, ...] = (*_LANGUAGE_MODELS, *_HUBS_AND_TRACKERS)

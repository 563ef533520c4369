"""Rules for the credentials of clouds, hosting and the stores of secrets themselves."""

from __future__ import annotations

from reticent_redact.rules.checks import has_digit, is_mixed, is_real, is_varied
from reticent_redact.rules.forms import (
    ALONE,
    AN_UUID,
    END,
    END_URLSAFE,
    HEX_DIGITS,
    UUID,
    capital,
    hexes,
    mixed,
    small,
    token,
)
from reticent_redact.rules.rule import Rule

_ASSIGNED = r"""\\{0,3}["']?[ \t]{0,4}(?:=>|[:=])[ \t]{0,4}\\{0,3}["']?"""  # from a key to its value

_AWS: tuple[Rule, ...] = (
    Rule(
        "aws-access-key-id",
        ("AKIA", "ASIA", "ABIA", "ACCA"),
        ALONE + r"A(?:KI|SI|BI|CC)A[A-Z2-7]{16}" + END,
        is_real,
        hits=("AKIA" + "QYLPMN5H" * 2, "id=ASIA" + "Y34FZKBO" * 2 + ";", "ABIA" + "QYLPMN5H" * 2),
        misses=("AKIA" + "IOSFODNN7EXAMPLE", "AKIA" + "QYLPMN5H", "ASIAN" + "FUSIONRESTAURANTS"),
    ),
    Rule(
        "aws-secret-access-key",
        ("ecret_access_key", "ECRET_ACCESS_KEY", "ecretAccessKey", "ecret_key", "ECRET_KEY", "ecretKey", "ecret Key"),
        r"(?:ecret_access_key|ECRET_ACCESS_KEY|ecretAccessKey|ecret_key|ECRET_KEY|ecretKey|ecret Key)"
        + _ASSIGNED
        + r"(?P<secret>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
        is_varied,
        hits=(
            "aws_secret_access_key = " + mixed(18) + "/" + mixed(20) + "+",
            '"SecretAccessKey": "' + mixed(40) + '"',
        ),
        misses=("aws_secret_access_key = " + mixed(20), "SECRET_KEY=" + hexes(40), "secret_key: " + mixed(64)),
    ),
    Rule(
        "aws-session-token",
        ("IQoJb3JpZ2lu", "FwoGZXIvYXdz", "FQoGZXIvYXdz"),
        ALONE + r"(?:IQoJb3JpZ2lu|F[Qw]oGZXIvYXdz)[A-Za-z0-9+/%]{80,4096}={0,2}",
        is_real,
        hits=("IQoJb3JpZ2lu" + "X2VjE" + mixed(300) + "==", "FwoGZXIvYXdz" + "E" + mixed(200)),
        misses=("IQoJb3JpZ2lu" + mixed(20), "aIQoJb3JpZ2lu" + mixed(200)),
    ),
    token(
        "aws-bedrock-long-key",
        "ABSK",
        "[A-Za-z0-9+/]{100,400}={0,2}",
        "QmVkcm9ja0FQSUtleS" + mixed(92) + "=",
        is_varied,
    ),
    token(
        "aws-bedrock-short-key",
        "bedrock-api-key-",
        "YmVkcm9jay5hbWF6b25hd3MuY29t[A-Za-z0-9+/_-]{0,8192}={0,2}",  # its Base64 begins with bedrock's address
        "YmVkcm9jay5hbWF6b25hd3MuY29t" + mixed(20),
    ),
    token("aws-appsync-key", "da2-", "[a-z0-9]{26}" + END, small(26), has_digit),
    token("aws-mws-token", "amzn.mws.", UUID, AN_UUID),
    token("amazon-login-secret", "amzn1.oa2-cs.v1.", "[0-9a-f]{64}", hexes(64)),
    token("amazon-refresh-token", ("Atzr|", "Atza|"), "[A-Za-z0-9_-]{80,1024}", mixed(90)),
)

_GOOGLE: tuple[Rule, ...] = (
    token("google-api-key", "AIza", "[A-Za-z0-9_-]{35}" + END, "Sy" + mixed(15) + "_-" + mixed(16)),
    token("google-bound-api-key", "AQ.Ab", "[A-Za-z0-9_-]{40,200}", "8" + mixed(47), has_digit),
    token("google-oauth-client-secret", "GOCSPX-", "[A-Za-z0-9_-]{28}", mixed(28)),
    token("google-oauth-access-token", "ya29.", "[A-Za-z0-9_-]{20,2048}(?:\\.[A-Za-z0-9_-]{1,512})?", "a0" + mixed(18)),
    Rule(
        "google-oauth-refresh-token",
        ("0//0",),
        r"(?<![A-Za-z0-9/:.])1//0[A-Za-z0-9_-]{40,200}" + END_URLSAFE,
        is_mixed,
        hits=("1//0" + "4" + mixed(60),),
        misses=("1//0" + mixed(20), "http:1//0" + mixed(60), "1//0" + "x" * 60),
    ),
    token(
        "google-service-account-base64",
        (
            "ewogICJ0eXBlIjogInNlcnZpY2VfYWNjb3VudCI",
            "eyJ0eXBlIjogInNlcnZpY2VfYWNjb3VudCI",
            "eyJ0eXBlIjoic2VydmljZV9hY2NvdW50I",
        ),
        r"[A-Za-z0-9+/\n]{100,16384}={0,2}",
        mixed(110),
    ),
)

_BASE64_76 = r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{76}"

_AZURE: tuple[Rule, ...] = (
    Rule(
        "azure-account-key",
        ("AccountKey=", "SharedAccessKey=", "accountKey=", "ccount_key="),
        r"(?:[Aa]ccountKey|SharedAccessKey|ccount_key)=(?P<secret>[A-Za-z0-9+/]{42,86}={0,2})",
        is_varied,
        hits=("AccountName=a;AccountKey=" + mixed(86) + "==;", "SharedAccessKey=" + mixed(43) + "="),
        misses=("AccountKey=" + mixed(20), "AccountKey=" + "x" * 86 + "==", "AccountKey=${STORAGE_KEY};"),
    ),
    Rule(
        "azure-storage-key",
        ("+ASt", "ACDb", "+ABa", "+AMC", "AzFu", "AzSe", "AzCa", "AzCr", "+AIo", "+ASb", "+AEh", "+ARm"),
        _BASE64_76 + r"(?:\+ASt|ACDb|\+ABa|\+AMC)[A-Za-z0-9+/]{5}[AQgw]=="
        r"|(?<![A-Za-z0-9_/+-])[A-Za-z0-9_/+-]{44}Az(?:Fu|Se)[A-Za-z0-9_/+-]{5}[AQgw]={0,2}"
        r"|(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{42}Az(?:Ca|Cr)[A-Za-z0-9+/]{6}"
        r"|(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{33}(?:\+AIo|\+ASb|\+AEh|\+ARm)[A-Za-z0-9+/]{5}[AEIMQUYcgkosw048]=",
        is_varied,
        before="ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-",
        reach=76,
        hits=(mixed(76) + "+ASt" + "a1B2c" + "A==", "key=" + mixed(33) + "+ASb" + "a1B2c" + "E="),
        misses=(
            mixed(70) + "+ASt" + "a1B2c" + "A==",
            mixed(76) + "+ASt" + "a1B2c",
            mixed(90) + "+ASt" + "a1B2c" + "A==",
        ),
    ),
    Rule(
        "azure-annotated-key",  # Azure DevOps, Azure OpenAI and others: a fixed mark after 52 random characters
        ("JQQJ00", "JQQJ0A", "JQQJ0B", "JQQJ0C", "JQQJ0D", "JQQJ0E", "JQQJ0F", "JQQJ0G", "JQQJ0H"),
        r"(?<![A-Za-z0-9])[A-Za-z0-9]{52}JQQJ9[0-9A-H][A-Za-z0-9]{26}(?:[A-Za-z0-9]{2}==)?" + END,
        is_varied,
        before="ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
        hits=(mixed(52) + "JQQJ99" + mixed(26), mixed(52) + "JQQJ9D" + mixed(18) + "AZDO" + "a1B2"),
        misses=(mixed(50) + "JQQJ99" + mixed(26), mixed(52) + "JQQJ99" + mixed(10), mixed(60) + "JQQJ99" + mixed(26)),
    ),
    Rule(
        "azure-client-secret",
        ("0Q~",),
        r"(?<![A-Za-z0-9~.-])[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}(?!~)" + END_URLSAFE,
        is_varied,
        before="ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_~.-",
        reach=3,
        hits=("abC8Q~" + mixed(34), "secret=x.Z7Q~" + mixed(31)),
        misses=("abC8Q~" + mixed(20), "abC8Q~" + mixed(60), "ab8Q~" + mixed(34)),
    ),
    Rule(
        "azure-sas-signature",
        ("sig=", "sig%0D"),
        r"(?<![A-Za-z0-9_])sig(?:=|%3D)(?P<secret>[A-Za-z0-9+/%]{43,120}={0,2})",
        is_varied,
        hits=("https://a.blob.core.windows.net/c?sv=2022&sig=" + mixed(42) + "%3D", "&sig=" + mixed(43) + "="),
        misses=("?sig=" + mixed(20), "config=" + mixed(43), "sig=" + "x" * 43),
    ),
)

_HOSTING: tuple[Rule, ...] = (
    token("alibaba-access-key-id", "LTAI", "[A-Za-z0-9]{12,20}" + END, mixed(20), is_mixed),
    token("tencent-secret-id", "AKID", "[A-Za-z0-9]{32}" + END, mixed(32), is_varied),
    token("digitalocean-token", ("dop_v1_", "doo_v1_", "dor_v1_"), "[a-f0-9]{64}", hexes(64)),
    token("yandex-api-key", "AQVN", "[A-Za-z0-9_-]{35,38}" + END_URLSAFE, mixed(36), is_varied),
    token("yandex-static-key-id", ("YCAJ", "YCAM"), "[A-Za-z0-9_-]{21}" + END_URLSAFE, mixed(21), is_varied),
    token(
        "yandex-static-secret", ("YCM", "YCN", "YCO", "YCP"), "[A-Za-z0-9_-]{37}" + END_URLSAFE, mixed(37), is_varied
    ),
    token(
        "yandex-iam-token", "t1.", "[A-Za-z0-9_-]{2,1024}={0,2}\\.[A-Za-z0-9_-]{86}={0,2}", mixed(60) + "." + mixed(86)
    ),
    token("yandex-oauth-token", ("y0_", "y1_", "y2_", "y3_"), "[A-Za-z0-9_-]{50,200}", "Ag" + mixed(52), is_varied),
    token("cloudflare-origin-ca-key", "v1.0-", "[a-f0-9]{24}-[a-f0-9]{146}" + END, hexes(24) + "-" + hexes(146)),
    token("cloudflare-token", ("cfut_", "cfat_", "cfk_"), "[A-Za-z0-9]{40,56}" + END, mixed(48), is_mixed),
    token("scalingo-token", ("tk-us-", "tk-eu-"), "[A-Za-z0-9_-]{48}" + END_URLSAFE, mixed(48), is_mixed),
    token("heroku-token", "HRKU-", f"(?:{UUID}|[A-Za-z0-9_-]{{60}})", "AA" + mixed(58)),
    token(
        "planetscale-token",
        ("pscale_pw_", "pscale_tkn_", "pscale_oauth_"),
        "[A-Za-z0-9_.=-]{32,64}",
        mixed(43),
        is_mixed,
    ),
    token("fly-token", ("fm1r_", "fm1a_", "fm2_"), "[A-Za-z0-9+/]{40,4096}={0,3}", mixed(43), is_varied),
    token("fly-oauth-token", "fo1_", "[A-Za-z0-9_-]{43}" + END_URLSAFE, mixed(43), is_varied),
    token("netlify-token", ("nfp_", "nfc_", "nfo_", "nfu_", "nfb_"), "[A-Za-z0-9]{36}" + END, mixed(36), is_mixed),
    token("vercel-token", ("vcp_", "vci_", "vca_", "vcr_", "vck_"), "[A-Za-z0-9]{24,80}" + END, mixed(40), is_varied),
    token("vercel-blob-token", "vercel_blob_rw_", "[A-Za-z0-9]{12,32}_[A-Za-z0-9]{20,40}", mixed(16) + "_" + mixed(30)),
    token("supabase-token", ("sbp_", "sbp_v0_", "sbp_oauth_"), "[a-f0-9]{40}" + END, hexes(40)),
    token("supabase-secret-key", "sb_secret_", "[A-Za-z0-9_-]{20,64}", mixed(31)),
    token("neon-api-key", "napi_", "[a-z0-9]{48,80}" + END, small(64), has_digit),
    token(
        "tailscale-key",
        ("tskey-", "tskey-auth-", "tskey-api-", "tskey-client-"),
        "[A-Za-z0-9]{8,32}-[A-Za-z0-9]{20,48}",
        mixed(12) + "-" + mixed(32),
    ),
    token("aiven-password", "AVNS_", "[A-Za-z0-9_-]{19}" + END_URLSAFE, mixed(19)),
    token("confluent-secret", "cflt", "[A-Za-z0-9+/]{60}" + END, mixed(60), is_varied),
    token("akamai-token", "akab-", "[a-z0-9]{16}-[a-z0-9]{16}(?![a-z0-9]|\\.luna)", small(16) + "-" + small(16)),
    token("databricks-token", ("dapi", "dose"), "[a-f0-9]{32}(?:-[0-9])?" + END, hexes(32)),
    token("mongodb-atlas-secret", "mdb_sa_sk_", "[A-Za-z0-9_-]{40}", mixed(40)),
    token("render-api-key", "rnd_", "[A-Za-z0-9]{28,40}" + END, mixed(28), is_varied),
)

_SECRET_STORES: tuple[Rule, ...] = (
    token("pulumi-token", "pul-", "[a-f0-9]{40}" + END, hexes(40)),
    Rule(
        "terraform-cloud-token",
        (".atlasv0.",),
        r"(?<![A-Za-z0-9])[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,80}",
        is_real,
        before="ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
        hits=(mixed(14) + ".atlasv1." + mixed(67),),
        misses=(mixed(14) + ".atlasv1." + mixed(20), mixed(12) + ".atlasv1." + mixed(67)),
    ),
    token("vault-token", ("hvs.", "hvb.", "hvr."), "[A-Za-z0-9_-]{24,512}", "CAESI" + mixed(40), has_digit),
    Rule(
        "vault-legacy-token",
        ("AULT_TOKEN", "ault_token", "ault-Token", "ault-token"),
        r"(?:AULT_TOKEN|ault_token|ault-[Tt]oken)" + _ASSIGNED + r"(?P<secret>[sbr]\.[A-Za-z0-9]{20,128})" + END,
        is_mixed,
        hits=("VAULT_TOKEN=s." + mixed(24), "X-Vault-Token: s." + mixed(24)),
        misses=("VAULT_TOKEN=s.short", "VAULT_TOKEN=${TOKEN}"),
    ),
    token(
        "doppler-token",
        ("dp.pt.", "dp.st.", "dp.ct.", "dp.sa.", "dp.said.", "dp.scim.", "dp.audit."),
        r"(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}" + END,
        mixed(43),
    ),
    token("onepassword-service-token", "ops_eyJ", "[A-Za-z0-9+/_-]{200,4096}={0,2}", mixed(260)),
    token(
        "onepassword-secret-key",
        "A3-",
        "[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}" + END,
        "-".join((capital(6), capital(6), "X9RTB", "4VDNC", "K7QZ2", "LMX9R")),
    ),
    token(
        "age-secret-key",
        "AGE-SECRET-KEY-1",
        "[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}" + END,
        "QPZRY9X8GF2TVDW0S3" * 3 + "JN54",
        bool,
    ),
    Rule(
        "infisical-token",
        tuple(f"st.{digit}" for digit in HEX_DIGITS),
        ALONE + r"st\.[0-9a-f]{24}\.[0-9a-f]{32}\.[0-9a-f]{32}",
        is_real,
        hits=(f"st.{hexes(24)}.{hexes(32)}.{hexes(32)}",),
        misses=(f"test.{hexes(24)}.{hexes(32)}.{hexes(32)}", f"st.{hexes(24)}.{hexes(32)}"),
    ),
)

RULES: tuple[Rule, ...] = (*_AWS, *_GOOGLE, *_AZURE, *_HOSTING, *_SECRET_STORES)

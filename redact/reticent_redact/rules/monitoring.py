"""Rules for the credentials of monitoring, of analytics and of the services that teams work with."""

from __future__ import annotations

from reticent_redact.rules.checks import has_digit, is_password, is_real, is_varied
from reticent_redact.rules.forms import (
    ALONE,
    ALPHANUMERIC,
    AN_UUID,
    END,
    END_URLSAFE,
    UUID,
    capital,
    hexes,
    mixed,
    small,
    token,
)
from reticent_redact.rules.rule import Rule

_AIRTABLE = (
    *(f"pat{one}" for one in ALPHANUMERIC if one not in "htic"),
    *(f"pat{one}{two}" for one in "htic" for two in ALPHANUMERIC if one + two not in {"te", "ie", "ch"}),
)
"""More than the prefix: paths, patterns, patience and patches are everywhere."""

_MONITORING: tuple[Rule, ...] = (
    token("sentry-organization-token", "sntrys_", "eyJ[A-Za-z0-9+/=_-]{40,800}", "eyJ" + mixed(75)),
    token("sentry-token", ("sntryu_", "sntrya_", "sntryi_"), "[a-f0-9]{64}" + END, hexes(64)),
    token(
        "new-relic-key",
        ("NRAK-", "NRJS-", "NRII-", "NRAA-", "NRRA-", "NRBR-"),
        "[A-Za-z0-9_-]{19,42}",
        capital(36),
        has_digit,
    ),
    Rule(
        "new-relic-license-key",
        ("FFFFNRAL",),
        r"(?<![A-Za-z0-9])[a-f0-9]{32}FFFFNRAL" + END,
        is_real,
        before="0123456789abcdef",
        hits=(hexes(32) + "FFFFNRAL",),
        misses=(hexes(20) + "FFFFNRAL", "g" + hexes(32) + "FFFFNRAL"),
    ),
    token("grafana-cloud-token", "glc_", "[A-Za-z0-9+/]{32,400}={0,3}", "eyJv" + mixed(56), has_digit),
    token("grafana-service-account-token", "glsa_", "[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}", mixed(32) + "_" + hexes(8)),
    token("grafana-api-key", "eyJrIjoi", "[A-Za-z0-9+/_-]{60,400}={0,3}", mixed(80)),
    token(
        "honeycomb-key",
        ("hcaik_", "hcxik_", "hcxlk_", "hcamk_", "hcalk_"),
        "[a-z0-9]{32,64}" + END,
        small(58),
        has_digit,
    ),
    token(
        "dynatrace-token",
        ("dt0c00.", "dt0s00."),
        "[A-Za-z0-9]{8,32}\\.[A-Za-z0-9]{64}",
        capital(24) + "." + capital(64),
    ),
    token("launchdarkly-key", ("api-", "sdk-"), UUID, AN_UUID),
    token("posthog-key", ("phx_", "phc_", "phs_"), "[A-Za-z0-9]{43,56}" + END, mixed(43), has_digit),
    Rule(
        "datadog-key",
        ("D_API_KEY", "D-API-KEY", "D_APP_KEY", "D_APPLICATION_KEY", "D-APPLICATION-KEY"),
        r"D[_-](?:API|APP|APPLICATION)[_-]KEY[\"']?\]?[ \t]{0,4}[:=][ \t]{0,4}[\"']?(?P<secret>[a-f0-9]{32}(?:[a-f0-9]{8})?)"
        + END,
        is_real,
        hits=("DD_API_KEY=" + hexes(32), "DD-APPLICATION-KEY: " + hexes(40), 'DD_APP_KEY="' + hexes(40) + '"'),
        misses=("DD_API_KEY=${DD_API_KEY}", "DD_API_KEY=" + hexes(20)),
    ),
    token("datadog-token", ("ddapp_", "ddpat_", "ddsat_"), "[A-Za-z0-9]{34,80}" + END, mixed(40), has_digit),
    Rule(
        "splunk-token",
        ("Splunk ", "splunk "),
        r"[Ss]plunk (?P<secret>" + UUID + ")" + END,
        is_real,
        hits=("Authorization: Splunk " + AN_UUID,),
        misses=("Splunk Enterprise", "Splunk " + hexes(32)),
    ),
    token("axiom-token", ("xaat-", "xapt-"), UUID, AN_UUID),
    token(
        "logfire-token", ("pylf_v0_us_", "pylf_v0_eu_", "pylf_v0_"), "[A-Za-z0-9]{40,64}" + END, mixed(43), has_digit
    ),
)

_TEAMWORK: tuple[Rule, ...] = (
    Rule(
        "airtable-token",
        _AIRTABLE,
        ALONE + r"pat[A-Za-z0-9]{14}\.[a-f0-9]{64}" + END,
        is_real,
        hits=("pat" + mixed(14) + "." + hexes(64), "path" + mixed(13) + "." + hexes(64)),
        misses=(
            "pat" + mixed(14) + "." + hexes(20),
            "path" + mixed(40) + ".py",
            "compat" + mixed(14) + "." + hexes(64),
        ),
    ),
    token("notion-token", ("ntn_", "secret_"), "[A-Za-z0-9]{43,50}" + END, mixed(46), is_varied),
    token("figma-token", ("figd_", "figo_", "figu_", "figoh_", "figor_"), "[A-Za-z0-9_-]{38,44}", mixed(40)),
    token("contentful-token", "CFPAT-", "[A-Za-z0-9_-]{43,64}", mixed(43)),
    token("typeform-token", "tfp_", "[A-Za-z0-9_.=-]{40,64}", mixed(59), has_digit),
    token("dropbox-token", ("sl.", "sl.u."), "[A-Za-z0-9_-]{130,1500}", mixed(136), is_varied),
    token("frameio-token", "fio-u-", "[A-Za-z0-9_=-]{64}", mixed(64)),
    Rule(
        "asana-token",
        ("/000000000000",),
        r"(?<![A-Za-z0-9/.:-])[0-2]/[0-9]{12,20}(?:/[0-9]{12,20})?:[a-f0-9]{32}" + END,
        is_real,
        before="012",
        reach=1,
        hits=("1/1234567890123456:" + hexes(32), "2/1234567890123456/1234567890123456:" + hexes(32)),
        misses=("1/1234567890123456:" + hexes(20), "run/1234567890123456:" + hexes(32)),
    ),
    Rule(
        "clickup-token",
        ("pk_0",),
        ALONE + "pk_[0-9]{6,10}_[A-Z0-9]{32}" + END,
        has_digit,
        hits=("pk_12345678_" + capital(32),),
        misses=("pk_12345678_" + capital(20), "apk_12345678_" + capital(32)),
    ),
    token("hubspot-token", ("pat-na0-", "pat-eu0-", "pat-ap0-"), UUID, AN_UUID),
    token("defined-networking-token", "dnkey-", "[a-z0-9=_-]{26}-[a-z0-9=_-]{52}", small(26) + "-" + small(52)),
    token("school-42-client-secret", ("s-s4t2ud-", "s-s4t2af-"), "[0-9a-f]{64}", hexes(64)),
    token("adafruit-io-key", "aio_", "[A-Za-z0-9]{28}" + END, mixed(28), has_digit),
    token("salesforce-session", "00D", "[A-Za-z0-9]{12,15}![A-Za-z0-9_.]{80,200}", mixed(12) + "!AQ" + mixed(94)),
    Rule(
        "maxmind-license-key",
        ("_mmk",),
        r"(?<![A-Za-z0-9])[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk" + END,
        is_real,
        before="ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_",
        reach=36,
        hits=(f"{mixed(6)}_{mixed(29)}_mmk",),
        misses=(f"{mixed(6)}_{mixed(20)}_mmk", f"{mixed(9)}_{mixed(29)}_mmk"),
    ),
    Rule(
        "mapbox-token",
        ("pk.eyJ", "sk.eyJ", "tk.eyJ"),
        ALONE + r"[pst]k\.eyJ[A-Za-z0-9_-]{40,200}\.[A-Za-z0-9_-]{20,40}",
        is_real,
        hits=("pk.eyJ" + mixed(60) + "." + mixed(22), "sk.eyJ" + mixed(60) + "." + mixed(22)),
        misses=("pk.eyJ" + mixed(10) + "." + mixed(22), "apk.eyJ" + mixed(60) + "." + mixed(22)),
    ),
    Rule(
        "okta-token",
        ("SSWS ", "KTA_TOKEN", "KTA_API_TOKEN", "kta_token", "kta_api_token", "ktaToken"),
        r"(?:SSWS |(?:KTA_(?:API_)?TOKEN|kta_(?:api_)?token|ktaToken)[\"']?[ \t]{0,4}[:=][ \t]{0,4}[\"']?)"
        r"(?P<secret>00[A-Za-z0-9_=-]{40})" + END_URLSAFE,
        is_varied,
        hits=("Authorization: SSWS 00" + mixed(40), 'okta_token: "00' + mixed(40) + '"'),
        misses=("SSWS ${OKTA}", "okta_token: 00" + mixed(20)),
    ),
    Rule(
        "contribsys-gem-credentials",
        ("BUNDLE_ENTERPRISE__CONTRIBSYS__COM", "BUNDLE_GEMS__CONTRIBSYS__COM"),
        r"BUNDLE_(?:ENTERPRISE|GEMS)__CONTRIBSYS__COM[\"']?[ \t]{0,4}[:=][ \t]{0,4}[\"']?(?P<secret>[a-f0-9]{8}:[a-f0-9]{8})"
        + END,
        is_password,
        hits=("BUNDLE_ENTERPRISE__CONTRIBSYS__COM=" + hexes(8) + ":" + hexes(8)[::-1],),
        misses=("BUNDLE_ENTERPRISE__CONTRIBSYS__COM=${CREDENTIALS}", "BUNDLE_GEMS__CONTRIBSYS__COM=1:2"),
    ),
)

RULES: tuple[Rule, ...] = (*_MONITORING, *_TEAMWORK)

"""Rules for the credentials of chat, of mail, of telephony and of social networks."""

from __future__ import annotations

import base64

from reticent_redact.rules.checks import has_digit, is_no_data, is_real, is_varied
from reticent_redact.rules.forms import (
    ALONE,
    ALPHANUMERIC,
    AN_UUID,
    END,
    END_URLSAFE,
    LED,
    TWO_HEX_DIGITS,
    UUID,
    capital,
    hexes,
    led,
    mixed,
    token,
)
from reticent_redact.rules.rule import Rule


def _base64_of_digits() -> tuple[str, ...]:
    """How Base64 of a number begins; what is a digit in it reads as 0."""
    return tuple(sorted({base64.b64encode(f"{number:03}".encode()).decode()[:3] for number in range(1000)}))


_SLACK: tuple[Rule, ...] = (
    Rule(
        "slack-token",
        ("xox",),
        ALONE + r"xox(?:[abcdoprs](?:-[0-9]{9,16}|-[0-9]{1,2}|-T[A-Z0-9]{8,12}){1,3}(?:-[A-Za-z0-9%]{8,160}){1,3}"
        r"|e(?:\.xox[bp])?-[0-9]-[A-Za-z0-9]{60,400})",
        lambda secret: len(secret) >= 20 and secret[5:].strip("-0123456789") != "" and has_digit(secret[7:]),
        hits=(
            "xoxb-" + "123456789012-" + "1234567890123-" + "a1B2c3D4e5F6",
            "xoxp-" + "123456789012-" * 3 + "0a1b2c3d" * 4,
            "xoxe.xoxp-" + "1-" + mixed(160),
            "xoxe-" + "1-" + mixed(140),
        ),
        misses=("xoxo-hugs-and-kisses", "xoxb-1", "xoxb-" + "xxxxxxxxxxxx-" * 2 + "x1"),
    ),
    token(
        "slack-app-token",
        "xapp-",
        "[0-9]-[A-Z0-9]{8,16}-[0-9]{8,16}-[a-f0-9]{60,70}",
        f"1-{capital(11)}-1234567890123-{hexes(64)}",
    ),
    Rule(
        "slack-webhook",
        ("hooks.slack",),
        r"hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/(?P<secret>[A-Z0-9]{8,16}/[A-Za-z0-9]{8,24}/[A-Za-z0-9/]{16,80})",
        is_varied,
        hits=("https://hooks.slack.com/services/" + f"T{capital(8)}/B{capital(8)}/{mixed(24)}",),
        misses=("https://hooks.slack.com/services/T000/B000/XXXX", "https://hooks.slack.com/docs"),
    ),
)

_DISCORD_AND_OTHERS: tuple[Rule, ...] = (
    Rule(
        "discord-bot-token",
        _base64_of_digits(),
        r"(?<![A-Za-z0-9.+/-])[MNO][A-Za-z0-9_-]{22,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}" + END_URLSAFE,
        is_varied,
        hits=(
            "MTIz" + "NDU2Nzg5MDEyMzQ1Njc4" + "." + mixed(6) + "." + mixed(27),
            "MTIz" + mixed(22) + ".Gab1-_." + mixed(38),
        ),
        misses=("MTIz" + mixed(20) + "." + mixed(6), "MTIz" + mixed(60) + "." + mixed(6) + "." + mixed(27)),
    ),
    token("discord-mfa-token", "mfa.", "[A-Za-z0-9_-]{80,95}" + END_URLSAFE, mixed(84), is_varied),
    Rule(
        "discord-webhook",
        ("/api/webhooks/",),
        r"/api/webhooks/[0-9]{16,20}/(?P<secret>[A-Za-z0-9_-]{60,80})",
        is_varied,
        hits=("https://discord.com/api/webhooks/" + "123456789012345678/" + mixed(68),),
        misses=("/api/webhooks/12345/" + mixed(68), "/api/webhooks/" + "123456789012345678/" + mixed(20)),
    ),
    Rule(
        "telegram-bot-token",
        ("0:AA",),
        r"(?:(?<![A-Za-z0-9])|(?<=/bot))[0-9]{6,12}:AA[A-Za-z0-9_-]{32,36}" + END_URLSAFE,
        is_varied,
        before="0123456789",
        reach=16,
        hits=(
            "1234567890:" + "AA" + mixed(33),
            "https://api.telegram.org/bot" + "123456789:" + "AA" + mixed(33) + "/getMe",
        ),
        misses=("12345:" + "AA" + mixed(33), "1234567890:" + "AA" + mixed(12), "a1234567890:" + "AA" + mixed(33)),
    ),
    Rule(
        "teams-webhook",
        (".webhook.office.com/", "outlook.office.com/webhook"),
        r"(?:\.webhook|outlook)\.office(?:365)?\.com/webhook(?:b[0-9])?/(?P<secret>"
        + UUID
        + "@"
        + UUID
        + r"/(?:IncomingWebhook|[A-Za-z]{4,40})/[a-f0-9]{32}/"
        + UUID
        + r"(?:/[A-Za-z0-9_-]{1,80})?)",
        is_real,
        hits=(f"https://a.webhook.office.com/webhookb2/{AN_UUID}@{AN_UUID}/IncomingWebhook/{hexes(32)}/{AN_UUID}",),
        misses=(
            "https://a.webhook.office.com/webhookb2/",
            f"https://a.webhook.office.com/webhookb2/{AN_UUID}/IncomingWebhook",
        ),
    ),
    Rule(
        "google-chat-webhook",
        ("chat.googleapis.com/v0/spaces/",),
        r"chat\.googleapis\.com/v1/spaces/[A-Za-z0-9_-]{6,24}/messages\?key=[A-Za-z0-9_-]{10,64}&token=(?P<secret>[A-Za-z0-9_%-]{30,80})",
        is_real,
        hits=("https://chat.googleapis.com/v1/spaces/AAAAb1C2d3E/messages?key=" + mixed(39) + "&token=" + mixed(43),),
        misses=("https://chat.googleapis.com/v1/spaces/AAAAb1C2d3E/messages",),
    ),
    token("intercom-token", "dG9rO", "[A-Za-z0-9+/]{40,80}={0,2}", "i" + mixed(55), is_varied),
)

_MAIL_AND_TELEPHONY: tuple[Rule, ...] = (
    Rule(
        "twilio-key",
        tuple(f"SK{digits}" for digits in TWO_HEX_DIGITS),
        ALONE + "SK[0-9a-f]{32}" + END,
        is_real,
        hits=("SK" + hexes(32),),
        misses=("SK" + hexes(20), "MASK" + hexes(32), "SK" + hexes(40)),
    ),
    Rule(
        "twilio-auth-token",
        tuple(f"AC{digits}" for digits in TWO_HEX_DIGITS),
        ALONE + r"AC[0-9a-f]{32}(?::|[\"']?,[ ]{0,2}[\"'])(?P<secret>[0-9a-f]{32})" + END,
        is_real,
        hits=("AC" + hexes(32) + ":" + hexes(32), 'Client("AC' + hexes(32) + '", "' + hexes(32) + '")'),
        misses=("AC" + hexes(32), "AC" + hexes(32) + ":" + hexes(20)),
    ),
    token("sendgrid-key", "SG.", "[A-Za-z0-9_-]{20,24}\\.[A-Za-z0-9_-]{39,50}", mixed(22) + "." + mixed(43)),
    token("mailgun-key", ("key-", "pubkey-"), "[a-f0-9]{32}" + END, hexes(32)),
    Rule(
        "mailchimp-key",
        ("-us0",),
        r"(?<![A-Za-z0-9])[0-9a-f]{32}-us[0-9]{1,2}" + END,
        is_real,
        before="0123456789abcdef",
        reach=33,
        hits=(hexes(32) + "-us14",),
        misses=(hexes(20) + "-us14", hexes(40) + "-us14", "model-us1"),
    ),
    token("brevo-key", ("xkeysib-", "xsmtpsib-"), "[a-f0-9]{64}-[A-Za-z0-9]{16}", hexes(64) + "-" + mixed(16)),
    Rule(
        "resend-key",
        (*led("re_"), "_re_"),
        f"(?:{LED}|_)" + "(?P<secret>re_[A-Za-z0-9]{8}_[A-Za-z0-9]{24})" + END,
        is_varied,
        hits=("re_" + mixed(8) + "_" + mixed(24), 'key="re_' + mixed(8) + "_" + mixed(24) + '"'),
        misses=("score_" + mixed(8) + "_" + mixed(24), "re_" + mixed(8) + "_" + mixed(20)),
    ),
    token("expo-token", "ExponentPushToken[", "[A-Za-z0-9_-]{18,40}\\]", mixed(22) + "]"),
    token("messagebird-key", "live_", "[A-Za-z0-9]{25}" + END_URLSAFE, mixed(25), is_varied),
)

_SOCIAL: tuple[Rule, ...] = (
    Rule(
        "twitter-bearer-token",
        ("%0D",),
        r"(?<![A-Za-z0-9%])A{18,24}[A-Za-z0-9%]{20,80}%3D[A-Za-z0-9%]{30,80}",
        is_varied,
        before="ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789%",
        reach=120,
        hits=("A" * 21 + "MLheA" + mixed(20) + "%2B" + mixed(20) + "%3D" + mixed(50),),
        misses=("A" * 21 + mixed(20), "q=%3D" + mixed(50), "A" * 10 + mixed(20) + "%3D" + mixed(50)),
    ),
    token(
        "linkedin-client-secret",
        "WPL_AP0.",
        "[A-Za-z0-9]{14,20}\\.[A-Za-z0-9+/]{6,16}={0,2}",
        mixed(16) + "." + mixed(6),
    ),
    Rule(
        "facebook-token",
        tuple(f"EAA{one}" for one in ALPHANUMERIC if one != "A"),
        ALONE + "EAA[B-Za-z0-9][A-Za-z0-9]{90,400}" + END,
        is_no_data,
        hits=("EAA" + "C" + mixed(120),),
        misses=("EAA" + "C" + mixed(60), "EAA" + "C" + mixed(60) + "AAAAA" + mixed(60), "aEAA" + "C" + mixed(120)),
    ),
    token("instagram-token", "IGQ", "[A-Za-z0-9_-]{100,400}" + END_URLSAFE, mixed(140), is_varied),
    token("tiktok-token", "act.", "[A-Za-z0-9]{60,120}(?:![0-9]{4}\\.[a-z0-9]{2})?" + END, mixed(70), is_varied),
)

RULES: tuple[Rule, ...] = (*_SLACK, *_DISCORD_AND_OTHERS, *_MAIL_AND_TELEPHONY, *_SOCIAL)

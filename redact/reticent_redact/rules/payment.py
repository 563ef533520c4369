"""Rules for the credentials of payment, of banks, of exchanges and of shops."""

from __future__ import annotations

from reticent_redact.rules.checks import has_digit, is_no_data, is_real, is_varied
from reticent_redact.rules.forms import (
    ALONE,
    ALPHANUMERIC,
    AN_UUID,
    END,
    END_URLSAFE,
    HEX_DIGITS,
    UUID,
    hexes,
    mixed,
    small,
    token,
)
from reticent_redact.rules.rule import Rule

_TEST_HEX = ("test_0", *(f"test_{one}{two}" for one in "abcdef" for two in HEX_DIGITS))
"""More than `test_`, which every test has."""

_CARDS: tuple[Rule, ...] = (
    token(
        "stripe-key",
        ("sk_live_", "rk_live_", "sk_test_", "rk_test_", "sk_prod_", "rk_prod_", "sk_org_"),
        "[A-Za-z0-9]{16,255}",
        mixed(16),
    ),
    token("stripe-webhook-secret", "whsec_", "[A-Za-z0-9+/]{32,64}={0,2}", mixed(32)),
    token("square-access-token", ("sq0atp-", "sq0csp-", "sq0idp-"), "[A-Za-z0-9_-]{22,60}", mixed(43)),
    Rule(
        "square-token",
        tuple(f"EAAA{one}" for one in ALPHANUMERIC if one != "A"),
        ALONE + "EAAA[B-Za-z0-9_-][A-Za-z0-9_-]{59}" + END_URLSAFE,
        is_no_data,
        hits=("EAAA" + "E" + mixed(59),),
        misses=("EAAA" + "E" + mixed(40), "EAAA" + "E" + mixed(70), "EAAA" + "E" + "x" * 59),
    ),
    token(
        "braintree-token",
        "access_token$",
        "(?:production|sandbox)\\$[0-9a-z]{16}\\$[0-9a-f]{32}",
        "production$" + small(16) + "$" + hexes(32),
    ),
    token(
        "braintree-tokenization-key",
        ("production_", "sandbox_"),
        "[a-z0-9]{8}_[a-z0-9]{16}" + END,
        small(8) + "_" + small(16),
        has_digit,
    ),
    token("adyen-key", "AQE", "[A-Za-z0-9]{80,200}[A-Za-z0-9+/=_.^|-]{0,200}", mixed(120), is_varied),
    token("razorpay-key", ("rzp_live_", "rzp_test_"), "[A-Za-z0-9]{14}" + END, mixed(14)),
    token(
        "flutterwave-secret-key",
        ("FLWSECK-", "FLWSECK_TEST-", "FLWSECK_PROD-"),
        "[A-Za-z0-9]{12,64}-[A-Z]",
        mixed(32) + "-X",
        has_digit,
    ),
    token(
        "flutterwave-key",
        ("FLWSECK", "FLWSECK_TEST", "FLWPUBK_TEST-"),
        "[A-Za-z0-9]{12,64}" + END,
        hexes(12),
        has_digit,
    ),
    token("gocardless-token", ("live_", "sandbox_"), "[A-Za-z0-9_=-]{40}" + END_URLSAFE, mixed(40), has_digit),
    token("mollie-key", "live_", "[A-Za-z0-9]{30}" + END_URLSAFE, mixed(30), is_varied),
    Rule(
        "lob-key",
        ("live_", "live_pub_", "test_pub_", *_TEST_HEX),
        ALONE + "(?:live|test)_(?:pub_)?[a-f0-9]{31,35}" + END,
        is_real,
        hits=("live_" + hexes(35), "test_" + hexes(35), "test_pub_" + hexes(31)),
        misses=("test_" + hexes(20), "latest_" + hexes(35), "live_" + "x" * 35),
    ),
    token(
        "paddle-key",
        ("pdl_live_apikey_", "pdl_sdbx_apikey_"),
        "[a-z0-9]{26}_[A-Za-z0-9]{22}_[A-Za-z0-9]{3}",
        f"{small(26)}_{mixed(22)}_{mixed(3)}",
    ),
)

_BANKS: tuple[Rule, ...] = (
    token(
        "plaid-token",
        ("access-sandbox-", "access-development-", "access-production-"),
        UUID,
        AN_UUID,
    ),
)

_SHOPS: tuple[Rule, ...] = (
    token(
        "shopify-token",
        ("shpat_", "shpca_", "shppa_", "shpss_", "shpua_", "shpit_"),
        "[A-Fa-f0-9]{32}" + END,
        hexes(32),
    ),
    token("easypost-key", ("EZAK", "EZTK"), "[A-Za-z0-9]{54}" + END, mixed(54), has_digit),
    token("duffel-token", ("duffel_test_", "duffel_live_"), "[A-Za-z0-9_=-]{43}", mixed(43)),
    token("shippo-token", ("shippo_live_", "shippo_test_"), "[a-fA-F0-9]{40}" + END, hexes(40)),
    token("clojars-token", "CLOJARS_", "[a-z0-9]{60}" + END, small(60), has_digit),
)

RULES: tuple[Rule, ...] = (*_CARDS, *_BANKS, *_SHOPS)

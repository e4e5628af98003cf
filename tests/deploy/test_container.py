"""The container image and its compose file, tried without a daemon: the steps of the recipe in a root of their own."""

import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from docket.demo import place_demo
from docket.domain.clock import Clock
from tests.deploy.machine import Machine
from tests.services.child import ChildProcess
from tests.services.ports import free_port
from tests.services.rabbitmq import Broker
from tests.services.waiting import wait_until

pytestmark = pytest.mark.rabbitmq

CONTAINER = Path(__file__).parents[2] / "deploy/container"
SERVICES = ("collector", "inspector", "web", "worker-em1", "worker-em2")
VHOST = "container"


def stages() -> list[list[tuple[str, str]]]:
    """The instructions of the Containerfile, one list per stage."""
    found: list[list[tuple[str, str]]] = []
    for line in (CONTAINER / "Containerfile").read_text().replace("\\\n", " ").splitlines():
        if line and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            if word == "FROM":
                found.append([])
            found[-1].append((word, rest))
    return found


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((CONTAINER / "compose.yaml").read_text())
    return loaded


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory, package: Path) -> Iterator[Machine]:
    """A root in which the steps of the last stage were run; the package is what the first stage makes, `make deb`."""
    assert stages()[0][-1] == ("RUN", "make deb")
    made = Machine(tmp_path_factory.mktemp("image"), shared=[package.parent])
    try:
        for word, rest in stages()[-1]:
            if word == "COPY":
                made.run("cp", str(package), rest.split()[-1])
            elif word == "RUN":
                made.run("sh", "-c", rest)
        yield made
    finally:
        made.close()


def setting(stage: list[tuple[str, str]], wanted: str) -> str:
    (value,) = (rest for word, rest in stage if word == wanted)
    return value


def started(image: Machine, service: Mapping[str, Any], log: Path) -> ChildProcess:
    """A service as the container runs it: the image's user and entry point, without capabilities."""
    user = setting(stages()[-1], "USER")
    entry = yaml.safe_load(setting(stages()[-1], "ENTRYPOINT"))
    as_user = [
        "setpriv",
        "--reuid",
        user,
        "--regid",
        user,
        "--clear-groups",
        "--no-new-privs",
        "--bounding-set",
        "-all",
    ]
    return ChildProcess(image.command([*as_user, *entry, *service["command"]]), log)


@pytest.fixture(scope="module")
def running(image: Machine, broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """All services of the compose file over its own configuration; gives the address of the API."""
    directory = tmp_path_factory.mktemp("compose")
    port = free_port()
    broker.start()
    broker.add_vhost(VHOST)
    place_demo(directory, Clock().now_us() - 60_000_000)
    for file in directory.rglob("*.pcap"):
        image.write(f"/data/{file.relative_to(directory)}", file.read_bytes())
    text = compose()["configs"]["docket"]["content"]
    text = re.sub(r"amqp://\S+", broker.url(VHOST), text).replace("0.0.0.0:8080", f"127.0.0.1:{port}")
    # A mounted configuration is readable for all.
    image.write("/etc/docket/docket.yaml", text)
    with ExitStack() as stack:
        stack.callback(broker.drop_vhost, VHOST)
        children = []
        for name in SERVICES:
            children.append(started(image, compose()["services"][name], directory / f"{name}.log"))
            stack.callback(children[-1].stop)
        url = f"http://127.0.0.1:{port}/app/docket/api/v1"

        def well() -> bool:
            for child in children:
                child.must_run()
            try:
                return bool(requests.get(f"{url}/health", timeout=5).json()["status"] == "ok")
            except requests.RequestException:
                return False

        wait_until(well, "all services to be well", timeout_s=90)
        yield url


def test_image_runs_docket_as_its_user(image: Machine) -> None:
    """The image has Docket, tshark and tcpdump, and a user for them that is not root."""
    assert image.run("docket", "--version").startswith("docket ")
    image.run("sh", "-c", "command -v tshark && command -v tcpdump")
    assert image.run("id", "-u", setting(stages()[-1], "USER")).strip() != "0"


def test_configuration_of_the_compose_file_is_valid(image: Machine) -> None:
    """What is written there for the services has no fault."""
    text = compose()["configs"]["docket"]["content"].replace("${DOCKET_BUS_PASSWORD}", "secret")
    image.write("/tmp/docket.yaml", text)
    image.run("mkdir", "-p", "/data/em1", "/data/em2")
    image.run("docket", "--config", "/tmp/docket.yaml", "config", "check")


def test_each_source_has_a_worker() -> None:
    """Every source of the configuration is the one of exactly one worker, and its captures are mounted there."""
    text = compose()["configs"]["docket"]["content"]
    sources = {source["name"]: source["path"] for source in yaml.safe_load(text)["sources"]}
    workers = {
        service["command"][1]: service["volumes"][0].split(":")[-2]
        for service in compose()["services"].values()
        if service.get("command", [""])[0] == "worker"
    }
    assert workers == sources


def test_question_is_answered_by_the_services(running: str) -> None:
    """A question to the composed services ends complete, with packets of both sources that can be looked at."""
    job = requests.post(f"{running}/jobs", json={"query": "port 53", "after": "1h"}, timeout=10).json()

    def final() -> Any:
        found = requests.get(f"{running}/jobs/{job['id']}", timeout=10).json()
        return found if found["finished_at"] else None

    ended = wait_until(final, "the job to end", timeout_s=150)
    assert ended["state"] == "completed", ended
    assert [source["packets"] > 0 for source in ended["sources"]] == [True, True]

    def rows() -> Any:
        answer = requests.get(f"{running}/jobs/{job['id']}/packets", params={"limit": 2}, timeout=30)
        return answer.status_code == 200 and answer.json()

    assert wait_until(rows, "the list of packets", timeout_s=60)


def test_readme_names_what_is_there() -> None:
    """The page's commands use the variables and the service of the compose file."""
    text = (CONTAINER / "README.md").read_text()
    variables = set(re.findall(r"\$\{(\w+)", (CONTAINER / "compose.yaml").read_text()))
    assert variables == set(re.findall(r"export (\w+)=", text))
    (line,) = re.findall(r"docker compose exec (.+)", text)
    assert shlex.split(line)[0] in compose()["services"]

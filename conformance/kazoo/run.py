"""Runs kazoo's own tests, those that need a server, against a running one, and says which pass."""

import argparse
import collections
import contextlib
import importlib.metadata
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import servers  # noqa: E402 (it is beside this directory, not in it)

# The longest test takes ten seconds; one that waits for ever must not hold up the others.
TEST_SECONDS_MAX = 30
SUITE_SECONDS_MAX = 300
# Most tests wait most of the time.
WORKERS = 4
# Some tests depend on who is faster: one that fails is tried again in less of a crowd. Where many fail, that is not
# why.
ATTEMPTS = 3
TRIED_AGAIN_MAX = 20
WORKERS_AGAIN = 2
SLOWEST_SHOWN = 10

WORST_FIRST = ["failed", "skipped", "passed"]


def need_kazoo():
    """The installed version of kazoo."""
    for module in ("kazoo", "objgraph", "pytest", "pytest_timeout", "xdist"):
        if importlib.util.find_spec(module) is None:
            raise servers.Skip(
                f"{sys.executable} has no module {module}: make a virtual environment and install what "
                f"{HERE / 'requirements.txt'} lists (python3 -m venv V && V/bin/pip install -r …)"
            )
    return importlib.metadata.version("kazoo")


def run_suite(server):
    """How each test ended against that server, by name; a failed test has had several attempts."""
    begun = time.monotonic()
    tests = run_tests(server.address, ["kazoo.tests"], WORKERS)
    for _ in range(1, ATTEMPTS):
        failed = [name for name, test in tests.items() if test["outcome"] == "failed"]
        if not 0 < len(failed) <= TRIED_AGAIN_MAX or time.monotonic() - begun > SUITE_SECONDS_MAX:
            break
        tests |= run_tests(server.address, [node_id(name) for name in failed], WORKERS_AGAIN)
    count = collections.Counter(test["outcome"] for test in tests.values())
    print(
        f"{server.name}: {count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped "
        f"in {time.monotonic() - begun:.0f} s",
        flush=True,
    )
    return tests


def run_tests(address, wanted, workers):
    """How each of these tests ended, by name: its outcome as pytest calls it, after how long, and why it did not pass."""
    with tempfile.TemporaryDirectory() as directory:
        results, said = Path(directory) / "results.jsonl", Path(directory) / "said.txt"
        command = [
            *(sys.executable, "-m", "pytest", "--quiet", "-p", "running_server", "-p", "no:cacheprovider"),
            # Names are relative to this directory, wherever it is, and it has no settings of its own.
            f"--rootdir={Path(importlib.util.find_spec('kazoo').origin).parents[1]}",
            f"--zookeeper={address}",
            f"--results={results}",
            f"--numprocesses={workers}",
            f"--timeout={TEST_SECONDS_MAX}",
            f"--session-timeout={SUITE_SECONDS_MAX}",
            *("--pyargs", *wanted),
        ]
        # kazoo waits longer and expects more of its surroundings where it believes to be in its own CI.
        environment = {name: value for name, value in os.environ.items() if name != "CI"}
        environment |= {"PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"}
        # In a directory of its own, since kazoo's tests may leave files where they run.
        run_bounded(command, directory, environment, said)
        tests = read_results(results)
        if not tests:
            raise servers.Complaint(f"pytest ran none of the tests {wanted}; it said:\n{said.read_text()[-3000:]}")
        return tests


def run_bounded(command, directory, environment, said):
    """Until the command ends, or is taken to hang: tests that fail may leave threads that never end."""
    with (
        said.open("wb") as out,
        subprocess.Popen(
            command, cwd=directory, env=environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        ) as process,
    ):
        try:
            process.wait(SUITE_SECONDS_MAX + TEST_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            print(f"pytest has not ended after {SUITE_SECONDS_MAX + TEST_SECONDS_MAX} s and is stopped", flush=True)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def read_results(path):
    """A test is as bad as the worst of its phases; its start counts as failed until its teardown has been heard of."""
    phases = collections.defaultdict(dict)
    for line in path.read_text().splitlines() if path.exists() else []:
        phase = json.loads(line)
        phases[phase["name"]][phase["phase"]] = phase
    tests = {}
    for name, of_test in phases.items():
        if "teardown" in of_test:
            of_test.pop("start", None)
        worst = min(of_test.values(), key=lambda phase: WORST_FIRST.index(phase["outcome"]))
        seconds = sum(phase["seconds"] for phase in of_test.values())
        tests[name] = {"outcome": worst["outcome"], "why": worst["why"], "seconds": seconds}
    return tests


def node_id(name):
    """What pytest calls a test when it is asked for by its module."""
    file, colons, rest = name.partition("::")
    return f"kazoo.tests.{file.removesuffix('.py')}{colons}{rest}"


def print_tests(title, tests):
    """A list of tests that did not pass, with the reasons; nothing if there are none."""
    if tests:
        print(f"\n{title} ({len(tests)}):")
    for name, test in sorted(tests.items()):
        print(f"  {name}\n      {test['why']}")


def print_slowest(tests):
    """Where the time goes."""
    print("\nslowest:")
    slowest = sorted(tests.items(), key=lambda entry: -entry[1]["seconds"])
    for name, test in slowest[:SLOWEST_SHOWN]:
        print(f"  {test['seconds']:5.1f} s  {name}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("server", metavar="SERVER", help=servers.SERVER_HELP)
    arguments = parser.parse_args()
    print(f"kazoo {need_kazoo()}", flush=True)
    with servers.given(arguments.server) as server:
        tests = run_suite(server)
    for outcome in ("skipped", "failed"):
        print_tests(outcome, {name: test for name, test in tests.items() if test["outcome"] == outcome})
    print_slowest(tests)
    return servers.DIFFERENT if any(test["outcome"] == "failed" for test in tests.values()) else servers.OK


if __name__ == "__main__":
    servers.run_main(main)

"""A pytest plugin that points kazoo's own tests at a server which runs already, and writes down how each test ended.

kazoo's harness starts ZooKeeper itself; here its cluster is replaced with doors to the running server. What a door
cannot give (TLS, SASL, a server without a quorum) is in `OUT_OF_REACH`.
"""

import contextlib
import json
import socket
import socketserver
import sys
import threading
import types
from pathlib import Path

# Tests that say nothing of a server as it runs, and why.
OUT_OF_REACH = {
    "test_client.py::TestSSLClient": "needs a port that speaks TLS",
    "test_connection.py::TestReadOnlyMode": "needs an ensemble that loses its quorum",
    "test_sasl.py": "needs a server with SASL, or a Kerberos",
    "test_eventlet_handler.py": "the same tests once more, with other threads in the client",
    "test_gevent_handler.py": "the same tests once more, with other threads in the client",
}

# As many as kazoo's harness starts servers: some tests stop one, and go on with the others. All may lead to one server.
DOORS = 3


class Door:
    """An address of its own that leads to the server. Shut, it is a server that was stopped."""

    def __init__(self, target):
        self._target = target
        self._forwarder = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._own = probe.getsockname()
        self.address = f"{self._own[0]}:{self._own[1]}"

    @property
    def running(self):
        return self._forwarder is not None

    def run(self):
        if not self.running:
            self._forwarder = Forwarder(self._own, self._target)

    def stop(self):
        if self.running:
            self._forwarder.close()
            self._forwarder = None


class Forwarder(socketserver.ThreadingTCPServer):
    """Carries bytes between whoever connects here and the server."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, own, target):
        super().__init__(own, None)
        self._target = target
        self._open = set()
        self._lock = threading.Lock()
        self._accepting = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._accepting.start()

    def close(self):
        self.shutdown()
        self.server_close()
        with self._lock:
            for end in self._open:
                hang_up(end)

    def finish_request(self, request, _address):
        """Runs on a thread of its own, for as long as the connection lives."""
        with request, socket.create_connection(self._target) as server:
            ends = (request, server)
            for end in ends:
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open.update(ends)
            back = threading.Thread(target=copy, args=(server, request), daemon=True)
            back.start()
            copy(request, server)
            back.join()
            with self._lock:
                self._open.difference_update(ends)

    def handle_error(self, _request, _address):
        """A refused or broken connection is for the client to notice, and the client is told by the hang-up."""


def copy(source, destination):
    """Until one side ends; then both do, as they would without a door."""
    with contextlib.suppress(OSError):
        while part := source.recv(65536):
            destination.sendall(part)
    hang_up(source)
    hang_up(destination)


def hang_up(end):
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


class Cluster(list):
    """What kazoo's harness and tests ask of their cluster."""

    def start(self):
        for door in self:
            door.run()

    def stop(self):
        for door in self:
            door.stop()

    terminate = stop

    def get_logs(self):
        return []


class Results:
    """Writes a line of JSON for each phase of each test, as it comes: a run that is broken off leaves what it found."""

    def __init__(self, path):
        self._out = path.open("w", encoding="utf-8", buffering=1)

    def pytest_runtest_logstart(self, nodeid):
        self._write(nodeid, "start", "failed", 0.0, "did not end")

    def pytest_runtest_logreport(self, report):
        """Once each for a test's setup, its call, and its teardown."""
        self._write(report.nodeid, report.when, report.outcome, report.duration, "" if report.passed else why(report))

    def pytest_collectreport(self, report):
        """A file that cannot be imported has no tests to report."""
        if report.failed:
            self._write(report.nodeid, "teardown", "failed", 0.0, why(report))

    def _write(self, node_id, phase, outcome, seconds, reason):
        line = {"name": short_name(node_id), "phase": phase, "outcome": outcome, "seconds": seconds, "why": reason}
        self._out.write(json.dumps(line) + "\n")


def short_name(node_id):
    """A test's name without where kazoo is installed, as in `test_client.py::TestClient::test_create`."""
    return node_id.rpartition("kazoo/tests/")[2]


def why(report):
    """The line that names the exception, or the reason for skipping."""
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    return crash.message.partition("\n")[0] if crash is not None else str(report.longrepr).strip().rpartition("\n")[2]


def pytest_addoption(parser):
    parser.addoption("--zookeeper", metavar="HOST:PORT[,HOST:PORT…]", required=True, help="what kazoo's tests use")
    parser.addoption("--results", metavar="FILE", type=Path, help="where to write how each phase of a test ended")


def pytest_configure(config):
    # The real module starts Java and, when imported, wants libraries for certificates; nothing here uses either.
    stand_in = types.ModuleType("kazoo.testing.common")
    stand_in.ZookeeperCluster = None
    sys.modules[stand_in.__name__] = stand_in

    from kazoo.testing import harness

    servers = [address.rsplit(":", 1) for address in config.getoption("--zookeeper").split(",")]
    targets = [(host, int(port)) for host, port in servers]
    cluster = Cluster(Door(targets[i % len(targets)]) for i in range(max(DOORS, len(targets))))
    cluster.start()
    harness.get_global_cluster = lambda: cluster

    # Only the process that collects the reports of all workers writes them down.
    if config.getoption("--results") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Results(config.getoption("--results")))


def pytest_collection_modifyitems(config, items):
    """Leaves out what would be the same whatever the server does."""
    from kazoo.testing import KazooTestHarness

    def says_something(item):
        in_reach = not any(part in item.nodeid for part in OUT_OF_REACH)
        return in_reach and item.cls is not None and issubclass(item.cls, KazooTestHarness)

    left_out = [item for item in items if not says_something(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if says_something(item)]

"""Gives the checks a ZooKeeper server to talk to: one that runs already, one that a command starts, or a real one.

What is asked of the server is left to the checks.
"""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

OK, DIFFERENT, USAGE, SKIPPED = 0, 1, 2, 77

# Where Debian's package `zookeeper` puts its jar, whose manifest names the rest, and `libslf4j-java` a log binding.
DEBIAN_CLASS_PATH = "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar"
# The password of `super` is "test"; kazoo's tests log in with it.
SUPER_DIGEST = "super:D/InIHSb7yEEbrWz8b9l71RjZJU="
START_SECONDS_MAX = 30
# For Java programs whose own output matters: nothing from whichever log library the class path has.
QUIET = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=off", "-Dlog4j2.level=OFF")

SERVER_HELP = "HOST:PORT of a running server, or a command that starts one, with {address} where its HOST:PORT goes"


class Skip(Exception):
    """Something that is not installed is needed; the text says what, and how to get it."""


class Complaint(Exception):
    """The check cannot be made as asked; the text says what to do."""


def run_main(main):
    """Ends the process with what `main` returns, or with the code that its exception stands for."""
    # A check that is told to stop must stop its servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        code = main()
    except Skip as reason:
        print(f"skipped: {reason}", file=sys.stderr)
        code = SKIPPED
    except Complaint as reason:
        print(f"error: {reason}", file=sys.stderr)
        code = USAGE
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    except BrokenPipeError:
        # Whoever reads the output has seen enough; nothing may be written there any more, not even at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 128 + signal.SIGPIPE
    sys.exit(code)


def expand_class_path(class_path):
    """The jars of a class path as a list, `DIRECTORY/*` expanded; refuses one without ZooKeeper's jar."""
    jars = []
    for entry in class_path.split(os.pathsep):
        jars += sorted(Path(entry[:-2]).glob("*.jar")) if entry.endswith("/*") else [Path(entry)]
    if not any(jar.name.startswith("zookeeper") and jar.is_file() for jar in jars):
        raise Skip(
            f"no zookeeper*.jar in the class path {class_path!r}: install Debian's packages zookeeper and "
            "libslf4j-java (apt-get install --no-install-recommends), or name another class path"
        )
    return jars


def need_java():
    """The path of `java`."""
    java = shutil.which("java")
    if java is None:
        raise Skip("no java: install Debian's package default-jre-headless, or put java on the PATH")
    return java


def free_port():
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def four_letter_word(address, word, timeout_seconds=5.0):
    """What the server answers to a four-letter word such as `srvr`; empty if nobody answers."""
    host, port = address.rsplit(":", 1)
    answer = b""
    try:
        with socket.create_connection((host, int(port)), timeout_seconds) as connection:
            connection.sendall(word.encode())
            while part := connection.recv(65536):
                answer += part
    except OSError:
        return ""
    return answer.decode(errors="replace")


def serving(address):
    """Whether a server there says that it takes requests."""
    return "Mode: " in four_letter_word(address, "srvr", 1.0)


class Server:
    """A server with an address; a context manager that stops what it started."""

    def __init__(self, address, name, process=None, directory=None):
        self.address = address
        self.name = name
        self._process = process
        self._directory = directory

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process is not None:
            # The command may be a shell or `cargo run`: its whole group must go.
            try:
                os.killpg(self._process.pid, signal.SIGTERM)
                self._process.wait(10)
            except ProcessLookupError:
                pass
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)

    def await_start(self, log):
        """Returns once it serves; complains if it never does."""
        give_up = time.monotonic() + START_SECONDS_MAX
        while not serving(self.address):
            code = self._process.poll()
            if code is None and time.monotonic() < give_up:
                time.sleep(0.05)
                continue
            said = log.read_text(errors="replace")[-2000:]
            self.__exit__()
            why = f"ended with code {code}" if code is not None else f"does not serve after {START_SECONDS_MAX} s"
            raise Complaint(f"the server {self.name} at {self.address} {why}; its last words:\n{said}")
        return self


def given(text):
    """The server a person named: see SERVER_HELP."""
    if "{address}" in text:
        directory = Path(tempfile.mkdtemp(prefix="server-"))
        address = f"127.0.0.1:{free_port()}"
        command = shlex.split(text.replace("{address}", address))
        return _started(command, address, f"`{text}`", directory)
    for address in text.split(","):
        host, _, port = address.rpartition(":")
        if not (host and port.isdigit()):
            raise Complaint(f"{address!r} is not a server: expected {SERVER_HELP}")
        if not serving(address):
            raise Complaint(
                f"nobody at {address} answers srvr with a mode: start the server, and let it answer four-letter words"
            )
    return Server(text, text)


def real(class_path=DEBIAN_CLASS_PATH):
    """A fresh standalone server of the real ZooKeeper in that class path."""
    java = need_java()
    jars = expand_class_path(class_path)
    directory = Path(tempfile.mkdtemp(prefix="real-zookeeper-"))
    port = free_port()
    configuration = directory / "zoo.cfg"
    settings = {
        "tickTime": 2000,
        "dataDir": directory / "data",
        "clientPortAddress": "127.0.0.1",
        "clientPort": port,
        "admin.enableServer": "false",
        "4lw.commands.whitelist": "*",
        "maxClientCnxns": 0,
        "extendedTypesEnabled": "true",
    }
    configuration.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    command = [
        *(java, "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
        # Digests are made of the platform's encoding, and clients assume UTF-8.
        "-Dfile.encoding=UTF-8",
        f"-Dzookeeper.DigestAuthenticationProvider.superDigest={SUPER_DIGEST}",
        # Nobody pulls the plug during a check, and waiting for the disk would be most of its time.
        "-Dzookeeper.forceSync=no",
        *("-cp", os.pathsep.join(map(str, jars))),
        *("org.apache.zookeeper.server.quorum.QuorumPeerMain", str(configuration)),
    ]
    server = _started(command, f"127.0.0.1:{port}", "real ZooKeeper", directory)
    server.name = f"real ZooKeeper {version(server.address)}"
    return server


def version(address):
    """What the server says its version is, as in `3.8.0`."""
    first = four_letter_word(address, "srvr").partition("\n")[0]
    return first.removeprefix("Zookeeper version: ").partition("-")[0] or "of unknown version"


def _started(command, address, name, directory):
    log = directory / "log.txt"
    with log.open("wb") as out:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
            )
        except OSError as why:
            shutil.rmtree(directory, ignore_errors=True)
            raise Complaint(f"cannot start {name}: {why}") from why
    return Server(address, name, process, directory).await_start(log)

"""Types the same commands into ZooKeeper's own command line against a server and against a real one, and compares."""

import argparse
import difflib
import os
import queue
import re
import subprocess
import sys
import threading
import uuid
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import servers  # noqa: E402 (it is beside this directory, not in it)

# Longer than the command line itself waits for anything.
ANSWER_SECONDS_MAX = 40
CONTEXT_LINES = 6

# After each command: said at once by the client alone, so everything before it belongs to the command; then something
# that the client's event thread answers after the events that came before it; then the first again.
MARK, MARK_SAID = "printwatches", "printwatches is on"
BARRIER = "sync /"
END = object()


class CommandLine:
    """One process of ZooKeeper's command line, and the session that it has."""

    def __init__(self, jars, address, options):
        command = [
            *(servers.need_java(), "-Xmx128m", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8", *servers.QUIET),
            *("-cp", os.pathsep.join(map(str, jars))),
            *("org.apache.zookeeper.ZooKeeperMain", "-server", address, *options),
        ]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        self._lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()

    def _read(self):
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(END)

    def run(self, command):
        """What is said to one command, the events last; and whether the process is still there."""
        try:
            self._process.stdin.write(f"{command}\n{MARK}\n{BARRIER}\n{MARK}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass
        said, alive = self._until_mark()
        answer, events = split_events(said)
        if not alive:
            # It has ended, and whether its event thread still came to print is chance.
            return answer, False
        afterwards, alive = self._until_mark()
        # What the barrier itself says is no part of the answer; on a closed connection it is not even "ok".
        _, late_events = split_events(afterwards)
        return answer + events + late_events, alive

    def end(self):
        """Its exit code."""
        self._process.stdin.close()
        try:
            return self._process.wait(ANSWER_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            return "none, it did not end"

    def _until_mark(self):
        said = []
        while True:
            try:
                line = self._lines.get(timeout=ANSWER_SECONDS_MAX)
            except queue.Empty:
                return [*said, f"(nothing more within {ANSWER_SECONDS_MAX} s)"], False
            if line is END:
                return said, False
            if line == MARK_SAID:
                return said, True
            said.append(line)


def split_events(lines):
    """The lines of an answer, and one line for each watch event, which the event thread may print in between."""
    answer, events = [], []
    for line in lines:
        # The thread that prints an event does not wait for the other one to end its line.
        before, event, after = line.partition("WatchedEvent ")
        # On a connection that is closed the event thread answers no barrier, and when it says so is chance.
        if event and "state:Closed" not in after:
            events.append(f"event: {after}")
        if before.removesuffix("WATCHER::"):
            answer.append(before)
    return answer, events


class Normaliser:
    """Takes out of a transcript what differs between two runs on servers that behave alike."""

    def __init__(self, address, root):
        self._address = address
        self._root = root
        self._first_zxid = None
        self._sessions = {}

    def line(self, line):
        line = line.replace(self._root, "{root}").replace(self._address, "{address}")
        line = re.sub(r"^([cmp]Zxid = )0x([0-9a-f]+)", self._zxid, line)
        line = re.sub(r"^(ephemeralOwner = )0x([0-9a-f]+)", self._session, line)
        # A server that forgets the time shows the beginning of 1970.
        return line if "1970" in line else re.sub(r"^([cm]time = ).*", r"\1{time}", line)

    def _zxid(self, match):
        """Counted from the first one shown: a transaction too many or too few is seen, the server's past is not."""
        zxid = int(match[2], 16)
        if zxid == 0:
            return match[0]
        self._first_zxid = self._first_zxid or zxid
        return f"{match[1]}first{zxid - self._first_zxid:+d}"

    def _session(self, match):
        if int(match[2], 16) == 0:
            return match[0]
        name = self._sessions.setdefault(match[2], f"session-{len(self._sessions) + 1}")
        return match[1] + name


def read_sessions(path):
    """The commands of each process, with the options of its command line."""
    sessions = [([], [])]
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("-----"):
            sessions.append((line.strip("-").split() if line.strip("-").strip() else [], []))
        elif line and not line.startswith("#"):
            sessions[-1][1].append(line)
    return sessions


def transcript(jars, server, sessions):
    """What was typed, after "> ", and what was said, for all sessions one after the other."""
    root = f"/zkcli-{uuid.uuid4().hex}"
    normaliser = Normaliser(server.address, root)
    lines = []
    for options, commands in sessions:
        lines.append(" ".join(["new session", *options]))
        with CommandLine(jars, server.address, options) as command_line:
            alive = True
            for command in commands:
                if not alive:
                    lines.append("(the process is gone)")
                    break
                said, alive = command_line.run(command.replace("{root}", root))
                said = [normaliser.line(line) for line in said]
                lines += [f"> {command}", *in_any_order(command, said)]
            lines.append(f"exit code {command_line.end()}")
    print(f"{server.name}: {sum(line.startswith('> ') for line in lines)} commands", flush=True)
    return lines


def in_any_order(command, said):
    """The answer without the order in which the server happens to list things, which no two servers share."""
    if command.startswith(("deleteall", "whoami")):
        return sorted(said)
    if command.startswith("getEphemerals"):
        return ["[" + ", ".join(sorted(line[1:-1].split(", "))) + "]" if line[:1] == "[" else line for line in said]
    return said


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ours", metavar="SERVER", required=True, help=servers.SERVER_HELP)
    for option, what in (("--real", "the real server"), ("--client", "the command line")):
        parser.add_argument(
            option,
            metavar="CLASS_PATH",
            default=servers.DEBIAN_CLASS_PATH,
            help=f"class path of {what}, DIRECTORY/* for all jars of a directory (default: Debian's package)",
        )
    parser.add_argument("--commands", metavar="FILE", type=Path, default=HERE / "commands.txt", help="what to type")
    parser.add_argument("--show", action="store_true", help="print the real server's whole transcript")
    arguments = parser.parse_args()
    jars = servers.expand_class_path(arguments.client)
    sessions = read_sessions(arguments.commands)
    with servers.given(arguments.ours) as our_server, servers.real(arguments.real) as real_server:
        real = transcript(jars, real_server, sessions)
        ours = transcript(jars, our_server, sessions)
    if arguments.show:
        print("\n".join(real))
    difference = list(difflib.unified_diff(real, ours, real_server.name, "ours", lineterm="", n=CONTEXT_LINES))
    print("\n".join(difference) if difference else "both say the same")
    return servers.DIFFERENT if difference else servers.OK


if __name__ == "__main__":
    servers.run_main(main)

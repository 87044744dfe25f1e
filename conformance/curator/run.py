"""Runs Curator's recipes, as NiFi uses them, against a running server or several of one ensemble.

The checks are the Java program in src/; here it is compiled and started.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import servers  # noqa: E402 (it is beside this directory, not in it)

# All of it takes half a minute.
SECONDS_MAX = 300
JARS_NEEDED = ("curator-recipes", "curator-framework", "curator-client", "zookeeper", "zookeeper-jute")
POM = HERE / "pom.xml"
COPY_DEPENDENCIES = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
HOW_TO_GET_JARS = (
    "Curator is not in Debian, but Maven fetches its jars: install Debian's package maven, or put mvn on the PATH. "
    "Or name a directory that has them with --jars or in CURATOR_JARS"
)


def missing_in(directory):
    """Those of the jars needed that are not there."""
    return [jar for jar in JARS_NEEDED if not list(directory.glob(f"{jar}-[0-9]*.jar"))]


def class_path(directory):
    """The class path of all jars there, if Curator's are among them; of those that Maven fetches, if none is named."""
    directory = fetched() if directory is None else directory
    missing = missing_in(directory)
    if missing:
        raise servers.Skip(f"no {', '.join(missing)} in {directory}. {HOW_TO_GET_JARS}")
    return f"{directory}/*"


def fetched():
    """The directory of the jars that pom.xml names. Maven fetches them once, from its central repository."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent.parent / "target"))
    directory = target / f"curator-jars-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"
    if not missing_in(directory):
        return directory
    maven = shutil.which("mvn")
    if maven is None:
        raise servers.Skip(f"no jars of Curator. {HOW_TO_GET_JARS}")
    command = [
        *(maven, "--batch-mode", "--quiet", f"--file={POM}", COPY_DEPENDENCIES),
        *("-DincludeScope=runtime", f"-DoutputDirectory={directory.resolve()}"),
    ]
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if ran.returncode != 0:
        raise servers.Complaint(f"Maven does not get the jars that {POM} names; its last words:\n{ran.stdout[-2000:]}")
    return directory


def compile_check(jars, directory):
    javac = shutil.which("javac")
    if javac is None:
        raise servers.Skip("no javac: install Debian's package default-jdk-headless, or put javac on the PATH")
    sources = sorted(map(str, (HERE / "src").glob("*.java")))
    # The jars' manifests name others that are not needed, which is no fault of the sources.
    command = [javac, "-Xlint:all,-path", "-Werror", "-proc:none", "-d", directory, "-cp", jars, *sources]
    compiled = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if compiled.returncode != 0:
        raise servers.Complaint(f"the check does not compile with the jars {jars}:\n{compiled.stdout}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server", metavar="SERVER[,SERVER…]", help=servers.SERVER_HELP)
    parser.add_argument("--jars", metavar="DIRECTORY", type=Path, default=os.environ.get("CURATOR_JARS"))
    parser.add_argument("--tick-ms", type=int, default=2000, help="the servers' tickTime (default: 2000)")
    arguments = parser.parse_args()
    java, jars = servers.need_java(), class_path(arguments.jars and Path(arguments.jars))
    with tempfile.TemporaryDirectory(prefix="curator-") as directory:
        compile_check(jars, directory)
        with servers.given(arguments.server) as server:
            print(f"Curator against {server.name}", flush=True)
            command = [
                *(java, "-Xmx256m", "-XX:TieredStopAtLevel=1", *servers.QUIET),
                *("-cp", os.pathsep.join([directory, jars])),
                *("Check", server.address, str(arguments.tick_ms)),
            ]
            try:
                code = subprocess.run(command, timeout=SECONDS_MAX).returncode
            except subprocess.TimeoutExpired:
                print(f"BROKEN: it has not ended after {SECONDS_MAX} s")
                return servers.DIFFERENT
    return servers.OK if code == 0 else servers.DIFFERENT


if __name__ == "__main__":
    servers.run_main(main)

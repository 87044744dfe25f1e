"""Uses a running server, or several of one ensemble, through the Rust crate zookeeper-client.

The check is the Rust program beside this file; here it is built and started.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import servers  # noqa: E402 (it is beside this directory, not in it)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server", metavar="SERVER[,SERVER…]", help=servers.SERVER_HELP)
    arguments = parser.parse_args()
    cargo = shutil.which("cargo")
    if cargo is None:
        raise servers.Skip("no cargo: install Rust, or put cargo on the PATH")
    options = ["--quiet", "--locked", "--manifest-path", str(HERE / "Cargo.toml")]
    if subprocess.run([cargo, "build", *options]).returncode != 0:
        raise servers.Complaint("the check does not build; cargo says why above")
    with servers.given(arguments.server) as server:
        print(f"zookeeper-client against {server.name}", flush=True)
        code = subprocess.run([cargo, "run", *options, "--", server.address]).returncode
    return servers.OK if code == 0 else servers.DIFFERENT


if __name__ == "__main__":
    servers.run_main(main)

"""Runs kazoo's own tests against a server and against a real ZooKeeper: whatever passes there must pass here."""

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent))
import run  # noqa: E402 (it is beside this file)
import servers  # noqa: E402 (it is beside this directory, not in it)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ours", metavar="SERVER", required=True, help=servers.SERVER_HELP)
    parser.add_argument(
        "--real",
        metavar="CLASS_PATH",
        default=servers.DEBIAN_CLASS_PATH,
        help="class path of the real ZooKeeper, DIRECTORY/* for all its jars (default: Debian's package)",
    )
    arguments = parser.parse_args()
    print(f"kazoo {run.need_kazoo()}", flush=True)
    with servers.given(arguments.ours) as our_server, servers.real(arguments.real) as real_server:
        real = run.run_suite(real_server)
        ours = run.run_suite(our_server)
    return report(real, real_server.name, ours)


def report(real, real_name, ours):
    """Prints how the two differ; the process's exit code."""
    absent = {"outcome": "failed", "why": "was not run"}
    missing = {name: ours.get(name, absent) for name in passing(real) if name not in passing(ours)}
    neither = {name: test for name, test in real.items() if name not in passing(real) | passing(ours)}
    beyond = {name: real.get(name, absent) for name in passing(ours) - passing(real)}
    run.print_tests(f"passed by neither, here is what {real_name} did", neither)
    run.print_tests(f"passed by ours alone, here is what {real_name} did", beyond)
    run.print_tests(f"passed by {real_name}, not by ours, here is what ours did", missing)
    run.print_slowest(ours)
    if not passing(real):
        raise servers.Complaint(f"{real_name} passes no test at all, so there is nothing to compare with")
    if missing:
        print(f"\n{len(missing)} of the {len(passing(real))} tests that {real_name} passes do not pass")
        return servers.DIFFERENT
    print(f"\nall {len(passing(real))} tests that {real_name} passes pass")
    return servers.OK


def passing(tests):
    return {name for name, test in tests.items() if test["outcome"] == "passed"}


if __name__ == "__main__":
    servers.run_main(main)

"""A run of faults against a new stack: `make chaos SECONDS=400 SEED=7`."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos.run import new_seed, run, timeouts
from tests.e2e.kills import OwnStack


def main() -> int:
    """Run, and say what was wrong; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, required=True, help="how long faults happen")
    parser.add_argument("--seed", type=int, default=new_seed())
    arguments = parser.parse_args()
    print(f"{arguments.seconds:.0f} s of faults, seed {arguments.seed}", flush=True)
    directory = Path(tempfile.mkdtemp(prefix="chaos-"))
    stack = OwnStack(directory)
    try:
        stack.start()
        client = stack.client()
        this, wrong = run(client, arguments.seconds, arguments.seed)
        wrong += timeouts(client)
    finally:
        stack.kill()
    faults = sum(this.proxy.faults.values())
    print(f"{this.proxy.calls} calls of AWS, {faults} failed, {this.kills} functions killed")
    for name, number in this.proxy.faults.most_common():
        print(f"  {number} {name}")
    print(f"answers: {dict(sorted(this.answers.items()))}")
    print("\n".join(wrong) or f"{len(this.history.changes)} users: nothing is wrong")
    if wrong:
        print(f"the stack's data and logs are in {directory}")
        return 1
    shutil.rmtree(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())

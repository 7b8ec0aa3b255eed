"""A worker of `ccxt_process` for tests: says what its request's options tell it, line by line.

options["scripts"] holds a script for each start, the last for ever; options["starts"] names a file that
counts them. A step is {"say": line}, {"pause": s}, {"exit": status}, {"complain": text} or {"stay": true}.
"""

import json
import sys
import time


def main() -> int:
    options = json.loads(sys.stdin.readline())["options"]
    with open(options["starts"], "a+") as counter:
        counter.seek(0)
        start = len(counter.read())
        counter.write("x")
    scripts = options["scripts"]
    for step in scripts[min(start, len(scripts) - 1)]:
        if "say" in step:
            print(step["say"], flush=True)
        elif "pause" in step:
            time.sleep(step["pause"])
        elif "complain" in step:
            print(step["complain"], file=sys.stderr, flush=True)
        elif "exit" in step:
            return int(step["exit"])
        else:
            sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())

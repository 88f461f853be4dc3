"""``python -I -S benchmarks/launch.py COMMAND ...``: run it; last on standard error, what it took as JSON.

The kernel counts, as the peak of a process, that of the process it was forked from, until it executes its
program: nothing smaller than a benchmark could be weighed by the benchmark itself. This one is small.
"""

import json
import os
import sys
import time

if __name__ == "__main__":
    start = time.monotonic()
    child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
    # wait4 alone gives the peak of this one child; RUSAGE_CHILDREN keeps the largest of all there ever were.
    _, status, usage = os.wait4(child, 0)
    took = {
        "seconds": time.monotonic() - start,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak_kib": usage.ru_maxrss,
        "status": os.waitstatus_to_exitcode(status),
    }
    print("\n" + json.dumps(took), file=sys.stderr)

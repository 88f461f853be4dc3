"""A program that measures in threads and processes of its own: METHOD THREADS CALLS; prints its report."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading

from performance_budget import PerformanceBudget

PROCESSES = 4


@PerformanceBudget.measure(max_time_ms=60_000, name="operation", nest=True)
def operation(number: int) -> None:
    if number % 100 == 0:
        raise ValueError(number)


@PerformanceBudget.measure(max_time_ms=1e-6, name="tight")
def tight() -> None: ...


def work(threads: int, calls: int) -> int:
    def loop() -> None:
        for number in range(calls):
            try:
                operation(number)
            except ValueError:
                pass
            if number % 10 == 0:
                PerformanceBudget.observe("value", number)
                tight()

    started = [threading.Thread(target=loop) for _ in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    return os.getpid()


def main(method: str, threads: int, calls: int) -> None:
    work(threads, calls)
    if method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        children = [context.Process(target=work, args=(threads, calls)) for _ in range(PROCESSES)]
        for child in children:
            child.start()
        for child in children:
            child.join()
    elif method == "pool":  # which kills its workers when it is left
        with multiprocessing.get_context("fork").Pool(PROCESSES) as pool:
            pool.starmap(work, [(threads, calls)] * PROCESSES, chunksize=1)
    elif method == "killed":
        children_ids = []
        for _ in range(PROCESSES):
            child_id = os.fork()
            if child_id == 0:
                work(threads, calls)
                os.kill(os.getpid(), signal.SIGKILL)
            children_ids.append(child_id)
        for child_id in children_ids:
            assert os.WTERMSIG(os.waitpid(child_id, 0)[1]) == signal.SIGKILL
    elif method == "programs":
        for _ in range(PROCESSES):
            subprocess.run([sys.executable, __file__, "child", str(threads), str(calls)], check=True)
    if method != "child":
        PerformanceBudget.report(format="json")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

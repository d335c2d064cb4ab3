"""What the benchmarks share: processes, their costs, and medians."""

import os
import pathlib
import signal
import statistics
import time

TICKS = os.sysconf("SC_CLK_TCK")


def processor_seconds(process):
    """User and system time of a process until now."""
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def wait_for(condition, process, folder):
    """Waits until a process that logs into a folder is ready."""
    deadline = time.monotonic() + 10
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args} did not start: {pathlib.Path(folder, 'log').read_text()}")
        time.sleep(0.02)


def end(processes):
    for process in processes:
        process.send_signal(signal.SIGKILL)
    for process in processes:
        process.wait()


def median(results, *path):
    """The median over the rounds of one figure, None where there is none."""
    values = []
    for result in results:
        for key in path:
            result = result[key]
        values.append(result)
    return None if None in values else statistics.median(values)

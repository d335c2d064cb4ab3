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


def family(process):
    """The numbers of a process and of all that came from it and live."""
    numbers = [process.pid]
    for number in numbers:
        for thread in pathlib.Path(f"/proc/{number}/task").iterdir():
            numbers += [int(child) for child in (thread / "children").read_text().split()]
    return numbers


def family_processor_seconds(process):
    """User and system time of a process and its children, those that have ended as well, until now."""
    seconds = 0
    for number in family(process):
        fields = pathlib.Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
        seconds += sum(map(int, fields[11:15])) / TICKS
    return seconds


def status_sum(paths, *names):
    """The sum of some lines of status files."""
    total = 0
    for path in paths:
        for line in path.read_text().splitlines():
            name, _, value = line.partition(":")
            total += int(value.split()[0]) if name in names else 0
    return total


def peak_bytes(process):
    """The most memory that a process and its children have had, each at its own time."""
    return 1024 * status_sum([pathlib.Path(f"/proc/{number}/status") for number in family(process)], "VmHWM")


def context_switches(process):
    """How often threads of a process and its children have gone to sleep or lost the processor."""
    tasks = [pathlib.Path(f"/proc/{number}/task") for number in family(process)]
    threads = [thread / "status" for task in tasks for thread in task.iterdir()]
    return status_sum(threads, "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches")

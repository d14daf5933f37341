"""Processes: started on one core, watched in /proc, ended by their own id."""
import atexit
import os
import signal
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")
STOP_LIMIT = 10.0

_running = []


class Process:
    """A process and its children, pinned to one core."""

    def __init__(self, command, core, log, **more):
        self.log = log
        with open(log, "wb") as output:
            self._popen = subprocess.Popen(
                ["taskset", "-c", str(core), *map(str, command)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, **more)
        self.pid = self._popen.pid
        _running.append(self)

    def has_ended(self):
        return self._popen.poll() is not None

    def tail(self):
        """The end of what it wrote, for an error message."""
        with open(self.log, "rb") as file:
            return file.read()[-2000:].decode(errors="replace")

    def stop(self):
        """Asks, waits, then insists; only ever by process id."""
        if self in _running:
            _running.remove(self)
        if self.has_ended():
            return
        family = self.family()
        self._popen.send_signal(signal.SIGTERM)
        try:
            self._popen.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            for pid in reversed(family):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self._popen.wait(STOP_LIMIT)

    def kill(self):
        """Ends it and its children without a word, as a machine that fails does."""
        for pid in reversed(self.family()):
            os.kill(pid, signal.SIGKILL)
        self._popen.wait(STOP_LIMIT)

    def family(self):
        """Its own id and those of all its children."""
        found, left = [], [self.pid]
        while left:
            pid = left.pop()
            found.append(pid)
            try:
                for task in os.listdir(f"/proc/{pid}/task"):
                    with open(f"/proc/{pid}/task/{task}/children") as file:
                        left += [int(child) for child in file.read().split()]
            except OSError:
                continue
        return found

    def cpu_seconds(self):
        """(user, system) so far, children included."""
        user = system = 0
        for pid in self.family():
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            user += int(fields[11])
            system += int(fields[12])
        return user / TICKS, system / TICKS

    def memory(self):
        """(VmRSS, VmHWM) in MB, children included."""
        total = {"VmRSS:": 0, "VmHWM:": 0}
        for pid in self.family():
            with open(f"/proc/{pid}/status") as file:
                for line in file:
                    name, *rest = line.split()
                    if name in total:
                        total[name] += int(rest[0])
        return total["VmRSS:"] / 1024, total["VmHWM:"] / 1024

    def threads(self):
        """Thread ids of the whole family with the CPU ticks each has used."""
        used = {}
        for pid in self.family():
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/stat") as file:
                    fields = file.read().rsplit(")", 1)[1].split()
                used[int(task)] = int(fields[11]) + int(fields[12])
        return used


def stop_all():
    """Ends whatever this run started and has not ended yet."""
    for process in list(_running):
        process.stop()


def wait_until(judge, process, what, limit=60.0):
    """Polls until `judge()` is true; says why when it never is."""
    end = time.monotonic() + limit
    while not judge():
        if process.has_ended():
            raise RuntimeError(f"{what} ended at once:\n{process.tail()}")
        if time.monotonic() > end:
            raise RuntimeError(f"{what} was not ready within {limit:.0f} s:\n{process.tail()}")
        time.sleep(0.02)


atexit.register(stop_all)

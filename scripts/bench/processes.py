"""Processes of the run: started with a configuration, watched through /proc, and ended."""
import os
import pathlib
import socket
import subprocess
import time
from dataclasses import dataclass

# Below the ports that clients are given, so that no connection of a run can take one.
FIRST_PORT = 20_000


# Runs a program in the kernel's batch class: who is woken does not interrupt who runs. Load and upstream share the
# cores with the gateway, which would else be charged for being interrupted, the more the more often they wait for it.
PATIENT = ["chrt", "--batch", "0"]


class Failed(Exception):
    """What stopped the run, in words."""


@dataclass(frozen=True)
class Place:
    """Where a process runs and what its configuration refers to."""
    root: pathlib.Path      # the checkout
    binaries: pathlib.Path  # where cargo puts them
    folder: pathlib.Path    # files of this run
    minted: pathlib.Path    # tokens and keys
    keys: dict              # key sets as text, by algorithm
    workers: int
    port: int
    upstream: int = 0       # port of the upstream
    admin: int = 0

    @property
    def certificate(self):
        return self.folder / "tls.crt"

    @property
    def key(self):
        return self.folder / "tls.key"

    @property
    def pem(self):
        """Certificate and key in one file."""
        return self.folder / "tls.pem"

    def secret(self):
        """Texts of certificate and key."""
        return self.certificate.read_text(), self.key.read_text()


def ports():
    """Free ports, none twice."""
    for port in range(FIRST_PORT, 32_000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        yield port


class Process:
    """One program with everything it starts."""

    def __init__(self, name, command, log):
        self.name, self.log = name, log
        self.started = time.monotonic()
        with log.open("wb") as output:
            try:
                self.child = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=output)
            except OSError as error:
                raise Failed(f"{name} does not start: {error}") from error

    def alive(self):
        if self.child.poll() is not None:
            tail = self.log.read_text(errors="replace")[-2000:]
            raise Failed(f"{self.name} ended with {self.child.returncode}:\n{tail}")

    def until(self, ready, seconds=60):
        """Milliseconds from the start until `ready` says yes."""
        while not ready():
            self.alive()
            if time.monotonic() - self.started > seconds:
                raise Failed(f"{self.name} is not ready after {seconds} s")
            time.sleep(0.002)
        return (time.monotonic() - self.started) * 1e3

    def tree(self):
        """Ids of the process and all its descendants."""
        parents = {}
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                fields = stat(entry.name)
                if fields:
                    parents.setdefault(int(fields[1]), []).append(int(entry.name))
        found = [self.child.pid]
        for pid in found:
            found += parents.get(pid, [])
        return found

    def cpu(self):
        """Seconds of CPU, user and system, since the start.

        The kernel's own count of nanoseconds, which /proc/PID/stat shows in ticks of 10 ms."""
        return sum(cpu_of(pid) for pid in self.tree())

    def pss(self):
        """MiB of memory: the proportional set size that the process and its descendants have where nothing else runs.

        Other gateways of a run may be the same program, and would seem to bear a part of its code; so what is mapped
        from files counts in full, once."""
        memory = [memory_of(pid) for pid in self.tree()]
        return (sum(own for own, _ in memory) + max(files for _, files in memory)) / 1024

    def descriptors(self):
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self.tree())

    def stop(self):
        if self.child.poll() is None:
            self.child.terminate()
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


def stat(pid):
    """Fields of /proc/PID/stat after the name; nothing of a process that has ended."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None


def cpu_of(pid):
    # The id of the CPU clock of another process, as clock_getcpuclockid(3) makes it.
    return time.clock_gettime((~pid << 3) | 2)


def memory_of(pid):
    """KiB of a process: its share of memory of no file, and all it has of files."""
    lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    found = {name: int(rest.split()[0]) for name, rest in (line.split(":") for line in lines)}
    return found["Pss_Anon"] + found["Pss_Shmem"], found["Rss"] - found["Anonymous"] - found["Pss_Shmem"]


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
        return True
    except OSError:
        return False

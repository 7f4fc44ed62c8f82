"""The load: `countersign-load`, which mints tokens, sends requests and times a bare signature check."""
import json
import subprocess

from processes import PATIENT, Failed


class Load:
    def __init__(self, program, minted):
        self.program, self.minted = program, minted

    def mint(self, fresh):
        self._run("mint", self.minted, "--fresh", fresh)

    def signature(self, algorithm):
        """Microseconds of CPU of one signature check."""
        return self._json("signature", "--algorithm", algorithm, "--seconds", 1)["cpu_us"]

    def requests(self, slot, requests, offset=0):
        """What so many requests of the slot's workload came to."""
        return self._json("run", *options(slot, offset), "--requests", requests, before=PATIENT)

    def paced(self, slot, seconds):
        # Not a patient one: what is asked is when answers are there.
        return self._json("run", *options(slot, 0), "--rate", slot.workload.rate, "--seconds", seconds)

    def holder(self, slot, count):
        """The command that holds `count` idle connections open until it is ended."""
        return [self.program, "run", *map(str, options(slot, 0, connections=1)), "--rate", "1", "--seconds", "3600", "--idle", str(count)]

    def _json(self, *arguments, before=()):
        return json.loads(self._run(*arguments, before=before))

    def _run(self, *arguments, before=()):
        done = subprocess.run([*before, self.program, *map(str, arguments)], capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"countersign-load {' '.join(map(str, arguments))}: {done.stderr.strip()}")
        return done.stdout


def options(slot, offset, connections=None):
    work, place = slot.workload, slot.place
    scheme = "https" if work.duty.tls else "http"
    found = ["--url", f"{scheme}://127.0.0.1:{place.port}{work.path}", "--expect", work.expect,
             "--connections", connections or work.connections]
    if work.duty.tls:
        found += ["--ca", place.folder / "ca.crt"]
    if work.duty.http2:
        found += ["--protocol", "http2", "--streams", work.streams]
    if work.tokens:
        found += ["--tokens", slot.tokens, "--from", offset]
    if work.hosts:
        found += ["--hosts", work.hosts]
    if work.upload:
        found += ["--upload", work.upload]
    if work.size:
        found += ["--expect-bytes", work.size]
    return found

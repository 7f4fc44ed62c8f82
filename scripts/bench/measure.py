"""Rounds: every gateway of a group does the same work in turn, again and again, while the others wait."""
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import checks
import envoy
import haproxy
import nginx
import ours
from processes import Failed, Process, listens
from results import Series

CONFIGURATIONS = {"envoy": envoy, "envoy-cache": envoy, "haproxy": haproxy, "nginx": nginx, "countersign": ours}


@dataclass
class Slot:
    """One gateway set up for one workload."""
    workload: object
    candidate: str
    place: object
    process: object = None
    offset: int = 0         # of the next token
    series: Series = field(default_factory=Series)

    @property
    def tokens(self):
        name = self.workload.tokens
        return (self.place.folder if name == "team.txt" else self.place.minted) / name


class Bench:
    def __init__(self, base, ports, load, rounds, share=1.0):
        """`share` of all requests is sent, for trying things out."""
        self.base, self.ports, self.load, self.rounds, self.share = base, ports, load, rounds, share

    def measure(self, group):
        """Series by (workload, candidate)."""
        with ExitStack() as stack:
            slots = [self.start(work, candidate, stack) for work in group for candidate in work.candidates]
            for slot in slots:
                self.warm_up(slot)
            signatures = Series()
            for number in range(self.rounds):
                for slot in in_turn(slots, number):
                    self.round(slot)
                    if (slot.workload.name, slot.candidate) == ("jwt-new", "countersign"):
                        # In the same seconds as what it is held against.
                        signatures.cpu_us.append(self.load.signature("RS256"))
            for slot in slots:
                slot.process.alive()
                slot.series.pss_mib = slot.process.pss()
        found = {(slot.workload.name, slot.candidate): slot.series for slot in slots}
        if signatures.cpu_us:
            found["signature", "RS256"] = signatures
        return found

    def start(self, work, candidate, stack):
        """A gateway that runs and answers as it should."""
        duty = replace(work.duty, cache=candidate == "envoy-cache")
        place = replace(self.base, port=next(self.ports), admin=next(self.ports))
        slot = Slot(work, candidate, place)
        name = f"{work.name}-{candidate}"
        path = place.folder / f"{name}.conf"
        if candidate in ("countersign", "envoy", "envoy-cache"):
            path = path.with_suffix(".yaml")
        module = CONFIGURATIONS[candidate]
        path.write_text(module.config(duty, place))
        slot.process = Process(name, module.command(place, path), place.folder / f"{name}.log")
        stack.callback(slot.process.stop)
        slot.series.startup_ms = slot.process.until(lambda: listens(place.port) and checks.ready(slot, self.load))
        checks.check(slot, self.load)
        if duty.idle:
            self.hold(slot, stack)
        return slot

    def hold(self, slot, stack):
        """Opens the idle connections and waits until the gateway has them all."""
        name = f"{slot.workload.name}-{slot.candidate}-idle"
        holder = Process(name, self.load.holder(slot, slot.workload.duty.idle), slot.place.folder / f"{name}.log")
        stack.callback(holder.stop)
        holder.until(lambda: slot.process.descriptors() >= slot.workload.duty.idle)

    def warm_up(self, slot):
        work = slot.workload
        # Every token of a rotation once, so that caches are full when measuring begins.
        count = work.warm_up if (work.tokens or "").endswith("-rotating.txt") else self.scaled(work.warm_up)
        self.load.requests(slot, count, slot.offset)
        slot.offset += count

    def round(self, slot):
        work = slot.workload
        before = slot.process.cpu()
        if work.rate:
            outcome = self.load.paced(slot, work.seconds * min(1, self.share * 2))
        else:
            count = self.scaled(work.requests)
            outcome = self.load.requests(slot, count, slot.offset)
            slot.offset += count
        slot.process.alive()
        slot.series.add((slot.process.cpu() - before) / outcome["requests"] * 1e6, outcome)

    def scaled(self, count):
        return max(1, round(count * self.share))


def in_turn(slots, number):
    """The order of one round: gateway by gateway, beginning with another one each round, and in both directions.

    What one gateway spends on different work is compared within seconds, as is what two spend on the same."""
    candidates = list(dict.fromkeys(slot.candidate for slot in slots))
    first = number % len(candidates)
    order = candidates[first:] + candidates[:first]
    found = [slot for candidate in order for slot in slots if slot.candidate == candidate]
    return found if number % 2 == 0 else found[::-1]


def run(bench, groups):
    """Measures all groups and says on standard error how far it is."""
    found, started = {}, time.monotonic()
    for group in groups:
        names = ", ".join(work.name for work in group)
        print(f"bench: {time.monotonic() - started:5.0f} s  {names}", file=sys.stderr, flush=True)
        found |= bench.measure(group)
    print(f"bench: {time.monotonic() - started:5.0f} s  done", file=sys.stderr)
    return found


def enough_tokens(workloads, minted, rounds):
    """Raises where a workload of new tokens would send one twice."""
    for work in workloads:
        if work.fresh and work.expect == 200:
            with open(minted / work.tokens) as file:
                there = sum(1 for _ in file)
            wanted = work.warm_up + rounds * work.requests
            if wanted > there:
                raise Failed(f"{work.name} needs {wanted} tokens for {rounds} rounds, and there are {there}")

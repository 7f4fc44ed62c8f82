"""What came out: medians over rounds, and ratios within rounds. No clock, no files."""
from dataclasses import dataclass, field
from statistics import median

COLUMNS = ("requests_per_second", "p50_us", "p99_us", "p999_us")


@dataclass
class Series:
    """Rounds of one gateway under one workload."""
    cpu_us: list = field(default_factory=list)      # per request, by round
    outcomes: list = field(default_factory=list)    # what the load generator said, by round
    startup_ms: float = 0
    pss_mib: float = 0

    def add(self, cpu_us, outcome):
        self.cpu_us.append(cpu_us)
        self.outcomes.append(outcome)

    def column(self, name):
        return [outcome[name] for outcome in self.outcomes]


@dataclass(frozen=True)
class Ratio:
    middle: float
    low: float
    high: float


def ratio(above, below):
    """The median of the ratios of each round: rounds stand side by side in time, medians do not."""
    each = [a / b for a, b in zip(above, below, strict=True)]
    return Ratio(median(each), min(each), max(each))


def rows(series):
    """One row for each workload and candidate, as docs/benchmarks.json has them."""
    found = []
    for (workload, candidate), one in series.items():
        if not one.outcomes:
            continue
        to_envoy = ratio(one.cpu_us, series[workload, "envoy"].cpu_us)
        row = {"workload": workload, "candidate": candidate, "cpu_us_per_request": round(median(one.cpu_us), 2),
               "ratio_to_envoy": round(to_envoy.middle, 3), "ratio_low": round(to_envoy.low, 3), "ratio_high": round(to_envoy.high, 3)}
        row |= {name: round(median(one.column(name))) for name in COLUMNS}
        row |= {"pss_mib": round(one.pss_mib, 1), "startup_ms": round(one.startup_ms)}
        found.append(row)
    return found

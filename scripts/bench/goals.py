"""What Countersign is to cost, held against one run."""
from dataclasses import dataclass

from results import ratio

US, ENVOY = "countersign", "envoy"


@dataclass(frozen=True)
class Goal:
    says: str
    limit: float            # None: told, not demanded
    ratio: object           # None where the run lacks a workload of it
    strict: bool = False    # below the limit, not at it

    @property
    def met(self):
        if self.ratio is None or self.limit is None:
            return None
        return self.ratio.middle < self.limit if self.strict else self.ratio.middle <= self.limit


def goals(series):
    cpu = lambda workload, candidate=US: lambda: series[workload, candidate].cpu_us
    pss = lambda workload, candidate=US: lambda: [series[workload, candidate].pss_mib]
    p99 = lambda workload, candidate=US: lambda: series[workload, candidate].column("p99_us")

    def floor():
        """Our plain proxy and 1.3 bare signature checks."""
        pairs = zip(series["plain", US].cpu_us, series["signature", "RS256"].cpu_us, strict=True)
        return [plain + 1.3 * signature for plain, signature in pairs]

    stated = [
        ("`plain`, of Envoy", 0.50, cpu("plain"), cpu("plain", ENVOY)),
        ("`jwt-hot`, of Envoy", 0.22, cpu("jwt-hot"), cpu("jwt-hot", ENVOY)),
        ("`jwt-hot`, of Envoy with its token cache", 0.40, cpu("jwt-hot"), cpu("jwt-hot", "envoy-cache")),
        ("`jwt-hot`, of our own `plain`", 1.10, cpu("jwt-hot"), cpu("plain")),
        ("`jwt-hot`, of our own `plain-short`", None, cpu("jwt-hot"), cpu("plain-short")),
        ("`jwt-rotating`, of Envoy", 0.25, cpu("jwt-rotating"), cpu("jwt-rotating", ENVOY)),
        ("`jwt-new`, of Envoy", 0.42, cpu("jwt-new"), cpu("jwt-new", ENVOY)),
        ("`jwt-new`, of our own `plain` and 1.3 bare signature checks", 1.00, cpu("jwt-new"), floor),
        ("`jwt-bad`, of our own `jwt-new`", 1.00, cpu("jwt-bad"), cpu("jwt-new")),
        ("`policies-1000`, of our own `policies-1`", 1.15, cpu("policies-1000"), cpu("policies-1")),
        ("`paced`, p99, of Envoy", 1.00, p99("paced"), p99("paced", ENVOY)),
        ("`jwt-rotating`, memory, of Envoy with its token cache", 0.50, pss("jwt-rotating"), pss("jwt-rotating", "envoy-cache")),
        ("`jwt-rotating`, memory, of Envoy without it", None, pss("jwt-rotating"), pss("jwt-rotating", ENVOY)),
    ]
    return [Goal(says, limit, known(above, below), strict="p99" in says) for says, limit, above, below in stated]


def known(above, below):
    try:
        return ratio(above(), below())
    except KeyError:
        return None

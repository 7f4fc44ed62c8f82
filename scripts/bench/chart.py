"""Bars of CPU per request beside Envoy's, as SVG that follows the reader's light or dark setting."""
from html import escape

NAMES = {"countersign": "Countersign", "envoy": "Envoy", "envoy-cache": "Envoy, token cache", "haproxy": "HAProxy", "nginx": "nginx"}
WIDTH, LEFT, TOP = 860, 150, 62
BAR, GAP = 13, 12
LONGEST = 1.25          # of Envoy; longer bars are cut, their number is not
STYLE = """
  text { font: 12px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #24292f }
  .page { fill: #ffffff } .line { stroke: #d0d7de } .one { stroke: #6e7781 } .small { fill: #57606a; font-size: 11px }
  .countersign { fill: #0969da } .envoy { fill: #8c959f } .envoy-cache { fill: #c3cad1 } .haproxy { fill: #d4a72c } .nginx { fill: #4ac26b }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .page { fill: #0d1117 } .line { stroke: #30363d } .one { stroke: #8b949e } .small { fill: #9198a1 }
    .countersign { fill: #58a6ff } .envoy { fill: #8b949e } .envoy-cache { fill: #565e67 } .haproxy { fill: #bb8009 } .nginx { fill: #2ea043 }
  }
"""


def chart(rows, title):
    """`rows` in the order of their workloads; every workload is one group of bars."""
    groups = {}
    for row in rows:
        groups.setdefault(row["workload"], []).append(row)
    parts, y = [], TOP
    for name, group in groups.items():
        height = BAR * len(group)
        parts.append(f'<text x="{LEFT - 10}" y="{y + height / 2 + 4:g}" text-anchor="end">{escape(name)}</text>')
        for row in ours_first(group):
            parts += bar(row, y)
            y += BAR
        y += GAP
    bottom = y - GAP / 2
    frame = [f'<rect class="page" width="{WIDTH}" height="{bottom + 12:g}"/>',
             f'<text x="{LEFT}" y="20" font-weight="600">{escape(title)}</text>', *legend(rows), *grid(bottom)]
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{bottom + 12:g}" viewBox="0 0 {WIDTH} {bottom + 12:g}" '
            f'role="img" aria-label="{escape(title)}">\n<style>{STYLE}</style>\n' + "\n".join(frame + parts) + "\n</svg>\n")


def ours_first(group):
    return sorted(group, key=lambda row: list(NAMES).index(row["candidate"]))


def x_of(value):
    return LEFT + min(value, LONGEST) / LONGEST * (WIDTH - LEFT - 60)


def bar(row, y):
    value = row["ratio_to_envoy"]
    end = x_of(value)
    note = f'{row["workload"]}, {NAMES[row["candidate"]]}: {row["cpu_us_per_request"]} µs, {value:.2f} of Envoy'
    return [f'<rect class="{row["candidate"]}" x="{LEFT}" y="{y}" width="{end - LEFT:.1f}" height="{BAR - 2}"><title>{escape(note)}</title></rect>',
            f'<text class="small" x="{end + 5:.1f}" y="{y + BAR - 3}">{value:.2f}</text>']


def legend(rows):
    found, x = [], LEFT
    present = {row["candidate"] for row in rows}
    for name, says in NAMES.items():
        if name in present:
            found += [f'<rect class="{name}" x="{x}" y="32" width="11" height="11"/>', f'<text class="small" x="{x + 16}" y="42">{says}</text>']
            x += 34 + 7 * len(says)
    return found


def grid(bottom):
    found = []
    for value in (0.25, 0.5, 0.75, 1.0):
        x = x_of(value)
        found.append(f'<line class="{"one" if value == 1 else "line"}" x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{bottom:g}"/>')
    return found

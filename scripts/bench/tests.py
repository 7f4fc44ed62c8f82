"""Tests of what needs no process: ratios, goals, the chart, configurations."""
import pathlib
import sys
import time
import unittest
import xml.etree.ElementTree as xml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

import checks
import configurations
import measure
import processes
import report
import workloads
import yaml_text
from chart import chart
from goals import goals
from results import Series, ratio, rows


def series(cpu, p99=500, pss=10):
    found = Series(pss_mib=pss)
    for one in cpu:
        found.add(one, {"requests_per_second": 1e6 / one, "p50_us": 100, "p99_us": p99, "p999_us": 900})
    return found


class Ratios(unittest.TestCase):
    def test_they_are_taken_within_rounds(self):
        # The machine got slower by the round; medians of times would say 15 / 40.
        found = ratio([10, 20, 15], [20, 40, 60])
        self.assertEqual((found.middle, found.low, found.high), (0.5, 0.25, 0.5))

    def test_rounds_must_match(self):
        with self.assertRaises(ValueError):
            ratio([1, 2], [1])

    def test_a_row_has_medians(self):
        found = rows({("plain", "envoy"): series([20, 30, 40]), ("plain", "countersign"): series([10, 15, 20], pss=4.04)})
        self.assertEqual(found[1]["cpu_us_per_request"], 15)
        self.assertEqual(found[1]["ratio_to_envoy"], 0.5)
        self.assertEqual(found[1]["pss_mib"], 4.0)


class Goals(unittest.TestCase):
    def found(self, **cpu):
        data = {("plain", "envoy"): series([40]), ("plain", "countersign"): series([10])}
        data |= {("jwt-new", "envoy"): series([100]), ("jwt-new", "countersign"): series([cpu.get("new", 29)])}
        signature = Series(cpu_us=[15])
        data |= {("signature", "RS256"): signature}
        data |= {("paced", "envoy"): series([1], p99=300), ("paced", "countersign"): series([1], p99=cpu.get("p99", 299))}
        return {goal.says: goal.met for goal in goals(data) if goal.ratio}

    def test_met(self):
        self.assertTrue(all(self.found().values()))
        self.assertEqual(len(self.found()), 4)

    def test_new_tokens_may_cost_one_signature_check_and_a_third(self):
        says = "`jwt-new`, of our own `plain` and 1.3 bare signature checks"
        self.assertTrue(self.found(new=29.5)[says])
        self.assertFalse(self.found(new=29.6)[says])

    def test_a_figure_without_a_limit_is_neither(self):
        data = {("jwt-rotating", name): series([1], pss=20) for name in ("envoy", "countersign")}
        told = next(goal for goal in goals(data) if goal.ratio and goal.limit is None)
        self.assertEqual(report.verdict(told), ("stated", "1.00", "1.00 to 1.00", ""))

    def test_latency_must_be_below(self):
        self.assertFalse(self.found(p99=300)["`paced`, p99, of Envoy"])

    def test_what_was_not_measured_is_neither(self):
        self.assertTrue(all(goal.met is None for goal in goals({})))
        self.assertEqual(report.verdict(goals({})[0]), ("≤ 0.50", "not measured", "", ""))


class Rounds(unittest.TestCase):
    def test_each_candidate_comes_first_once(self):
        slots = [measure.Slot(work, name, None) for work in ("a", "b") for name in ("x", "y", "z")]
        orders = [[(slot.candidate, slot.workload) for slot in measure.in_turn(slots, number)] for number in (0, 2, 4)]
        self.assertEqual(orders[0], [("x", "a"), ("x", "b"), ("y", "a"), ("y", "b"), ("z", "a"), ("z", "b")])
        self.assertEqual({order[0][0] for order in orders}, {"x", "y", "z"})

    def test_the_clock_of_a_process_is_that_of_proc(self):
        end = time.monotonic() + 0.2
        while time.monotonic() < end:
            pass
        me = processes.os.getpid()
        fields = processes.stat(me)
        ticks = (int(fields[11]) + int(fields[12])) / processes.os.sysconf("SC_CLK_TCK")
        self.assertAlmostEqual(processes.cpu_of(me), ticks, delta=0.05)


class Workloads(unittest.TestCase):
    def test_names(self):
        names = [work.name for work in workloads.ALL]
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual([work.name for work in workloads.chosen(["paced", "plain"])], ["plain", "paced"])
        with self.assertRaisesRegex(ValueError, "no workload `plane`"):
            workloads.chosen(["plane"])

    def test_every_workload_is_held_against_envoy_and_ours(self):
        for work in workloads.ALL:
            self.assertLessEqual({"envoy", "countersign"}, set(work.candidates), work.name)

    def test_new_tokens_last_for_the_usual_rounds(self):
        for work in workloads.ALL:
            if work.fresh and work.expect == 200:
                there = workloads.FRESH if work.tokens.startswith("RS256") else 40_000
                self.assertLessEqual(work.warm_up + 7 * work.requests, there, work.name)

    def test_the_caller_of_policies_is_in_the_middle(self):
        for count in (1, 100, 1000):
            self.assertEqual(workloads.teams(count)[count // 2], workloads.TEAM)

    def test_a_tampered_token_differs_in_its_signature_alone(self):
        self.assertEqual(checks.tampered("a.b.Axyz"), "a.b.Bxyz")
        self.assertEqual(checks.tampered("a.b.xAyz"), "a.b.AAyz")


class Reports(unittest.TestCase):
    def test_a_chart_is_xml_with_a_bar_for_each_row(self):
        found = rows({("a<b", "envoy"): series([20]), ("a<b", "countersign"): series([90])})
        tree = xml.fromstring(chart(found, "Title"))
        bars = [one for one in tree.iter("{http://www.w3.org/2000/svg}rect") if len(one)]
        self.assertEqual(len(bars), 2)
        right = max(float(one.get("x")) + float(one.get("width")) for one in bars)
        self.assertLess(right, float(tree.get("width")), "a long bar is cut")

    def test_runs_are_held_against_each_other(self):
        row = lambda name, value: {"workload": name, "candidate": "countersign", "ratio_to_envoy": value}
        said = report.agreement([row("a", 0.2), row("b", 0.2), row("gone", 1)], [row("a", 0.219), row("b", 0.221), row("new", 1)])
        self.assertEqual(said, "ratios within a tenth of the other run: 1 of 2\n  apart: b 0.20 and 0.22")

    def test_configurations_are_shown_once(self):
        text = configurations.appendix(workloads.ALL)
        for name in ("jwt_authn", "jwt_verify", "AuthorizationPolicy", "proxy_pass", "jwt_cache_size", "prefix: /team-500/"):
            self.assertIn(name, text)
        self.assertEqual(text.count("team-501"), 0)

    def test_yaml(self):
        self.assertEqual(yaml_text.dump({"a": [{"b": 1, "c": ["x y", "*"]}], "d": {}, "e": {"f": "true"}}),
                         'a:\n- b: 1\n  c:\n  - x y\n  - "*"\nd: {}\ne:\n  f: "true"\n')


if __name__ == "__main__":
    unittest.main()

"""Prints the bootstrap of an Envoy that has one listener per group of policies, each as istiod would set it up.

usage: envoy.py FOLDER < input.json > bootstrap.json

FOLDER holds the translator (conformance/istio). The input: `upstream` (port) and `groups`, each with `name`, `port`,
`policies` (YAML), `workload`, `mesh` and `tls` ({cert, key, ca} or null)."""
import json
import sys

sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
import harness  # noqa: E402
import istio2envoy  # noqa: E402
import yaml  # noqa: E402

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def listener(group, upstream):
    documents = [document for document in yaml.load_all(group["policies"], LOADER) if document]
    filters = istio2envoy.gateway_filters(documents, group["workload"], group["mesh"])
    whole = harness.bootstrap(filters, group["port"], upstream, group["mesh"], tls=group["tls"])
    found = whole["static_resources"]["listeners"][0]
    found["name"] = found["stat_prefix"] = group["name"]
    return found, whole


def main():
    given = json.load(sys.stdin)
    made = [listener(group, given["upstream"]) for group in given["groups"]]
    # Clusters and limits are the same for all.
    bootstrap = made[0][1]
    bootstrap["static_resources"]["listeners"] = [found for found, _ in made]
    json.dump(bootstrap, sys.stdout)


main()

"""Envoy: `jwt_authn` for tokens, the RBAC filter for policies, with and without the cache of verified tokens."""
import json

from workloads import TEAM, teams
from yaml_text import dump

TYPES = "type.googleapis.com/envoy.extensions"
PAYLOAD = {"filter": "envoy.filters.http.jwt_authn", "path": [{"key": "payload"}, {"key": "team"}]}


def command(place, config):
    return [place.root / ".tools/bin/envoy", "-c", config, "--concurrency", str(place.workers), "--disable-hot-restart", "-l", "error"]


def config(duty, place):
    """JSON, which Envoy reads faster than YAML."""
    return json.dumps(document(duty, place))


def shown(duty, place):
    return dump(document(duty, place))


def document(duty, place):
    manager = {
        "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in", "normalize_path": True, "use_remote_address": True,
        "http_filters": [*filters(duty, place), {"name": "envoy.filters.http.router", "typed_config": {
            "@type": f"{TYPES}.filters.http.router.v3.Router"}}],
        "route_config": {"virtual_hosts": virtual_hosts(duty)},
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    if duty.http2:
        manager["codec_type"] = "HTTP2"
    if duty.tls:
        chain["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": {
            "@type": f"{TYPES}.transport_sockets.tls.v3.DownstreamTlsContext", "common_tls_context": {"tls_certificates": [
                {"certificate_chain": {"filename": str(place.certificate)}, "private_key": {"filename": str(place.key)}}]}}}
    return {"static_resources": {
        "listeners": [{"address": address(place.port), "filter_chains": [chain]}],
        "clusters": [{"name": "up", "type": "STATIC", "load_assignment": {"cluster_name": "up", "endpoints": [
            {"lb_endpoints": [{"endpoint": {"address": address(place.upstream)}}]}]}}],
    }}


def address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def virtual_hosts(duty):
    def one(name, domain):
        return {"name": name, "domains": [domain], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "up"}}]}
    return [one(f"h{n}", f"h{n}.test") for n in range(duty.routes)] or [one("all", "*")]


def filters(duty, place):
    if not duty.algorithm:
        return []
    return [authentication(duty, place), *authorization(duty)]


def authentication(duty, place):
    provider = {"issuer": "https://idp.test", "local_jwks": {"inline_string": place.keys[duty.algorithm]}}
    if duty.claims:
        provider["claim_to_headers"] = [{"header_name": header, "claim_name": claim} for claim, header in duty.claims]
    if duty.policies or duty.denials or duty.condition:
        provider["payload_in_metadata"] = "payload"
    if duty.cache:
        provider["jwt_cache_config"] = {"jwt_cache_size": 20_000}
    return {"name": "envoy.filters.http.jwt_authn", "typed_config": {
        "@type": f"{TYPES}.filters.http.jwt_authn.v3.JwtAuthentication",
        "providers": {"idp": provider},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "idp"}}]}}


def authorization(duty):
    if duty.policies:
        found = {f"team-{team}": team_policy(team) for team in teams(duty.policies)}
        return [rbac("ALLOW", found)]
    if duty.denials:
        return [rbac("DENY", {f"admin-{n}": admin_policy(n) for n in range(duty.denials)})]
    if duty.condition:
        return [rbac("ALLOW", {"team": {"permissions": [{"any": True}], "principals": [{"any": True}],
                                           "condition": is_of_team()}})]
    return []


def rbac(action, policies):
    return {"name": "envoy.filters.http.rbac", "typed_config": {
        "@type": f"{TYPES}.filters.http.rbac.v3.RBAC", "rules": {"action": action, "policies": policies}}}


def claim(value):
    return {"metadata": {**PAYLOAD, "value": {"string_match": {"exact": value}}}}


def team_policy(team):
    return {"permissions": [{"url_path": {"path": {"prefix": f"/team-{team}/"}}}], "principals": [claim(f"team-{team}")]}


def admin_policy(host):
    permission = [{"header": {"name": ":authority", "string_match": {"exact": f"h{host}.test", "ignore_case": True}}},
                  {"url_path": {"path": {"prefix": "/admin/"}}}]
    return {"permissions": [{"and_rules": {"rules": permission}}], "principals": [{"not_id": claim(f"team-{host}")}]}


def is_of_team():
    """`metadata.filter_metadata['envoy.filters.http.jwt_authn']['payload']['team'] == 'team-500'` as a syntax tree."""
    text = lambda value: {"const_expr": {"string_value": value}}
    call = lambda function, *args: {"call_expr": {"function": function, "args": list(args)}}
    tree = {"select_expr": {"operand": {"ident_expr": {"name": "metadata"}}, "field": "filter_metadata"}}
    for key in ("envoy.filters.http.jwt_authn", "payload", "team"):
        tree = call("_[_]", tree, text(key))
    return call("_==_", tree, text(f"team-{TEAM}"))

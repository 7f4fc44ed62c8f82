"""HAProxy 2.6: `jwt_verify`, and the checks of issuer and times that its manual leaves to the configuration."""


def command(place, config):
    return ["haproxy", "-f", config]


def config(duty, place):
    bind = f"bind 127.0.0.1:{place.port}"
    if duty.http2:
        bind += " proto h2"
    if duty.tls:
        bind += f" ssl crt {place.pem}"
    return "\n".join([
        "global",
        f"  nbthread {place.workers}",
        f"  maxconn {duty.idle + 2000}",
        # It wants two descriptors for each connection it might have, whatever it has.
        *(["  no strict-limits"] if duty.idle else []),
        "defaults",
        "  mode http",
        "  timeout connect 5s",
        "  timeout client 1h",
        "  timeout server 1h",
        "  http-reuse always",
        "  option forwardfor",
        "frontend in",
        f"  {bind}",
        *(f"  {rule}" for rule in rules(duty, place)),
        "  default_backend up",
        "backend up",
        f"  server up 127.0.0.1:{place.upstream}",
        ""])


shown = config


def rules(duty, place):
    if not duty.algorithm:
        return []
    query = lambda path: f"var(txn.token),jwt_payload_query('{path}')"
    number = lambda path: f"var(txn.token),jwt_payload_query('{path}','int')"
    refuse = "http-request deny deny_status 401"
    return [
        "http-request set-var(txn.token) http_auth_bearer",
        "http-request set-var(txn.alg) var(txn.token),jwt_header_query('$.alg')",
        f"{refuse} unless {{ var(txn.alg) -m str {duty.algorithm} }}",
        f"{refuse} unless {{ var(txn.token),jwt_verify(txn.alg,\"{place.minted}/{duty.algorithm}.pem\") -m int 1 }}",
        f"{refuse} unless {{ {query('$.iss')} -m str https://idp.test }}",
        "http-request set-var(txn.now) date()",
        f"{refuse} unless {{ {number('$.exp')},sub(txn.now) -m int gt 0 }}",
        f"{refuse} if {{ {number('$.nbf')},sub(txn.now) -m int gt 0 }}",
        *(f"http-request set-header {header} %[{query('$.' + claim)}]" for claim, header in duty.claims),
    ]

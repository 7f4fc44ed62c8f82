"""Countersign: Gateway API, kgateway's and Istio's objects, as a user would write them."""
from workloads import TEAM as CALLER, teams

PARAMETERS = """apiVersion: countersign.dev/v1alpha1
kind: GatewayParameters
metadata: {name: quiet, namespace: bench}
spec: {accessLog: "Off"}
"""
BACKEND = """apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {{name: up, namespace: bench}}
spec: {{static: {{hosts: [{{host: 127.0.0.1, port: {port}}}]}}}}
"""
GATEWAY = """apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: gw, namespace: bench}}
spec:
  gatewayClassName: countersign
  addresses: [{{type: IPAddress, value: 127.0.0.1}}]
  infrastructure: {{parametersRef: {{group: countersign.dev, kind: GatewayParameters, name: quiet}}}}
  listeners:
  - {listener}
"""
ROUTE = """apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {name}, namespace: bench}}
spec:
  parentRefs: [{{name: gw}}]
{hostnames}  rules: [{{backendRefs: [{{group: gateway.kgateway.dev, kind: Backend, name: up}}]}}]
"""
EXTENSION = """apiVersion: gateway.kgateway.dev/v1alpha1
kind: GatewayExtension
metadata: {{name: jwt, namespace: bench}}
spec:
  jwt:
    providers:
    - name: idp
      issuer: https://idp.test
{claims}      jwks: {{local: {{inline: '{keys}'}}}}
"""
TRAFFIC = """apiVersion: gateway.kgateway.dev/v1alpha1
kind: TrafficPolicy
metadata: {{name: jwt, namespace: bench}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: gw}}]
  jwtAuth: {{extensionRef: {{name: jwt}}}}
{condition}"""
CONDITION = f"""  rbac:
    policy:
      matchExpressions:
      - metadata.filter_metadata['envoy.filters.http.jwt_authn']['payload']['team'] == 'team-{CALLER}'
"""
REQUEST = """apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {{name: idp, namespace: bench}}
spec:
  jwtRules:
  - issuer: https://idp.test
    presence: REQUIRED
    jwks: '{keys}'
"""
TEAM = """apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: team-{team}, namespace: bench}}
spec:
  action: ALLOW
  rules:
  - to: [{{operation: {{paths: [/team-{team}/*]}}}}]
    when: [{{key: "request.auth.claims[team]", values: [team-{team}]}}]
"""
ADMIN = """apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: admin-{n}, namespace: bench}}
spec:
  action: DENY
  rules:
  - to: [{{operation: {{hosts: [h{n}.test], paths: [/admin/*]}}}}]
    when: [{{key: "request.auth.claims[team]", notValues: [team-{n}]}}]
"""


def command(place, config):
    return [place.binaries / "countersign", "run", config, "--admin", f"127.0.0.1:{place.admin}", "--workers", str(place.workers)]


def config(duty, place):
    return "---\n".join(objects(duty, place))


shown = config


def objects(duty, place):
    yield PARAMETERS
    yield GATEWAY.format(listener=listener(duty, place.port))
    if duty.tls:
        yield secret(place)
    for n in range(duty.routes):
        yield ROUTE.format(name=f"h{n}", hostnames=f"  hostnames: [h{n}.test]\n")
    if not duty.routes:
        yield ROUTE.format(name="all", hostnames="")
    yield BACKEND.format(port=place.upstream)
    if duty.algorithm:
        yield from tokens(duty, place.keys[duty.algorithm])


def listener(duty, port):
    if duty.tls:
        return f"{{name: https, protocol: HTTPS, port: {port}, tls: {{certificateRefs: [{{name: bench}}]}}}}"
    return f"{{name: http, protocol: HTTP, port: {port}}}"


def secret(place):
    certificate, key = ("".join(f"    {line}\n" for line in text.splitlines()) for text in place.secret())
    return (f"apiVersion: v1\nkind: Secret\nmetadata: {{name: bench, namespace: bench}}\ntype: kubernetes.io/tls\nstringData:\n"
            f"  tls.crt: |\n{certificate}  tls.key: |\n{key}")


def tokens(duty, keys):
    """AuthorizationPolicies read the claims of RequestAuthentication; for all else it is kgateway's objects."""
    if duty.policies or duty.denials:
        yield REQUEST.format(keys=keys)
        yield from (TEAM.format(team=team) for team in teams(duty.policies))
        yield from (ADMIN.format(n=n) for n in range(duty.denials))
        return
    pairs = ", ".join(f"{{name: {claim}, header: {header}}}" for claim, header in duty.claims)
    yield EXTENSION.format(keys=keys, claims=f"      claimsToHeaders: [{pairs}]\n" if pairs else "")
    yield TRAFFIC.format(condition=CONDITION if duty.condition else "")

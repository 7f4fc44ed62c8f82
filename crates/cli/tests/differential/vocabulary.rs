//! The words that policies and requests are made of: few, so that they meet, and none far from another.

/// Values that a policy may state for a field of a source, an operation, or a condition.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) values: &'static [&'static str],
}

const fn field(name: &'static str, values: &'static [&'static str]) -> Field {
    Field { name, values }
}

const HOSTS: &[&str] = &[
    "a.example.com",
    "b.example.com",
    "A.Example.COM",
    "example.com",
    "*.example.com",
    "a.*",
    "*",
    "example.com:8080",
    "a.example.com:*",
    "*:8080",
    "a.example.com.",
    "a.*.com",
    "*.Example.COM",
    "B.EXAMPLE.*",
];

const METHODS: &[&str] = &[
    "GET", "POST", "PUT", "DELETE", "OPTIONS", "P*", "*T", "*", "PATCH",
];

/// Methods that Envoy takes, as far as they occur here.
pub(crate) const KNOWN_METHODS: &[&str] = &[
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "LOCK",
];

const PATHS: &[&str] = &[
    "/",
    "/api",
    "/api*",
    "/api/*",
    "/api/v1",
    "/api/v1/users",
    "*/users",
    "*.html",
    "*",
    "/admin",
    "/admin/",
    "/admin*",
    "/Admin",
    "/admin;x",
    "/api/{*}/users",
    "/{*}/v1",
    "/files/{**}",
    "/api/{**}/users",
    "/files/a%2Fb",
    "/files/a%2fb",
    "/*/users",
    "/caf%C3%A9",
    "/{**}",
    "/{*}/{*}",
    "/{*}/{**}/users",
    "/%61pi",
    "//admin",
    "api*",
    "*/",
    "/api?a=1",
];

const PORTS: &[&str] = &["__PORT__", "__PORT__", "80", "65535"];

const NEAR: &[&str] = &[
    "127.0.0.1",
    "127.0.0.2",
    "127.0.0.0/8",
    "127.0.0.3",
    "127.0.0.9",
    "127.0.0.2/31",
    "127.0.0.9/24",
    "10.0.0.0/8",
    "::/0",
];

const FAR: &[&str] = &[
    "127.0.0.1",
    "127.0.0.0/8",
    "203.0.113.0/24",
    "203.0.113.9",
    "198.51.100.7/31",
    "2001:db8::/32",
    "2001:db8::7",
    "0.0.0.0/0",
];

const REQUEST_PRINCIPALS: &[&str] = &[
    "*",
    "https://idp.test/alice",
    "https://idp.test/bob",
    "https://idp.test/*",
    "https://idp.test/al*",
    "https://idp.test/",
    "https://idp*",
    "https://slash.test//bob",
    "https://slash.test//*",
    "https://slash.test/bob",
    "*/alice",
    "*/*",
    "*.test/alice",
    "*ce",
    "https://idp.test/team/carol",
    "https://idp.test//alice",
    "*//bob",
    "*/",
    "plain/alice",
    "plain",
    "pla*",
];

const PRINCIPALS: &[&str] = &[
    "*",
    "cluster.local/ns/default/sa/web",
    "cluster.local/ns/foo/sa/api",
    "td2.example/ns/default/sa/web",
    "old.example/ns/default/sa/web",
    "cluster.local/*",
    "old.example/ns/default/sa/*",
    "*.example/ns/default/sa/web",
    "*/ns/default/sa/*",
    "*/sa/web",
    "*/ns/default/sa/web",
    "client.example.com",
    "*.example.com",
];

const NAMESPACES: &[&str] = &["default", "foo", "def*", "*ault", "d*t", "*", "x"];

const SERVICE_ACCOUNTS: &[&str] = &["web", "default/web", "foo/api", "__NS__/web"];

const TRUST_DOMAINS: &[&str] = &[
    "cluster.local",
    "td2.example",
    "old.example",
    "td2*",
    "*.local",
    "*",
];

const ROLES: &[&str] = &[
    "admin",
    "dev",
    "dev*",
    "*ops",
    "*",
    "admin,dev",
    "true",
    "7",
    "a b",
    "Admin",
];

/// Of `from[].source`, each also with `not`. Not those that exclude each other: see [`IDENTITIES`].
pub(crate) const SOURCES: &[Field] = &[
    field("requestPrincipals", REQUEST_PRINCIPALS),
    field("ipBlocks", NEAR),
    field("remoteIpBlocks", FAR),
];

/// What a client certificate says. `serviceAccounts` is never beside `principals` or `namespaces`.
pub(crate) const IDENTITIES: &[Field] = &[
    field("principals", PRINCIPALS),
    field("namespaces", NAMESPACES),
    field("trustDomains", TRUST_DOMAINS),
];

pub(crate) const SERVICE_ACCOUNT: Field = field("serviceAccounts", SERVICE_ACCOUNTS);

/// Of `to[].operation`, each also with `not`.
pub(crate) const OPERATIONS: &[Field] = &[
    field("paths", PATHS),
    field("paths", PATHS),
    field("hosts", HOSTS),
    field("methods", METHODS),
    field("ports", PORTS),
];

/// Keys of `when` that plain HTTP can meet.
pub(crate) const CONDITIONS: &[Field] = &[
    field("request.headers[x-role]", ROLES),
    field("request.headers[X-Team]", ROLES),
    field("request.headers[cookie]", &["a=1", "a=*", "*", "*b=2"]),
    field(
        "request.headers[authorization]",
        &["*", "Bearer *", "Basic YTpi"],
    ),
    field("request.headers[x-sub]", &["alice", "*", "al*"]),
    field("request.headers[:path]", &["/api", "/api*", "*b=2", "*"]),
    field("request.headers[:method]", &["GET", "P*", "*"]),
    field(
        "request.headers[:authority]",
        &["a.example.com", "*.example.com", "*"],
    ),
    field("request.headers[host]", &["a.example.com", "*:8080", "*"]),
    field("request.auth.claims[role]", ROLES),
    field("request.auth.claims[groups]", ROLES),
    field("request.auth.claims[groups]", ROLES),
    field(
        "request.auth.claims[scope]",
        &["read", "write", "re*", "*", "read write"],
    ),
    field(
        "request.auth.claims[permission]",
        &["read", "write", "*te", "*"],
    ),
    field(
        "request.auth.claims[scp]",
        &["read", "write", "read write", "*"],
    ),
    field("request.auth.claims[realm][roles]", ROLES),
    field("request.auth.claims[realm]", ROLES),
    field("request.auth.claims[realm][roles][deep]", ROLES),
    field("request.auth.claims[groups][in]", ROLES),
    field("request.auth.claims[a.b]", ROLES),
    field("request.auth.claims[https://ns/claim]", ROLES),
    field("request.auth.claims[level]", &["7", "*", "1.5"]),
    field("request.auth.claims[iss]", &["https://idp.test", "*"]),
    field("request.auth.claims[sub]", &["alice", "*", "al*"]),
    field("request.auth.audiences", &["api", "web*", "*", "*pi"]),
    field("request.auth.presenter", &["cli", "app*", "*"]),
    field("request.auth.principal", REQUEST_PRINCIPALS),
    field("source.ip", NEAR),
    field("remote.ip", FAR),
    field("destination.ip", NEAR),
    field("destination.port", PORTS),
    field(
        "experimental.envoy.filters.network.any[key]",
        &["a", "[b]", "*"],
    ),
];

/// Keys of `when` that need TLS.
pub(crate) const TLS_CONDITIONS: &[Field] = &[
    field("source.principal", PRINCIPALS),
    field("source.namespace", NAMESPACES),
    field("source.trustDomain", TRUST_DOMAINS),
    field("source.serviceAccount", SERVICE_ACCOUNTS),
    field(
        "connection.sni",
        &[
            "a.example.com",
            "b.example.com",
            "*.example.com",
            "*",
            "gw.*",
        ],
    ),
];

/// Names that clients say over TLS; `127.0.0.1` says none.
pub(crate) const SERVER_NAMES: &[&str] = &[
    "a.example.com",
    "b.example.com",
    "gw.example.com",
    "127.0.0.1",
];

/// Client certificates by the names in them.
pub(crate) const CERTIFICATES: &[&[&str]] = &[
    &["spiffe://cluster.local/ns/default/sa/web"],
    &["spiffe://cluster.local/ns/foo/sa/api"],
    &["spiffe://td2.example/ns/default/sa/web"],
    &["spiffe://cluster.local/region/eu/ns/default/pod/p1/sa/web/extra"],
    &["spiffe://cluster.local/ns/default2/sa/web2"],
    &[
        "spiffe://cluster.local/ns/x/sa/one",
        "spiffe://cluster.local/ns/default/sa/web",
    ],
    &["client.example.com"],
    &["https://cluster.local/ns/default/sa/web"],
    &[],
];

/// Issuers: two whose keys are known, one without a scheme, one that nobody knows.
pub(crate) const ISSUERS: &[&str] = &[
    "https://idp.test",
    "https://slash.test/",
    "plain",
    "https://foreign.test",
];

pub(crate) const SUBJECTS: &[&str] = &["alice", "bob", "alix", "team/carol", "*", ""];

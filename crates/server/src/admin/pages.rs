//! The pages: a request in, an answer out.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;

use super::{Admin, view};

type Page = Response<Full<Bytes>>;

/// Answers one request. No page looks at a body.
pub(super) fn answer<B>(admin: &Admin, request: &Request<B>) -> Page {
    if !is_own(request.headers().get(HOST)) {
        return text(
            StatusCode::FORBIDDEN,
            "the Host header must be `localhost` or an IP address\n",
        );
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let writes = matches!(*request.method(), Method::PUT | Method::POST);
    match request.uri().path() {
        "/log" if writes => set_level(admin, request.headers(), request.uri().query()),
        "/log" if !reads => refuse_method("GET, HEAD, PUT, POST"),
        "/" | "/healthz" | "/readyz" | "/metrics" | "/config" if !reads => {
            refuse_method("GET, HEAD")
        }
        "/" => text(StatusCode::OK, INDEX),
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" => match admin.stage.unready() {
            None => text(StatusCode::OK, "ok\n"),
            Some(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        },
        "/metrics" => {
            let metrics = admin.handle.metrics().render();
            page(
                StatusCode::OK,
                "text/plain; version=0.0.4; charset=utf-8",
                metrics,
            )
        }
        "/config" => {
            let view = view::config(&admin.handle.current());
            page(StatusCode::OK, "application/json", format!("{view:#}\n"))
        }
        "/log" => text(StatusCode::OK, format!("{}\n", (admin.log.level)())),
        _ => text(StatusCode::NOT_FOUND, "no such page; `/` lists them\n"),
    }
}

const INDEX: &str = "\
/healthz    whether the process is alive
/readyz     whether it takes traffic
/metrics    counters, in Prometheus' text format
/config     the configuration in force, as JSON and without secrets
/log        the log level; PUT /log?level=debug changes it
";

/// `PUT /log?level=debug`
fn set_level(admin: &Admin, headers: &HeaderMap, query: Option<&str>) -> Page {
    if headers.contains_key(ORIGIN) {
        return text(
            StatusCode::FORBIDDEN,
            "web pages may not change the log level\n",
        );
    }
    let parameters = query.unwrap_or_default().split('&');
    let level = parameters.filter_map(|it| it.strip_prefix("level=")).next();
    let Some(level) = level else {
        return text(
            StatusCode::BAD_REQUEST,
            "say which level, as in `/log?level=debug`\n",
        );
    };
    let level = percent_encoding::percent_decode_str(level).decode_utf8_lossy();
    match (admin.log.set)(&level) {
        Ok(()) => text(StatusCode::OK, format!("{}\n", (admin.log.level)())),
        Err(why) => text(StatusCode::BAD_REQUEST, format!("{why}\n")),
    }
}

/// Whether a request is for this address and no name that somebody else may
/// point at it: a browser is led here by DNS rebinding under a name only.
fn is_own(host: Option<&HeaderValue>) -> bool {
    let Some(host) = host.and_then(|host| host.to_str().ok()) else {
        return false;
    };
    let host = countersign_core::host::canonical(host);
    let address = host
        .strip_prefix('[')
        .and_then(|it| it.strip_suffix(']'))
        .unwrap_or(&host);
    host == "localhost" || address.parse::<std::net::IpAddr>().is_ok()
}

fn refuse_method(allowed: &'static str) -> Page {
    let mut page = text(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("allowed: {allowed}\n"),
    );
    page.headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    page
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Page {
    page(status, "text/plain; charset=utf-8", text)
}

fn page(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Page {
    let mut page = Response::new(Full::new(body.into()));
    *page.status_mut() = status;
    let headers = page.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        "x-content-type-options",
        HeaderValue::from_static("nosniff"),
    );
    page
}

//! The application behind the gateway: answers with the request as it arrived.

use std::io;

use bytes::Bytes;
use http::{Request, StatusCode};
use serde_json::{Map, Value, json};

use super::site::{self, Site};

/// A running application.
pub(crate) struct Application {
    pub(crate) port: u16,
}

impl Application {
    /// Starts it on this port of 127.0.0.1, or on a free one.
    ///
    /// # Errors
    /// When no port can be bound.
    pub(crate) async fn start(port: u16) -> io::Result<Self> {
        let site = Site::bind(port).await?;
        let port = site.address().port();
        site.serve(|request| site::json(StatusCode::OK, &seen(request)));
        Ok(Self { port })
    }
}

fn seen(request: &Request<Bytes>) -> Value {
    let mut headers = Map::new();
    for name in request.headers().keys() {
        let values = request.headers().get_all(name).iter();
        let values: Vec<Value> = values
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into())
            .collect();
        let value = match <[Value; 1]>::try_from(values) {
            Ok([single]) => single,
            Err(several) => Value::Array(several),
        };
        headers.insert(name.to_string(), value);
    }
    json!({
        "method": request.method().as_str(),
        "path": request.uri().to_string(),
        "headers": headers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_the_request() {
        let request = Request::put("/a?b=c")
            .header("x-user", "alice")
            .header("x", "1")
            .header("x", "2");
        let expected = json!({
            "method": "PUT", "path": "/a?b=c", "headers": { "x-user": "alice", "x": ["1", "2"] },
        });
        assert_eq!(seen(&request.body(Bytes::new()).unwrap()), expected);
    }
}

//! A request as text: what stands on the wire of HTTP/1.1, as `curl -v` prints it, or as browsers show the headers of
//! HTTP/2.

use crate::request::{Ask, Impossible};

/// Reads a request. Lines of `curl -v` may have their `> `; its notes and the answer are passed over.
///
/// # Errors
/// When there is no request line, or a line is neither header nor empty.
pub fn request(text: &str) -> Result<Ask, Impossible> {
    let copied = text.lines().any(|line| line.starts_with("> "));
    let own = |line: &&str| !copied || line.starts_with('>');
    let mut lines = text.lines().filter(own).map(|line| match copied {
        true => line.strip_prefix("> ").unwrap_or(""),
        false => line,
    });
    let first = lines.by_ref().find(|line| !line.trim().is_empty());
    let first = first.ok_or_else(|| Impossible::new("there is no request in it").help(FORM))?;
    let mut ask = Ask::default();
    match first.starts_with(':') {
        true => pseudo(&mut ask, first)?,
        false => start_line(&mut ask, first)?,
    }
    for line in lines.by_ref() {
        if line.trim().is_empty() {
            break;
        }
        match line.starts_with(':') {
            true => pseudo(&mut ask, line)?,
            false => header(&mut ask, line)?,
        }
    }
    let body = lines.collect::<Vec<_>>().join("\n");
    ask.body = Some(body.into_bytes()).filter(|body| !body.is_empty());
    Ok(ask)
}

const FORM: &str = "begin with a line such as `GET /orders HTTP/1.1`, then one header on each line";

fn start_line(ask: &mut Ask, line: &str) -> Result<(), Impossible> {
    let parts: Vec<&str> = line.split(' ').filter(|part| !part.is_empty()).collect();
    let (method, target) = match parts.as_slice() {
        [method, target] => (method, target),
        [method, target, version] if version.starts_with("HTTP/") => (method, target),
        _ => return Err(Impossible::new("the first line is no request line").help(FORM)),
    };
    ask.method = (*method).to_owned();
    ask.target = (*target).to_owned();
    Ok(())
}

/// `:path: /orders`
fn pseudo(ask: &mut Ask, line: &str) -> Result<(), Impossible> {
    let (name, value) = line
        .get(1..)
        .and_then(|it| it.split_once(':'))
        .ok_or_else(no_header)?;
    let value = value.trim();
    match name {
        "method" => ask.method = value.to_owned(),
        "path" => ask.target = value.to_owned(),
        "authority" => ask.host = Some(value.to_owned()),
        "scheme" => ask.door.tls = Some(value.eq_ignore_ascii_case("https")),
        _ => return Err(no_header()),
    }
    Ok(())
}

fn header(ask: &mut Ask, line: &str) -> Result<(), Impossible> {
    let (name, value) = line.split_once(':').ok_or_else(no_header)?;
    let (name, value) = (name.trim_end(), value.trim());
    if name.eq_ignore_ascii_case("host") && ask.host.is_none() {
        ask.host = Some(value.to_owned());
    } else {
        ask.headers.push((name.to_owned(), value.to_owned()));
    }
    Ok(())
}

/// The line itself may be a token that went to the wrong place.
fn no_header() -> Impossible {
    Impossible::new("a line of the request is no header").help(FORM)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(ask: &Ask) -> Vec<(&str, &str)> {
        let headers = ask.headers.iter();
        headers
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }

    #[test]
    fn as_on_the_wire() {
        let ask = request("POST /a?b HTTP/1.1\r\nHost: a.test\r\nX-A: 1\r\nX-A:2\r\n\r\nbody\n");
        let ask = ask.unwrap();
        assert_eq!((ask.method.as_str(), ask.target.as_str()), ("POST", "/a?b"));
        assert_eq!(ask.host.as_deref(), Some("a.test"));
        assert_eq!(pairs(&ask), [("X-A", "1"), ("X-A", "2")]);
        assert_eq!(ask.body.as_deref(), Some(&b"body"[..]));
    }

    #[test]
    fn as_curl_prints_it() {
        let text = "* Connected to a.test\n> GET /a HTTP/2\n> Host: a.test\n> Accept: */*\n> \n< HTTP/1.1 401\n< x: y\n";
        let ask = request(text).unwrap();
        assert_eq!(
            (ask.target.as_str(), pairs(&ask)),
            ("/a", vec![("Accept", "*/*")])
        );
        assert_eq!(ask.body, None);
    }

    #[test]
    fn as_browsers_show_it() {
        let text = ":authority: a.test\n:method: PUT\n:path: /a\n:scheme: https\naccept: */*\n";
        let ask = request(text).unwrap();
        assert_eq!((ask.method.as_str(), ask.target.as_str()), ("PUT", "/a"));
        assert_eq!(
            (ask.host.as_deref(), ask.door.tls),
            (Some("a.test"), Some(true))
        );
    }

    #[test]
    fn what_is_no_request() {
        for text in [
            "",
            "\n\n",
            "GET",
            "GET / HTTP/1.1 x",
            "GET / FTP/1",
            "GET /\nnonsense",
            ":x: y",
        ] {
            let refused = request(text).unwrap_err();
            assert!(
                refused.help.is_some() && !refused.message.contains("nonsense"),
                "{text}"
            );
        }
    }
}

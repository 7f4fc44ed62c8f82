use super::*;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

fn parse(value: &str) -> Option<Parent> {
    Parent::parse(value.as_bytes())
}

fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
    let value = |text: &&str| HeaderValue::from_bytes(text.as_bytes()).unwrap();
    let pairs = pairs.iter().map(|(name, text)| (name.clone(), value(text)));
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name, value);
    }
    headers
}

/// One, two, three, …
fn counting() -> impl FnMut() -> u64 {
    let mut last = 0;
    move || {
        last += 1;
        last
    }
}

#[test]
fn valid_parents() {
    for (value, flags) in [
        (format!("00-{TRACE}-{SPAN}-01"), 1),
        (format!("00-{TRACE}-{SPAN}-00"), 0),
        (format!("00-{TRACE}-{SPAN}-03"), 3),
        // Flags that nobody has given a meaning do not go on.
        (format!("00-{TRACE}-{SPAN}-ff"), 3),
        (format!("00-{TRACE}-{SPAN}-fc"), 0),
        // Versions to come may say more.
        (format!("01-{TRACE}-{SPAN}-01"), 1),
        (format!("cc-{TRACE}-{SPAN}-01-what-the-future-brings"), 1),
        (format!("fe-{TRACE}-{SPAN}-01-"), 1),
    ] {
        let parent = parse(&value).unwrap_or_else(|| panic!("{value}"));
        assert_eq!(parent.trace.to_string(), TRACE, "{value}");
        assert_eq!(parent.span.to_string(), SPAN, "{value}");
        assert_eq!(parent.flags, flags, "{value}");
    }
}

#[test]
fn invalid_parents() {
    let zeros = "0".repeat(32);
    for value in [
        String::new(),
        "-".into(),
        "00".into(),
        "---".into(),
        format!("00-{TRACE}-{SPAN}"),
        format!("00-{TRACE}-{SPAN}-"),
        format!("00-{TRACE}-{SPAN}-1"),
        format!("00-{TRACE}-{SPAN}-001"),
        format!("00-{TRACE}-{SPAN}-01-"),
        format!("00-{TRACE}-{SPAN}-01-more"),
        format!("01-{TRACE}-{SPAN}-01.more"),
        format!("0-{TRACE}-{SPAN}-01"),
        format!("000-{TRACE}-{SPAN}-01"),
        format!("ff-{TRACE}-{SPAN}-01"),
        format!("FE-{TRACE}-{SPAN}-01"),
        format!("00-{zeros}-{SPAN}-01"),
        format!("00-{TRACE}-0000000000000000-01"),
        format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
        format!("00-{TRACE}-{}-01", SPAN.to_uppercase()),
        format!("00-{TRACE}-{SPAN}-0A"),
        format!("00-{TRACE}0-{SPAN}-01"),
        format!("00-0{TRACE}{SPAN}-01"),
        format!("00-{TRACE:.31}-{SPAN}0-01"),
        format!("00-{TRACE:.31}g-{SPAN}-01"),
        format!("00-+{TRACE:.31}-{SPAN}-01"),
        format!("00-{TRACE:.31}_-{SPAN}-01"),
        format!("00_{TRACE}_{SPAN}_01"),
        format!(" 00-{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}-01 "),
        format!("00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}-01\0"),
        format!("00-{TRACE}-{SPAN}-é"),
        "f".repeat(100_000),
        "-".repeat(100_000),
    ] {
        assert_eq!(parse(&value), None, "{value:.80}");
    }
    let mut bytes = format!("00-{TRACE}-{SPAN}-01").into_bytes();
    bytes[5] = 0xff;
    assert_eq!(Parent::parse(&bytes), None);
}

#[test]
fn a_second_parent_makes_both_invalid() {
    let value = format!("00-{TRACE}-{SPAN}-01");
    let one = (TRACEPARENT, value.as_str());
    assert!(Parent::of(&headers(std::slice::from_ref(&one))).is_some());
    assert_eq!(Parent::of(&headers(&[one.clone(), one])), None);
    assert_eq!(Parent::of(&HeaderMap::new()), None);
}

#[test]
fn a_caller_s_trace_goes_on() {
    let incoming = format!("00-{TRACE}-{SPAN}-03");
    let mut headers = headers(&[(TRACEPARENT, &incoming), (TRACESTATE, "a=b")]);
    let context = Context::below(Parent::of(&headers).unwrap(), counting());
    assert!(context.is_sampled());
    assert_eq!(context.parent.unwrap().to_string(), SPAN);
    assert_ne!(context.server, context.client);
    context.inject(&mut headers);
    assert_eq!(
        headers[TRACEPARENT],
        format!("00-{TRACE}-0000000000000002-03")
    );
    assert_eq!(headers[TRACESTATE], "a=b");
}

#[test]
fn a_new_trace_has_no_state() {
    for (sampled, flags) in [(true, "01"), (false, "00")] {
        let mut headers = headers(&[
            (TRACEPARENT, "nonsense"),
            (TRACEPARENT, "more"),
            (TRACESTATE, "a=b"),
            (TRACESTATE, "c=d"),
        ]);
        let context = Context::root(TraceId::new(0, 0xabc).unwrap(), sampled, counting());
        assert_eq!((context.is_sampled(), context.parent), (sampled, None));
        context.inject(&mut headers);
        let parents: Vec<_> = headers.get_all(TRACEPARENT).iter().collect();
        assert_eq!(
            parents,
            [&format!(
                "00-00000000000000000000000000000abc-0000000000000002-{flags}"
            )]
        );
        assert!(!headers.contains_key(TRACESTATE));
        // What goes out is what others would take.
        assert!(Parent::of(&headers).is_some());
    }
}

#[test]
fn ids_are_never_zero() {
    let context = Context::root(TraceId::new(1, 0).unwrap(), true, || 0);
    assert_eq!(context.server.to_string(), "0000000000000001");
    assert_eq!(TraceId::new(0, 0), None);
}

//! What a client is told of a decision, in the header that a listener may have for it.

use countersign_config::compiled::DebugDetail;
use countersign_core::Reason;
use countersign_core::origin::Origin;
use http::HeaderValue;

/// The id, and with all detail `id; reason=code; rule="Kind namespace/name part"`.
pub(super) fn header(
    id: &HeaderValue,
    detail: DebugDetail,
    reason: Option<&Reason>,
    rule: Option<&Origin>,
) -> HeaderValue {
    let (DebugDetail::Full, Some(reason), Ok(text)) = (detail, reason, id.to_str()) else {
        return id.clone();
    };
    let mut value = format!("{text}; reason={}", reason.code());
    if let Some(Origin {
        kind,
        namespace,
        name,
        part,
        ..
    }) = rule
    {
        let space = if part.is_empty() { "" } else { " " };
        let rule = format!("{kind} {namespace}/{name}{space}{part}");
        value.push_str("; rule=\"");
        value.extend(rule.chars().map(plain));
        value.push('"');
    }
    HeaderValue::try_from(value).unwrap_or_else(|_| id.clone())
}

/// What stands in a quoted string as it is (RFC 9110 section 5.6.4).
const fn plain(c: char) -> char {
    match c {
        '"' | '\\' => '\'',
        ' '..='~' => c,
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_alone_or_with_reason_and_rule() {
        let id = HeaderValue::from_static("1-2");
        let rule = Origin {
            kind: "GatewayExtension",
            namespace: "shop".into(),
            name: "idp".into(),
            part: "providers[a\"\u{e9}]".into(),
            file: "secret.yaml".into(),
            line: 7,
        };
        let told = |detail, reason, rule| header(&id, detail, reason, rule);
        let (id_only, full) = (DebugDetail::Id, DebugDetail::Full);
        let denied = Some(&Reason::PolicyDenied);
        assert_eq!(told(id_only, denied, Some(&rule)), "1-2");
        assert_eq!(told(full, Some(&Reason::Ok), None), "1-2; reason=ok");
        assert_eq!(
            told(full, denied, Some(&rule)),
            "1-2; reason=policy_denied; rule=\"GatewayExtension shop/idp providers[a'?]\""
        );
    }
}

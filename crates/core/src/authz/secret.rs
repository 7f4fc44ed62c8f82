//! What may be a credential, and is shown in no trace.

/// Whether a header is made for credentials, by its name. Rather one too many: what is not shown is
/// a question, what is shown is known to everybody who reads it.
pub(super) fn is_secret(name: &str) -> bool {
    const PARTS: [&str; 14] = [
        "auth",
        "bearer",
        "cookie",
        "credential",
        "csrf",
        "jwt",
        "key",
        "pass",
        "secret",
        "session",
        "signature",
        "assertion",
        "token",
        "xsrf",
    ];
    let name = name.to_ascii_lowercase();
    PARTS.iter().any(|it| name.contains(it))
}

/// Whether some word of a value may be a JWT: what begins one is the base64url of `{"`.
pub(super) fn looks_like_token(value: &str) -> bool {
    let words = value.split(|it: char| !it.is_ascii_alphanumeric() && !"-_.".contains(it));
    words
        .into_iter()
        .any(|it| it.starts_with("eyJ") && it.len() > 20)
}

/// What is said instead.
pub(super) const HIDDEN: &str = "a value that is not shown";

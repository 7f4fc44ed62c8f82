//! Who a client certificate says its owner is.

/// The names of a client certificate that verified (decision P13). A
/// certificate that did not verify makes no identity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// URI subject alternative names, in the certificate's order.
    pub uris: Box<[Box<str>]>,
    /// DNS subject alternative names.
    pub dns: Box<[Box<str>]>,
    /// The subject as RFC 2253 writes it; empty where there is none.
    pub subject: Box<str>,
    /// SHA-256 of the certificate in DER, in lower-case hexadecimal.
    pub digest: Box<str>,
}

const SPIFFE: &str = "spiffe://";

impl Identity {
    /// The names that count, as the certificate has them: URI names; without any
    /// the DNS names; without those the subject, as Envoy does.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let subject = std::slice::from_ref(&self.subject);
        let names = match (&self.uris[..], &self.dns[..]) {
            ([], []) if self.subject.is_empty() => &[],
            ([], []) => subject,
            ([], dns) => dns,
            (uris, _) => uris,
        };
        names.iter().map(|it| &**it)
    }

    /// SPIFFE names alone: trust domain, a slash, the workload's path.
    pub fn spiffe(&self) -> impl Iterator<Item = &str> {
        self.uris.iter().filter_map(|it| it.strip_prefix(SPIFFE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(uris: &[&str], dns: &[&str], subject: &str) -> Vec<String> {
        let list = |names: &[&str]| names.iter().map(|it| Box::from(*it)).collect();
        let identity = Identity {
            uris: list(uris),
            dns: list(dns),
            subject: subject.into(),
            digest: "".into(),
        };
        identity.names().map(str::to_owned).collect()
    }

    #[test]
    fn uris_before_dns_names_before_the_subject() {
        let (uris, dns) = (
            &["spiffe://td/ns/a/sa/b", "https://x"],
            &["a.test", "b.test"],
        );
        assert_eq!(
            names(uris, dns, "CN=c"),
            ["spiffe://td/ns/a/sa/b", "https://x"]
        );
        assert_eq!(names(&[], dns, "CN=c"), ["a.test", "b.test"]);
        assert_eq!(names(&[], &[], "CN=c"), ["CN=c"]);
        assert!(names(&[], &[], "").is_empty());
    }
}

use std::time::Duration;

use countersign_core::identity::Identity;
use countersign_testkit::tls::Authority as Ca;
use countersign_testkit::tls::rcgen::{
    CertificateParams, DnType, DnValue, ExtendedKeyUsagePurpose, SanType, string,
};
use rustls::crypto::aws_lc_rs;

use super::*;

const ALICE: &str = "spiffe://shop.example/ns/front/sa/alice";

fn authority(ca: &Ca, trust_domains: Option<&[&str]>) -> Authority {
    let origin = Origin {
        kind: "ConfigMap",
        namespace: "default".into(),
        name: "ca".into(),
        part: "".into(),
        file: "ca.yaml".into(),
        line: 1,
    };
    Authority {
        origin: Arc::new(origin),
        pem: ca.pem().into(),
        trust_domains: trust_domains.map(|all| all.iter().map(|it| Box::from(*it)).collect()),
    }
}

fn clients(mode: ClientMode, authorities: Vec<Authority>) -> Clients {
    let validation = ClientValidation {
        mode,
        authorities: authorities.into(),
    };
    let provider = Arc::new(aws_lc_rs::default_provider());
    Clients::new(Arc::new(validation), provider)
        .map_err(|it| it.why)
        .unwrap()
}

fn der(identity: &countersign_testkit::tls::Identity) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()
}

fn read(change: impl FnOnce(&mut CertificateParams)) -> Option<Identity> {
    names::read(&der(&Ca::new("ca").issue_as(&[], change)))
}

fn subject(names: &[(DnType, DnValue)]) -> String {
    let change = |params: &mut CertificateParams| {
        params.distinguished_name = Default::default();
        for (kind, value) in names {
            params.distinguished_name.push(kind.clone(), value.clone());
        }
    };
    read(change).unwrap().subject.into()
}

fn utf8(text: &str) -> DnValue {
    DnValue::Utf8String(text.to_owned())
}

#[test]
fn all_names_of_a_certificate() {
    let certificate = der(&Ca::new("ca").issue(&["a.test", ALICE, "https://b.test/x", "*.b.test"]));
    let identity = names::read(&certificate).unwrap();
    assert_eq!(
        identity.uris.iter().map(|it| &**it).collect::<Vec<_>>(),
        [ALICE, "https://b.test/x"]
    );
    assert_eq!(
        identity.dns.iter().map(|it| &**it).collect::<Vec<_>>(),
        ["a.test", "*.b.test"]
    );
    let digest = aws_lc_rs_digest(&certificate);
    assert_eq!(&*identity.digest, digest);
    assert_eq!(digest.len(), 64);
}

fn aws_lc_rs_digest(bytes: &[u8]) -> String {
    let digest = ::aws_lc_rs::digest::digest(&::aws_lc_rs::digest::SHA256, bytes);
    digest
        .as_ref()
        .iter()
        .map(|it| format!("{it:02x}"))
        .collect()
}

#[test]
fn subjects_as_envoy_writes_them() {
    let o = DnType::OrganizationName;
    assert_eq!(
        subject(&[
            (DnType::CountryName, utf8("DE")),
            (o.clone(), utf8("Shop")),
            (DnType::CommonName, utf8("alice")),
        ]),
        "CN=alice,O=Shop,C=DE"
    );
    assert_eq!(subject(&[]), "");
    for (value, written) in [
        ("a,O=b", r"CN=a\,O\=b".replace(r"\=", "=")),
        (r#"a+b"c\d<e>f;g"#, r#"CN=a\+b\"c\\d\<e\>f\;g"#.into()),
        (" a ", r"CN=\ a\ ".into()),
        ("#a#", r"CN=\#a#".into()),
        ("a\0b\n", r"CN=a\00b\0A".into()),
        ("jürg", r"CN=j\C3\BCrg".into()),
        ("x/ns/admin/sa/root", "CN=x/ns/admin/sa/root".into()),
    ] {
        assert_eq!(subject(&[(DnType::CommonName, utf8(value))]), written);
    }
    let bmp = string::BmpString::try_from("jürg").unwrap();
    assert_eq!(
        subject(&[(DnType::CommonName, DnValue::BmpString(bmp))]),
        r"CN=j\C3\BCrg"
    );
    let custom = DnType::CustomDnType(vec![1, 3, 6, 1, 4, 1, 99999, 1]);
    assert_eq!(
        subject(&[(custom, utf8("CN=alice"))]),
        "1.3.6.1.4.1.99999.1=#0C08434E3D616C696365",
        "the value of what nobody knows is no text"
    );
}

#[test]
fn several_values_in_one_part_of_a_subject() {
    // SET { CN=a, OU=b }, SET { O=c }
    let name = [
        &[0x31, 0x14][..],
        &[0x30, 8, 6, 3, 0x55, 4, 3, 0x0c, 1, b'a'],
        &[0x30, 8, 6, 3, 0x55, 4, 11, 0x0c, 1, b'b'],
        &[0x31, 0x0a, 0x30, 8, 6, 3, 0x55, 4, 10, 0x0c, 1, b'c'],
    ]
    .concat();
    assert_eq!(subject::write(&name).as_deref(), Some("O=c,OU=b+CN=a"));
    for end in 1..name.len() {
        let _no_panic = subject::write(&name[..end]);
    }
    assert_eq!(subject::write(&name[1..]), None);
}

#[test]
fn names_that_would_fool_a_reader_make_no_identity() {
    let uri = |text: &str| SanType::URI(text.try_into().unwrap());
    for name in [
        uri("spiffe://shop.example/ns/a\0/sa/b"),
        uri("spiffe://shop.example/ns/a\n"),
        uri("spiffe://shop.example/a b"),
        uri(""),
        SanType::DnsName("a.test\0.b.test".try_into().unwrap()),
    ] {
        let shown = format!("{name:?}");
        let change = |params: &mut CertificateParams| params.subject_alt_names = vec![name];
        assert_eq!(read(change), None, "{shown}");
    }
}

#[test]
fn cut_certificates_do_no_harm() {
    let whole = der(&Ca::new("ca").issue(&[ALICE]));
    for end in 0..whole.len() {
        let _no_panic = names::read(&whole[..end]);
    }
    let mut bent = whole.to_vec();
    for at in 0..bent.len() {
        for bits in [0xff, 0x80, 0x01] {
            bent[at] ^= bits;
            let _no_panic = names::read(&bent);
            bent[at] ^= bits;
        }
    }
}

#[test]
fn only_certificates_that_verify_make_an_identity() {
    let (ours, theirs) = (Ca::new("ours"), Ca::new("theirs"));
    let now = UnixTime::now();
    let later = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs() + 3600 * 24 * 40));
    let lent = |params: &mut CertificateParams| {
        params.not_before = (std::time::SystemTime::now() - Duration::from_secs(60)).into();
        params.not_after = (std::time::SystemTime::now() + Duration::from_secs(3600)).into();
    };
    let servers = |params: &mut CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    };
    let none = |params: &mut CertificateParams| params.extended_key_usages = Vec::new();
    for (certificate, now, want) in [
        (ours.issue_as(&[ALICE], lent), now, Ok(())),
        (ours.issue_as(&[ALICE], none), now, Ok(())),
        (ours.issue_as(&[ALICE], lent), later, Err("CertExpired")),
        (
            ours.issue_as(&[ALICE], servers),
            now,
            Err("RequiredEkuNotFound"),
        ),
        (theirs.issue_as(&[ALICE], lent), now, Err("UnknownIssuer")),
    ] {
        for mode in [ClientMode::ValidOnly, ClientMode::InsecureFallback] {
            let clients = clients(mode, vec![authority(&ours, None)]);
            let chain = [der(&certificate)];
            let got = clients.admit(Some(&chain), now);
            match (want, mode) {
                (Ok(()), _) => assert_eq!(&*got.unwrap().unwrap().uris[0], ALICE),
                (Err(why), ClientMode::ValidOnly) => {
                    let stranger = got.unwrap_err().to_string();
                    assert!(stranger.contains(why), "{stranger}");
                    assert!(clients.verify_client_cert(&chain[0], &[], now).is_err());
                }
                (Err(_), ClientMode::InsecureFallback) => {
                    assert_eq!(got, Ok(None));
                    assert!(clients.verify_client_cert(&chain[0], &[], now).is_ok());
                }
            }
        }
    }
}

#[test]
fn a_bound_authority_vouches_for_its_trust_domains_alone() {
    let (shop, bank) = (Ca::new("shop"), Ca::new("bank"));
    let clients = clients(
        ClientMode::ValidOnly,
        vec![
            authority(&shop, Some(&["shop.example", "shop.test"])),
            authority(&bank, Some(&["bank.example"])),
        ],
    );
    let admit = |ca: &Ca, names: &[&str]| {
        let chain = [der(&ca.issue(names))];
        let got = clients.admit(Some(&chain), UnixTime::now());
        got.map(|it| it.unwrap().names().map(str::to_owned).collect::<Vec<_>>())
    };
    assert_eq!(
        admit(&shop, &[ALICE, "spiffe://shop.test"]),
        Ok(vec![ALICE.to_owned(), "spiffe://shop.test".to_owned()])
    );
    assert!(admit(&bank, &["spiffe://bank.example/x"]).is_ok());
    for (ca, names) in [
        (&bank, &[ALICE][..]),
        (&shop, &["spiffe://bank.example/x"]),
        (&shop, &[ALICE, "spiffe://bank.example/x"]),
        (&shop, &[ALICE, "https://bank.example/ns/a/sa/b"]),
        (&shop, &["spiffe://shop.example.evil/x"]),
        (&shop, &["SPIFFE://shop.example/x"]),
        (&shop, &["spiffe://SHOP.example/x"]),
        (&shop, &["spiffe:///shop.example"]),
        (&shop, &["shop.example"]),
        (&shop, &[]),
    ] {
        let got = admit(ca, names);
        assert!(
            matches!(got, Err(Stranger::Foreign(_))),
            "{names:?} {got:?}"
        );
    }
}

/// Two authorities of one name and key are not told apart by signatures: what
/// the one may not do, the other may.
#[test]
fn one_authority_bound_twice() {
    let ca = Ca::new("shop");
    let both = vec![
        authority(&ca, Some(&["bank.example"])),
        authority(&ca, Some(&["shop.example"])),
    ];
    let chain = [der(&ca.issue(&[ALICE]))];
    let clients = clients(ClientMode::ValidOnly, both);
    assert!(clients.admit(Some(&chain), UnixTime::now()).is_ok());
    assert_eq!(clients.admit(None, UnixTime::now()), Err(Stranger::Nobody));
}

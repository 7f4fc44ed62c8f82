use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256, RsaKeyPair,
};

use super::*;

fn wrap(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<&str> = body
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

fn shape(key: &Key) -> (Option<&str>, &str, Option<Alg>) {
    (key.kid(), key.kind(), key.alg())
}

#[test]
fn rsa_comes_as_pkix_or_pkcs1_and_is_for_rs256() {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(
        &RSA_PKCS1_SHA256,
        &aws_lc_rs::rand::SystemRandom::new(),
        b"hello",
        &mut signature,
    )
    .unwrap();
    let pkix = pair.public_key().as_der().unwrap();
    let texts = [
        wrap("PUBLIC KEY", pkix.as_ref()),
        wrap("RSA PUBLIC KEY", pair.public_key().as_ref()),
        format!(
            "\n  {}",
            wrap("PUBLIC KEY", pkix.as_ref()).replace('\n', "\r\n")
        ),
        format!("{}trailing text", wrap("PUBLIC KEY", pkix.as_ref())),
    ];
    for text in texts {
        assert!(is_pem(&text));
        let key = parse(&text).unwrap();
        assert_eq!(shape(&key), (None, "RSA 2048", Some(Alg::RS256)));
        assert!(key.verify(Alg::RS256, b"hello", &signature));
        assert!(!key.verify(Alg::RS256, b"hallo", &signature));
        assert!(!key.verify(Alg::RS384, b"hello", &signature));
    }
}

#[test]
fn ecdsa_is_for_the_algorithm_of_its_curve() {
    let cases: [(&'static EcdsaSigningAlgorithm, &str, Alg); 3] = [
        (&ECDSA_P256_SHA256_FIXED_SIGNING, "EC P-256", Alg::ES256),
        (&ECDSA_P384_SHA384_FIXED_SIGNING, "EC P-384", Alg::ES384),
        (&ECDSA_P521_SHA512_FIXED_SIGNING, "EC P-521", Alg::ES512),
    ];
    for (signing, kind, alg) in cases {
        let pair = EcdsaKeyPair::generate(signing).unwrap();
        let key = parse(&wrap(
            "PUBLIC KEY",
            pair.public_key().as_der().unwrap().as_ref(),
        ))
        .unwrap();
        assert_eq!(shape(&key), (None, kind, Some(alg)));
        let signature = pair
            .sign(&aws_lc_rs::rand::SystemRandom::new(), b"hello")
            .unwrap();
        assert!(key.verify(alg, b"hello", signature.as_ref()));
    }
}

#[test]
fn ed25519_is_for_eddsa() {
    let pair = Ed25519KeyPair::generate().unwrap();
    let key = parse(&wrap(
        "PUBLIC KEY",
        pair.public_key().as_der().unwrap().as_ref(),
    ))
    .unwrap();
    assert_eq!(shape(&key), (None, "Ed25519", Some(Alg::EdDSA)));
    assert!(key.verify(Alg::EdDSA, b"hello", pair.sign(b"hello").as_ref()));
}

#[test]
fn what_is_no_public_key_is_refused_in_words() {
    let good = wrap(
        "PUBLIC KEY",
        Ed25519KeyPair::generate()
            .unwrap()
            .public_key()
            .as_der()
            .unwrap()
            .as_ref(),
    );
    let cases = [
        (wrap("PRIVATE KEY", b"secret"), "it is a private key"),
        (wrap("RSA PRIVATE KEY", b"secret"), "it is a private key"),
        (wrap("CERTIFICATE", b"x"), "it is a certificate"),
        (
            wrap("SSH KEY", b"x"),
            "a block of type `SSH KEY` is not a public key",
        ),
        (
            wrap("PUBLIC KEY", b"x"),
            "the key's structure or type is not supported",
        ),
        (
            wrap("PUBLIC KEY", b""),
            "the key's structure or type is not supported",
        ),
        (
            good.replace("END PUBLIC", "END OTHER"),
            "the block has no end",
        ),
        (
            good.replace("-----END PUBLIC KEY-----", ""),
            "the block has no end",
        ),
        (good.replace("MC", "M*"), "the block is not base64"),
    ];
    for (text, expected) in cases {
        let error = parse(&text).unwrap_err();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
    assert!(!is_pem("{\"keys\":[]}"));
}

#[test]
fn weak_keys_are_refused_in_pem_too() {
    // RSAPublicKey of a 1024 bit modulus and the exponent 65537.
    let modulus = [&[0x02, 0x81, 0x81, 0x00][..], &[0xff; 128]].concat();
    let der = [
        &[0x30, 0x81, 0x89][..],
        &modulus,
        &[0x02, 0x03, 0x01, 0x00, 0x01],
    ]
    .concat();
    let error = parse(&wrap("RSA PUBLIC KEY", &der)).unwrap_err();
    assert_eq!(
        error,
        "an RSA key of 1024 bits is too weak; 2048 are the least"
    );
}

#[test]
fn every_cut_and_every_flipped_bit_of_a_key_is_read_without_harm() {
    let der = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
        .unwrap()
        .public_key()
        .as_der()
        .unwrap();
    let der = der.as_ref();
    for end in 0..der.len() {
        assert!(
            parse(&wrap("PUBLIC KEY", &der[..end])).is_err(),
            "cut at {end}"
        );
    }
    let point = der.len() - 65;
    for bit in 0..point * 8 {
        let mut changed = der.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(parse(&wrap("PUBLIC KEY", &changed)).is_err(), "bit {bit}");
    }
}

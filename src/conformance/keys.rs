//! Cases for [`Keys`].

use std::collections::HashSet;

use x509_parser::{
    certification_request::X509CertificationRequest,
    extensions::{GeneralName, ParsedExtension},
    prelude::FromDer,
    x509::SubjectPublicKeyInfo,
};

use crate::{error::ErrorKind, keys::Keys, name::DomainName, secret::Secret};

/// Makes one test of every case in [`conformance::keys`](crate::conformance::keys).
///
/// `$setup` is a future that gives a maker of keys.
#[macro_export]
macro_rules! keys_conformance {
    ($name:ident, $setup:expr) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $crate::__conformance_cases!(
                [$crate::conformance::keys] $setup => (keys);
                generated_keys_differ,
                generated_key_is_pkcs8,
                public_key_depends_on_the_key_alone,
                public_key_says_nothing_of_the_private_one,
                request_is_for_the_key,
                request_is_for_exactly_the_names,
                request_without_names_is_invalid,
                what_is_no_key_is_invalid,
                errors_do_not_show_the_key,
            );
        }
    };
}

fn names(names: &[&str]) -> Vec<DomainName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// No key is made twice, and no two keys have the same public half.
pub async fn generated_keys_differ(keys: impl Keys) {
    let made: Vec<Secret> = (0..20).map(|_| keys.generate().unwrap()).collect();
    let distinct: HashSet<&[u8]> = made.iter().map(Secret::expose).collect();
    assert_eq!(distinct.len(), made.len());
    let public: HashSet<Vec<u8>> = made.iter().map(|key| keys.public_key(key).unwrap()).collect();
    assert_eq!(public.len(), made.len());
}

/// A key is a DER sequence that starts with the version of PKCS #8 (RFC 5958 section 2).
pub async fn generated_key_is_pkcs8(keys: impl Keys) {
    let key = keys.generate().unwrap();
    let (rest, sequence) = x509_parser::asn1_rs::Sequence::from_der(key.expose()).unwrap();
    assert!(rest.is_empty(), "bytes after the key");
    let (_, version) = x509_parser::asn1_rs::Integer::from_der(&sequence.content).unwrap();
    assert!(version.as_u8().unwrap() <= 1);
}

/// The same key has the same public half every time.
pub async fn public_key_depends_on_the_key_alone(keys: impl Keys) {
    let key = keys.generate().unwrap();
    let copy = Secret::new(key.expose().to_vec());
    let public = keys.public_key(&key).unwrap();
    assert_eq!(keys.public_key(&copy).unwrap(), public);
    let (rest, parsed) = SubjectPublicKeyInfo::from_der(&public).unwrap();
    assert!(rest.is_empty() && !parsed.subject_public_key.data.is_empty());
}

/// What is private in a key is neither in its public half nor in a request.
///
/// PKCS #8 may hold the public key too (RFC 5958 section 2), and its frame is the same in all keys:
/// what is left without the two is the secret.
pub async fn public_key_says_nothing_of_the_private_one(keys: impl Keys) {
    let runs = |bytes: &[u8]| bytes.windows(16).map(<[u8]>::to_vec).collect::<HashSet<_>>();
    let [key, other] = [(); 2].map(|()| keys.generate().unwrap());
    let (public, frame) = (runs(&keys.public_key(&key).unwrap()), runs(other.expose()));
    let mut secret = runs(key.expose());
    secret.retain(|run| !public.contains(run) && !frame.contains(run));
    assert!(!secret.is_empty(), "the public half holds the private one");
    let request = runs(&keys.request(&key, &names(&["shop.example.com"])).unwrap());
    assert!(secret.is_disjoint(&request), "parts of the private key are in the request");
}

/// A request holds the public key that `public_key` returns.
pub async fn request_is_for_the_key(keys: impl Keys) {
    let key = keys.generate().unwrap();
    let request = keys.request(&key, &names(&["shop.example.com"])).unwrap();
    let (rest, parsed) = X509CertificationRequest::from_der(&request).unwrap();
    assert!(rest.is_empty(), "bytes after the request");
    let public = keys.public_key(&key).unwrap();
    assert_eq!(parsed.certification_request_info.subject_pki.raw, public);
}

/// The names are in the extension for them, all of them and no others, and none is in the subject.
pub async fn request_is_for_exactly_the_names(keys: impl Keys) {
    let key = keys.generate().unwrap();
    let many: Vec<String> = (0..100).map(|number| format!("shop-{number}.example.com")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for wanted in [
        &["shop.example.com"][..],
        &["example.com", "*.example.com"],
        &["xn--bcher-kva.example", "www.xn--bcher-kva.example"],
        &many,
    ] {
        let request = keys.request(&key, &names(wanted)).unwrap();
        let (_, parsed) = X509CertificationRequest::from_der(&request).unwrap();
        let mut found = Vec::new();
        for extension in parsed.requested_extensions().into_iter().flatten() {
            if let ParsedExtension::SubjectAlternativeName(names) = extension {
                for name in &names.general_names {
                    match name {
                        GeneralName::DNSName(name) => found.push(*name),
                        other => panic!("not a DNS name: {other:?}"),
                    }
                }
            }
        }
        found.sort_unstable();
        let mut wanted = wanted.to_vec();
        wanted.sort_unstable();
        assert_eq!(found, wanted);
        let subject = &parsed.certification_request_info.subject;
        assert_eq!(subject.iter_common_name().count(), 0, "{subject}");
    }
}

/// There is no request for nothing.
pub async fn request_without_names_is_invalid(keys: impl Keys) {
    let key = keys.generate().unwrap();
    let error = keys.request(&key, &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
}

/// Whatever the bytes are, they are refused without a panic.
pub async fn what_is_no_key_is_invalid(keys: impl Keys) {
    let key = keys.generate().unwrap();
    let bytes = key.expose();
    let mut wrong: Vec<Vec<u8>> = (0..bytes.len()).map(|end| bytes[..end].to_vec()).collect();
    wrong.push(b"-----BEGIN PRIVATE KEY-----".to_vec());
    wrong.push(vec![0; bytes.len()]);
    wrong.push(vec![0xff; 1000]);
    wrong.push(keys.public_key(&key).unwrap());
    for bytes in wrong {
        let wrong = Secret::new(bytes);
        for result in [keys.public_key(&wrong), keys.request(&wrong, &names(&["shop.example.com"]))]
        {
            let error = result.expect_err("bytes that are no key were taken for one");
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        }
    }
}

/// What was given as a key is in no text of an error.
pub async fn errors_do_not_show_the_key(keys: impl Keys) {
    let marker = "marker-a61f";
    let error = keys.public_key(&Secret::new(marker.as_bytes().to_vec())).unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(marker), "{shown}");
    assert!(!shown.contains(&hex::encode(marker)), "{shown}");
}

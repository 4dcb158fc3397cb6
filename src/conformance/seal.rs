//! Cases for a [`Sealer`].

use crate::{
    error::ErrorKind,
    id::{OsRandom, TenantId},
    seal::{Context, MissingKey, Sealed, Sealer},
    secret::Secret,
};

/// Makes one test of every case in [`conformance::seal`](crate::conformance::seal).
///
/// `$setup` is a future that gives a sealer, and another one that has another key.
#[macro_export]
macro_rules! seal_conformance {
    ($name:ident, $setup:expr) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $crate::__conformance_cases!(
                [$crate::conformance::seal] $setup => (sealer, stranger);
                sealed_secret_opens_to_the_same_bytes,
                secret_opens_in_its_own_place_only,
                another_key_does_not_open,
                missing_key_is_named,
                text_names_the_key_that_seals,
                same_secret_gives_two_texts,
                text_does_not_hold_the_secret,
                text_is_fit_for_json,
                changed_text_does_not_open,
                what_was_never_sealed_does_not_open,
                errors_do_not_show_the_secret,
            );
        }
    };
}

fn context() -> Context {
    Context::new(None, "key/one", "certificate key")
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

async fn assert_closed(sealer: &impl Sealer, context: &Context, text: &str) {
    let Err(error) = sealer.open(context, &Sealed::new(text.to_owned())).await else {
        panic!("{text:?} has been opened for {context:?}")
    };
    assert!(
        matches!(error.kind(), ErrorKind::Denied | ErrorKind::Invalid | ErrorKind::Refused),
        "{text:?}: {error}"
    );
}

/// Of any length, of any bytes, and as often as one likes.
pub async fn sealed_secret_opens_to_the_same_bytes(sealer: impl Sealer, _stranger: impl Sealer) {
    for bytes in [Vec::new(), vec![0], (0..=255).collect(), vec![7; 64 * 1024]] {
        let secret = Secret::new(bytes);
        let sealed = sealer.seal(&context(), &secret).await.unwrap();
        for _ in 0..2 {
            assert!(sealer.open(&context(), &sealed).await.unwrap() == secret);
        }
    }
}

/// Who can write to the store cannot move a secret to another tenant, item or purpose.
pub async fn secret_opens_in_its_own_place_only(sealer: impl Sealer, _stranger: impl Sealer) {
    let [own, other] = [(); 2].map(|()| TenantId::random(&OsRandom).unwrap());
    let place = Context::new(Some(own), "key/one", "certificate key");
    let sealed = sealer.seal(&place, &secret("secret")).await.unwrap();
    for elsewhere in [
        Context::new(Some(other), "key/one", "certificate key"),
        Context::new(None, "key/one", "certificate key"),
        Context::new(Some(own), "key/two", "certificate key"),
        Context::new(Some(own), "key/one", "account key"),
        Context::new(Some(own), "key/one", "certificate key").with_revision(2),
        Context::new(Some(own), "key/one", "certificate key").with_revision(0),
        // The parts do not run into each other.
        Context::new(Some(own), "key/onecertificate", " key"),
        Context::new(None, format!("{own}key/one"), "certificate key"),
    ] {
        let error = sealer.open(&elsewhere, &sealed).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{elsewhere:?}: {error}");
    }
    assert!(sealer.open(&place, &sealed).await.is_ok());
    // Nor in the place of a later one.
    let later = place.clone().with_revision(2);
    let second = sealer.seal(&later, &secret("secret")).await.unwrap();
    let error = sealer.open(&later, &sealed).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    assert!(sealer.open(&place, &second).await.is_err());
    assert!(sealer.open(&later, &second).await.is_ok());
}

/// What was sealed with another key does not open.
pub async fn another_key_does_not_open(sealer: impl Sealer, stranger: impl Sealer) {
    let sealed = sealer.seal(&context(), &secret("secret")).await.unwrap();
    assert_closed(&stranger, &context(), sealed.as_str()).await;
}

/// Who lacks the key is told which one it is, and that nothing else is wrong.
pub async fn missing_key_is_named(sealer: impl Sealer, stranger: impl Sealer) {
    let sealed = sealer.seal(&context(), &secret("secret")).await.unwrap();
    let key = sealed.key_id().expect("the text names its key");
    let error = stranger.open(&context(), &sealed).await.unwrap_err();
    // Two that call different keys the same cannot tell which of them was meant.
    if stranger.keys().contains(&key) {
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    } else {
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
        assert_eq!(MissingKey::of(&error), Some(&key), "{error}");
        assert!(error.to_string().contains(key.as_str()), "{error}");
    }
}

/// Which key a text needs can be told from the text, so that an old one can be looked for.
pub async fn text_names_the_key_that_seals(sealer: impl Sealer, _stranger: impl Sealer) {
    let sealed = sealer.seal(&context(), &secret("secret")).await.unwrap();
    let keys = sealer.keys();
    assert_eq!(sealed.key_id().as_ref(), keys.first());
    assert!(keys.iter().enumerate().all(|(at, key)| !keys.iter().skip(at + 1).any(|k| k == key)));
}

/// Nobody can see that two secrets are the same.
pub async fn same_secret_gives_two_texts(sealer: impl Sealer, _stranger: impl Sealer) {
    let first = sealer.seal(&context(), &secret("secret")).await.unwrap();
    let second = sealer.seal(&context(), &secret("secret")).await.unwrap();
    assert_ne!(first.as_str(), second.as_str());
}

/// The text holds the secret neither as it is nor in a usual encoding.
pub async fn text_does_not_hold_the_secret(sealer: impl Sealer, _stranger: impl Sealer) {
    let marker = "a marker that is long enough to be found";
    let sealed = sealer.seal(&context(), &secret(marker)).await.unwrap();
    let text = sealed.as_str().to_ascii_lowercase();
    // The second is base64 of the part that starts at a multiple of three bytes.
    for form in [marker.to_owned(), hex::encode(marker), "ysbtyxjrzxigdghhdcbpcyb".to_owned()] {
        assert!(!text.contains(&form), "the text holds {form}");
    }
    assert!(!format!("{sealed:?}").contains(sealed.as_str()), "`Debug` shows the text");
}

/// Printable ASCII without quotes or backslashes.
pub async fn text_is_fit_for_json(sealer: impl Sealer, _stranger: impl Sealer) {
    let sealed = sealer.seal(&context(), &secret("secret")).await.unwrap();
    let fit = |byte: u8| matches!(byte, b'!'..=b'~') && !matches!(byte, b'"' | b'\\');
    assert!(sealed.as_str().bytes().all(fit), "{}", sealed.as_str());
    let json = serde_json::to_string(&sealed).unwrap();
    let back: Sealed = serde_json::from_str(&json).unwrap();
    assert!(sealer.open(&context(), &back).await.is_ok());
}

/// One character that is changed, missing or more, wherever it is, keeps the secret closed.
pub async fn changed_text_does_not_open(sealer: impl Sealer, _stranger: impl Sealer) {
    let sealed = sealer.seal(&context(), &secret("secret")).await.unwrap();
    let text = sealed.as_str();
    for at in 0..text.len() {
        let (before, rest) = text.split_at(at);
        let (character, after) = rest.split_at(1);
        let flipped = if character == "0" { "1" } else { "0" };
        let case = if character.to_ascii_uppercase() == character {
            character.to_ascii_lowercase()
        } else {
            character.to_ascii_uppercase()
        };
        for other in [flipped, case.as_str(), "", "\u{e9}"] {
            if other != character {
                assert_closed(&sealer, &context(), &format!("{before}{other}{after}")).await;
            }
        }
        assert_closed(&sealer, &context(), before).await;
    }
    for extra in [format!("{text}0"), format!("{text}00"), format!(" {text}"), format!("{text}\n")]
    {
        assert_closed(&sealer, &context(), &extra).await;
    }
}

/// Text that never was a sealed secret is refused without a panic.
pub async fn what_was_never_sealed_does_not_open(sealer: impl Sealer, _stranger: impl Sealer) {
    let long = "a.".repeat(10_000);
    for text in ["", ".", "..", "np1", "np1.", "np1..", "np1.00.00", "secret", "\u{1f511}", &long] {
        assert_closed(&sealer, &context(), text).await;
    }
}

/// What is said about a text that does not open does not say what is in it.
pub async fn errors_do_not_show_the_secret(sealer: impl Sealer, stranger: impl Sealer) {
    let sealed = sealer.seal(&context(), &secret("marker-a61f")).await.unwrap();
    let error = stranger.open(&context(), &sealed).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("marker-a61f") && !shown.contains(sealed.as_str()), "{shown}");
}

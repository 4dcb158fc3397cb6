use super::*;
use crate::error::ErrorKind;

/// The example of the specification's own libraries.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const MESSAGE: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const SECONDS: i64 = 1_614_265_330;
const BODY: &[u8] = br#"{"test": 2432232314}"#;
const RIGHT: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
/// Another secret.
const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

fn secret(text: &str) -> SigningSecret {
    text.parse().unwrap()
}

fn verify(
    verifier: &Verifier,
    [id, timestamp, signature]: [Option<&'static str>; 3],
    body: &[u8],
    now: i64,
) -> Result<(), VerifyError> {
    let header = |name: &str| match name {
        "webhook-id" => id,
        "webhook-timestamp" => timestamp,
        "webhook-signature" => signature,
        other => panic!("nobody sends {other}"),
    };
    verifier.verify(header, body, Timestamp::from_timestamp(now, 0).unwrap())
}

const SENT: [Option<&str>; 3] = [Some(MESSAGE), Some("1614265330"), Some(RIGHT)];

#[test]
fn the_example_of_the_specification_is_signed_and_verified() {
    let signature = secret(SECRET).sign(MESSAGE, SECONDS, BODY).unwrap();
    assert_eq!(super::super::secret::Written(&signature).to_string(), RIGHT);
    assert_eq!(verify(&Verifier::new(secret(SECRET)), SENT, BODY, SECONDS), Ok(()));
}

#[test]
fn every_byte_that_counts_is_covered() {
    let verifier = Verifier::new(secret(SECRET));
    let wrong = Err(VerifyError::WrongSignature);
    for index in 0..BODY.len() {
        let mut body = BODY.to_vec();
        body[index] ^= 1;
        assert_eq!(verify(&verifier, SENT, &body, SECONDS), wrong, "{index}");
    }
    assert_eq!(verify(&verifier, SENT, b"", SECONDS), wrong);
    assert_eq!(verify(&verifier, [Some("msg"), SENT[1], SENT[2]], BODY, SECONDS), wrong);
    let later = [SENT[0], Some("1614265331"), SENT[2]];
    assert_eq!(verify(&verifier, later, BODY, SECONDS), wrong);
    assert_eq!(verify(&Verifier::new(secret(OTHER)), SENT, BODY, SECONDS), wrong);
}

#[test]
fn the_time_may_be_off_by_the_tolerance_and_no_more() {
    let verifier = Verifier::new(secret(SECRET));
    for (now, result) in [
        (SECONDS + 300, Ok(())),
        (SECONDS - 300, Ok(())),
        (SECONDS + 301, Err(VerifyError::TooOld)),
        (SECONDS - 301, Err(VerifyError::TooNew)),
    ] {
        assert_eq!(verify(&verifier, SENT, BODY, now), result, "{now}");
    }
    let strict = verifier.with_tolerance(Duration::ZERO);
    assert_eq!(verify(&strict, SENT, BODY, SECONDS), Ok(()));
    assert_eq!(verify(&strict, SENT, BODY, SECONDS + 1), Err(VerifyError::TooOld));
}

#[test]
fn both_secrets_are_good_while_one_takes_the_place_of_the_other() {
    let both = Verifier::new(secret(OTHER)).with_secret(secret(SECRET));
    assert_eq!(verify(&both, SENT, BODY, SECONDS), Ok(()));
    // A sender that rotates signs with both.
    let list = "v1,AAAA v1a,x nonsense v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    let one = Verifier::new(secret(SECRET));
    assert_eq!(verify(&one, [SENT[0], SENT[1], Some(list)], BODY, SECONDS), Ok(()));
}

#[test]
fn what_is_missing_or_garbled_is_named() {
    let verifier = Verifier::new(secret(SECRET));
    for (index, name) in ["webhook-id", "webhook-timestamp", "webhook-signature"].iter().enumerate()
    {
        let mut sent = SENT;
        sent[index] = None;
        let error = verify(&verifier, sent, BODY, SECONDS).unwrap_err();
        assert_eq!(error, VerifyError::Missing(name));
        assert!(error.to_string().ends_with(name));
    }
    for timestamp in [
        "",
        "x",
        "-1",
        "+1614265330",
        "01614265330",
        "1614265330.0",
        " 1614265330",
        "99999999999999999999",
    ] {
        let sent = [SENT[0], Some(timestamp), SENT[2]];
        let error = verify(&verifier, sent, BODY, SECONDS).unwrap_err();
        assert_eq!(error, VerifyError::Malformed("webhook-timestamp"), "{timestamp}");
    }
    for signature in
        ["", "v1", "v1,", "v1,!", "v2,AAAA", "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="]
    {
        let sent = [SENT[0], SENT[1], Some(signature)];
        assert!(verify(&verifier, sent, BODY, SECONDS).is_err(), "{signature}");
    }
}

#[test]
fn a_secret_has_one_form_and_a_length_and_is_never_shown() {
    let long = |bytes: usize| format!("whsec_{}", BASE64.encode(&vec![7; bytes]));
    for good in [24, 32, 64] {
        let secret = secret(&long(good));
        assert_eq!(secret.expose().expose(), long(good).as_bytes());
        assert!(!format!("{secret:?}").contains("BwcH"), "{secret:?}");
    }
    for bad in [
        long(23),
        long(65),
        String::new(),
        "whsec_".to_owned(),
        "MfKQ9r8G".to_owned(),
        "whsec_hunter2!".to_owned(),
    ] {
        let error = bad.parse::<SigningSecret>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
    let drawn = SigningSecret::random(&crate::id::OsRandom).unwrap();
    let text = drawn.expose();
    assert_eq!(secret(std::str::from_utf8(text.expose()).unwrap()), drawn);
}

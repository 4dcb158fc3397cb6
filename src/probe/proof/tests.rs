use super::*;
use crate::{challenge::Brand, probe::Flaw};

const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn proof() -> HttpProof {
    let brand = Brand::new("acme").unwrap();
    HttpProof::new(&brand, "shop.example.com".parse().unwrap(), 7, TOKEN).unwrap()
}

fn page(status: u16, body: &str) -> Fetched {
    Fetched::Response(Response::new(status, body).with_content_type("text/plain"))
}

#[test]
fn only_status_200_with_the_proof_confirms() {
    assert_eq!(page(200, TOKEN).verdict(&proof()), Verdict::Confirmed);
    for status in (100..=599).filter(|status| *status != 200) {
        assert_ne!(page(status, TOKEN).verdict(&proof()), Verdict::Confirmed, "{status}");
    }
    assert_eq!(Fetched::response(200, TOKEN).verdict(&proof()), Verdict::Refuted);
}

#[test]
fn a_definite_answer_refutes_and_everything_else_says_nothing() {
    let definite = [
        page(200, "something else"),
        page(200, ""),
        page(204, ""),
        page(206, TOKEN),
        page(301, ""),
        page(302, TOKEN),
        page(401, ""),
        page(403, ""),
        page(404, ""),
        page(410, ""),
        Fetched::NoAddress,
    ];
    for fetched in definite {
        assert_eq!(fetched.verdict(&proof()), Verdict::Refuted, "{fetched:?}");
    }
    let vague = [
        page(408, ""),
        page(425, ""),
        page(429, ""),
        page(500, ""),
        page(502, TOKEN),
        page(503, ""),
        page(599, ""),
        Fetched::Unresolved,
        Fetched::Unreachable,
        Fetched::Refused(Flaw::Address),
        Fetched::Refused(Flaw::Encoding),
        Fetched::Refused(Flaw::Length),
        Fetched::Refused(Flaw::Malformed),
    ];
    for fetched in vague {
        assert_eq!(fetched.verdict(&proof()), Verdict::Unknown, "{fetched:?}");
    }
}

#[test]
fn an_observation_is_of_this_name_and_generation() {
    let look = page(200, TOKEN).observation(&proof(), Timestamp::UNIX_EPOCH);
    let subject = Subject::new(Topic::Ownership, 7, "shop.example.com".parse().unwrap());
    assert_eq!((look.subject, look.verdict), (subject, Verdict::Confirmed));
}

#[test]
fn h17_of_a_response_only_a_short_piece_that_can_be_shown_is_kept() {
    let body = "\u{1b}[31m<script>\r\n\0\u{202e}ä".repeat(100);
    let response =
        Response::new(200, body).with_location("/a".repeat(500)).with_content_type("text/html");
    let seen = Fetched::Response(response).seen();
    assert_eq!(seen.found, Found::Values);
    assert_eq!(seen.values.len(), 4);
    for value in &seen.values {
        assert!(value.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{value:?}");
        assert!(value.len() <= EXCERPT + "location ".len(), "{value:?}");
    }
    assert_eq!(seen.values.last().map(String::len), Some(EXCERPT));
    assert_eq!(Fetched::Refused(Flaw::Address).seen().values, ["address"]);
    assert_eq!(Fetched::Unreachable.seen(), Seen::of(Found::Timeout));
}

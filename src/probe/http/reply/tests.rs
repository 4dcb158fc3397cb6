use proptest::prelude::*;

use super::*;

fn read_with(limits: &ProbeLimits, bytes: &[u8], step: usize) -> Result<Response, Flaw> {
    let mut reply = Reply::new(limits);
    for part in bytes.chunks(step) {
        if reply.push(part)? == Progress::Done {
            break;
        }
    }
    reply.finish()
}

/// Reads a whole connection, in pieces of every size: where it is cut makes no difference.
fn read(text: &str) -> Result<Response, Flaw> {
    read_bytes(text.as_bytes())
}

fn read_bytes(bytes: &[u8]) -> Result<Response, Flaw> {
    let limits = ProbeLimits::default();
    let whole = read_with(&limits, bytes, bytes.len().max(1));
    for step in [1, 2, 3, 7] {
        assert_eq!(read_with(&limits, bytes, step), whole, "in steps of {step}");
    }
    whole
}

fn body(text: &str) -> Vec<u8> {
    read(text).unwrap().body
}

fn refused(wanted: Flaw, texts: &[&str]) {
    for text in texts {
        assert_eq!(read(text), Err(wanted), "{text:?}");
    }
}

#[test]
fn a_body_ends_where_the_head_says() {
    for (text, wanted) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ntoken", "token"),
        ("HTTP/1.1 200\r\ncontent-length:5\r\n\r\ntoken", "token"),
        ("HTTP/1.1 200 \r\ncontent-length: \t 5 \t\r\n\r\ntoken", "token"),
        ("HTTP/1.0 200 OK\r\n\r\ntoken", "token"),
        ("HTTP/1.1 200 OK\r\n\r\ntoken", "token"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""),
        ("HTTP/1.1 204 No Content\r\n\r\n", ""),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", ""),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ntoken\r\n0\r\n\r\n", "token"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nto\r\n3\r\nken\r\n00\r\n\r\n",
            "token",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\"\r\ntoken\r\n0;c\r\nA: b\r\n\r\n",
            "token",
        ),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ntoken", "token"),
        (
            "HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Length: 5\r\n\r\ntoken",
            "token",
        ),
    ] {
        assert_eq!(body(text), wanted.as_bytes(), "{text:?}");
    }
}

#[test]
fn what_follows_a_response_is_not_part_of_it() {
    for head in [
        "Content-Length: 4\r\n\r\nnone",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nnone\r\n0\r\n\r\n",
    ] {
        let second = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ntoken";
        assert_eq!(body(&format!("HTTP/1.1 200 OK\r\n{head}{second}")), b"none");
    }
    // What an interim response says is not said of the final one.
    let text = "HTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\nLocation: /a\r\n\r\nHTTP/1.1 200 OK\r\n\r\ntoken";
    let response = read(text).unwrap();
    assert_eq!((&*response.body, response.location), (&b"token"[..], None));
}

#[test]
fn two_lengths_are_none() {
    refused(
        Flaw::Malformed,
        &[
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\ntoken",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\ntoken",
            "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\ntoken",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ntoken\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ntoken\r\n0\r\n\r\n",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ntoken\r\n0\r\n\r\n",
        ],
    );
}

#[test]
fn a_length_is_digits() {
    for length in ["", "+5", "-5", "5 5", "0x5", "5.0", "5;", "9999999999999999999", "１"] {
        let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\ntoken");
        assert_eq!(read(&text), Err(Flaw::Malformed), "{length}");
    }
    for size in [
        "",
        "+5",
        "-5",
        " 5",
        "5 ",
        "0x5",
        "g",
        "000000005",
        "ffffffffffffffff",
        "fffffffffffffffff",
    ] {
        let text = format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\ntoken\r\n0\r\n\r\n"
        );
        assert_eq!(read(&text), Err(Flaw::Malformed), "{size:?}");
    }
}

#[test]
fn an_encoded_body_is_not_read() {
    refused(
        Flaw::Encoding,
        &[
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\ntoken",
            "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\ntoken",
            "HTTP/1.1 200 OK\r\nContent-Encoding: \r\n\r\ntoken",
            "HTTP/1.1 200 OK\r\nContent-Encoding: identity, gzip\r\n\r\ntoken",
            "HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Encoding: gzip\r\n\r\ntoken",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\ntoken\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\ntoken",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\ntoken",
        ],
    );
    let response = read("HTTP/1.1 404 Not Found\r\nContent-Encoding: gzip\r\n\r\nbytes").unwrap();
    assert_eq!((response.status, &*response.body), (404, &b""[..]));
}

#[test]
fn what_is_no_http_1_is_malformed() {
    refused(
        Flaw::Malformed,
        &[
            "token",
            "token\r\n",
            "<html>token",
            "\r\nHTTP/1.1 200 OK\r\n\r\ntoken",
            " HTTP/1.1 200 OK\r\n\r\ntoken",
            "http/1.1 200 OK\r\n\r\ntoken",
            "HTTP/0.9 200 OK\r\n\r\ntoken",
            "HTTP/1.2 200 OK\r\n\r\ntoken",
            "HTTP/2 200\r\n\r\ntoken",
            "HTTP/2.0 200 OK\r\n\r\ntoken",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "ICY 200 OK\r\n\r\ntoken",
            "SSH-2.0-OpenSSH_9.9\r\n",
            "HTTP/1.1  200 OK\r\n\r\ntoken",
            "HTTP/1.1\t200 OK\r\n\r\ntoken",
            "HTTP/1.1 20 OK\r\n\r\ntoken",
            "HTTP/1.1 2000 OK\r\n\r\ntoken",
            "HTTP/1.1 +20 OK\r\n\r\ntoken",
            "HTTP/1.1 200OK\r\n\r\ntoken",
            "HTTP/1.1 099 OK\r\n\r\ntoken",
            "HTTP/1.1 600 OK\r\n\r\ntoken",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\ntoken",
            "HTTP/1.1 200 OK\r\nName : value\r\n\r\ntoken",
            "HTTP/1.1 200 OK\r\n: value\r\n\r\ntoken",
            "HTTP/1.1 200 OK\r\nName\r\n\r\ntoken",
            "HTTP/1.1 200 OK\r\nName: value\r\n folded\r\n\r\ntoken",
            "HTTP/1.1 200 OK\r\n Name: value\r\n\r\ntoken",
            "HTTP/1.1 200 OK\r\nNäme: value\r\n\r\ntoken",
        ],
    );
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    assert_eq!(read_bytes(&settings), Err(Flaw::Malformed));
}

#[test]
fn a_line_ends_with_both_characters_and_holds_no_control_character() {
    refused(
        Flaw::Malformed,
        &[
            "HTTP/1.1 200 OK\n\ntoken",
            "HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\ntoken",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\n\r\ntoken",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\ntoken",
            "HTTP/1.1 200 OK\r\nA: b\rContent-Length: 5\r\n\r\ntoken",
            "HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\ntoken",
            "HTTP/1.1 200 O\0K\r\n\r\ntoken",
            "HTTP/1.1 200 OK\r\nA: b\u{7f}\r\n\r\ntoken",
            "HTTP/1.1 200 OK\r\nA\0: b\r\n\r\ntoken",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\ntoken\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ntoken\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;\0\r\ntoken\r\n0\r\n\r\n",
        ],
    );
}

#[test]
fn what_ends_too_early_is_malformed() {
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ntoken";
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ntoken\r\n0\r\n\r\n";
    for text in [length, chunks] {
        assert!(read(text).is_ok());
        for end in 0..text.len() {
            let result = read(text.get(..end).unwrap());
            assert_eq!(result, Err(Flaw::Malformed), "{end} of {text:?}");
        }
    }
    let shifted = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ntoken\r\n0\r\n\r\n";
    refused(Flaw::Malformed, &[shifted]);
}

#[test]
fn everything_that_is_not_body_draws_on_one_budget() {
    let limits = ProbeLimits { head_bytes: 1024, ..ProbeLimits::default() };
    let fits = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ntoken";
    assert!(read_with(&limits, fits.as_bytes(), 9).is_ok());
    let filler = "x".repeat(1024);
    for text in [
        format!("HTTP/1.1 200 {filler}"),
        format!("HTTP/1.1 200 OK\r\n{filler}"),
        format!("HTTP/1.1 200 OK\r\nA: {filler}\r\n\r\n"),
        format!("HTTP/1.1 100 {}\r\n\r\n", "x".repeat(250)).repeat(4),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;{filler}"),
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}",
            "1\r\nx\r\n".repeat(512)
        ),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: {filler}\r\n\r\n"),
    ] {
        assert_eq!(read_with(&limits, text.as_bytes(), 100), Err(Flaw::Length), "{text:.60}");
    }
}

#[test]
fn fields_and_interim_responses_are_counted() {
    let limits = ProbeLimits { fields: 16, interim: 2, ..ProbeLimits::default() };
    let with = |interim, fields, trailers| {
        let text = format!(
            "{}HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{}\r\n1\r\nx\r\n0\r\n{}\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n".repeat(interim),
            "A: b\r\n".repeat(fields),
            "A: b\r\n".repeat(trailers),
        );
        read_with(&limits, text.as_bytes(), 50).map(|response| response.body)
    };
    assert_eq!(with(2, 10, 5), Ok(b"x".to_vec()));
    for (interim, fields, trailers) in [(3, 0, 0), (0, 16, 0), (0, 0, 16), (0, 8, 8)] {
        assert_eq!(with(interim, fields, trailers), Err(Flaw::Length));
    }
}

#[test]
fn a_long_body_is_cut_however_it_is_framed() {
    let limits = ProbeLimits { body_bytes: 128, ..ProbeLimits::default() };
    let long = "x".repeat(10_000);
    for text in [
        format!("HTTP/1.1 200 OK\r\n\r\n{long}"),
        format!("HTTP/1.1 200 OK\r\nContent-Length: 999999999999999999\r\n\r\n{long}"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n{long}"),
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}",
            "64\r\n".to_owned() + &"x".repeat(100) + "\r\n" + "64\r\n" + &long
        ),
    ] {
        let mut reply = Reply::new(&limits);
        assert_eq!(reply.push(text.as_bytes()), Ok(Progress::Done), "{text:.60}");
        assert!(reply.body.capacity() <= 256, "{}", reply.body.capacity());
        assert_eq!(reply.finish().unwrap().body, b"x".repeat(128), "{text:.60}");
    }
}

#[test]
fn fields_that_matter_count_only_once_and_only_if_they_can_be_shown() {
    let with = |fields: &str| {
        let response = read(&format!("HTTP/1.1 302 Found\r\n{fields}\r\n\r\n")).unwrap();
        (response.location, response.content_type)
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(with("Location: /a"), (some("/a"), None));
    assert_eq!(with("Location: /a\r\nlocation: /b"), (None, None));
    assert_eq!(with("Location: /a b"), (None, None));
    assert_eq!(with("Location: /ä"), (None, None));
    assert_eq!(with(&format!("Location: /{}", "a".repeat(2000))), (None, None));
    assert_eq!(with("Content-Type: Text/Plain; charset=UTF-8"), (None, some("text/plain")));
    assert_eq!(with("Content-Type: text/plain\r\nContent-Type: text/html"), (None, None));
    assert_eq!(with("Content-Type: ;"), (None, None));
}

proptest! {
    #[test]
    fn whatever_comes_and_however_it_is_cut_the_result_is_one(
        start in prop::sample::select(vec![
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ntoken",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ntoken\r\n0\r\nA: b\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 302 Found\r\nLocation: /a\r\n\r\ntoken",
        ]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        step in 1_usize..20,
    ) {
        let mut bytes = start.as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let limits = ProbeLimits::default();
        let whole = read_with(&limits, &bytes, bytes.len());
        prop_assert_eq!(read_with(&limits, &bytes, step), whole);
    }
}

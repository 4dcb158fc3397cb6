use super::*;

const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn proof(name: &str, token: &str) -> Result<HttpProof> {
    HttpProof::new(&Brand::new("acme").unwrap(), name.parse().unwrap(), 1, token)
}

#[test]
fn h12_a_body_is_the_token_and_at_most_one_line_end() {
    let proof = proof("shop.example.com", TOKEN).unwrap();
    let is_proof = |body: &[u8]| proof.is_proved_by(Some("text/plain"), body);
    for good in [TOKEN.to_owned(), format!("{TOKEN}\n"), format!("{TOKEN}\r\n")] {
        assert!(is_proof(good.as_bytes()), "{good:?}");
    }
    for bad in [
        String::new(),
        "\n".into(),
        format!("{TOKEN}\n\n"),
        format!("{TOKEN}\r\n\r\n"),
        format!("{TOKEN}\r"),
        format!("{TOKEN}\n\r"),
        format!("{TOKEN} "),
        format!("{TOKEN}\t\n"),
        format!(" {TOKEN}"),
        format!("\n{TOKEN}"),
        format!("\u{feff}{TOKEN}"),
        format!("{TOKEN}\0"),
        format!("{TOKEN}{TOKEN}"),
        format!("{TOKEN}0"),
        format!("token={TOKEN}"),
        format!("\"{TOKEN}\""),
        format!("<html>{TOKEN}</html>"),
        format!("{TOKEN}\n{}", "0".repeat(64)),
        TOKEN.to_uppercase(),
        TOKEN.get(..63).unwrap().into(),
        proof.path().into(),
        proof.url(),
    ] {
        assert!(!is_proof(bad.as_bytes()), "{bad:?}");
    }
    let mut invalid = TOKEN.as_bytes().to_vec();
    invalid.push(0xff);
    assert!(!is_proof(&invalid));
    let wide: Vec<u8> = TOKEN.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(!is_proof(&wide));
}

#[test]
fn d05_only_text_proves() {
    let proof = proof("shop.example.com", TOKEN).unwrap();
    for good in ["text/plain", "text/html", "text/markdown"] {
        assert!(proof.is_proved_by(Some(good), TOKEN.as_bytes()), "{good}");
    }
    for bad in [None, Some("image/png"), Some("application/octet-stream"), Some("text"), Some("")] {
        assert!(!proof.is_proved_by(bad, TOKEN.as_bytes()), "{bad:?}");
    }
}

#[test]
fn br07_nothing_of_the_token_is_in_the_address() {
    let one = proof("shop.example.com", TOKEN).unwrap();
    let two = proof("shop.example.com", &"0".repeat(64)).unwrap();
    assert_ne!(one.path(), two.path());
    for start in 0..=TOKEN.len() - 8 {
        assert!(!one.url().contains(TOKEN.get(start..start + 8).unwrap()), "{}", one.url());
    }
    let id = one.path().strip_prefix("/.well-known/acme-challenge/").unwrap();
    assert_eq!((id.len(), id.strip_suffix(".txt").map(str::len)), (36, Some(32)));
}

#[test]
fn br10_a_page_proves_no_wildcard() {
    assert!(proof("example.com", TOKEN).is_ok());
    let error = proof("*.example.com", TOKEN).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[test]
fn br01_a_weak_token_is_refused() {
    for weak in ["", "secret", &TOKEN[..63], &"g".repeat(64), &format!("{TOKEN}0")] {
        assert_eq!(proof("example.com", weak).unwrap_err().kind(), ErrorKind::Invalid, "{weak}");
    }
}

#![cfg(all(feature = "conformance", feature = "rcgen", feature = "ring"))]

use std::sync::Arc;

use super::*;
use crate::{
    clock::{ManualClock, Timestamp},
    testkit::EndlessTimer,
};

mod server;

use server::{Act, Cover, Server, When, field};

const CRYPTO: CryptoProvider = CryptoProvider::Ring;
const PASSWORD: &str = "correct-horse-battery";
const LINK: &str = "https://acme.example/confirm?code=5f1d7a84db00d2fce00b31a7fc73224f";

fn builder(server: &Server) -> SmtpBuilder {
    let now = Timestamp::from_timestamp(1_800_000_000, 0).unwrap();
    Smtp::builder("localhost", "Acme <no-reply@acme.example>", CRYPTO)
        .with_port(server.address.port())
        .with_root_pem(&server.root)
        .with_clock(ManualClock::new(now))
        .with_timer(EndlessTimer)
}

async fn fresh(cover: Cover) -> (Smtp, Server) {
    let server = Server::start(cover, None).await;
    let builder = builder(&server);
    let mailer = match cover {
        Cover::Plain => builder.with_plain_loopback(),
        Cover::Implicit => builder,
        Cover::StartTls => builder.with_starttls(),
    };
    (mailer.build().unwrap(), server)
}

fn message() -> Message {
    Message::new("hostmaster@example.com", "Confirm", format!("Open {LINK}\n"))
}

/// Sends a message, with a password, to a server that is odd at one point.
async fn meets(when: When, act: Act) -> (Result<()>, Server) {
    let server = Server::start(Cover::Plain, Some((when, act))).await;
    let mailer = builder(&server)
        .with_plain_loopback()
        .with_credentials("acme", Secret::new(PASSWORD.into()))
        .with_timer(server.hangs.clone())
        .build()
        .unwrap();
    (mailer.send(&message()).await, server)
}

crate::mail_conformance!(encrypted, fresh(Cover::Implicit));
crate::mail_conformance!(encrypted_later, fresh(Cover::StartTls));
crate::mail_conformance!(unencrypted, fresh(Cover::Plain));
crate::mail_conformance!(shared, async {
    let (mailer, inbox) = fresh(Cover::Plain).await;
    (Arc::new(mailer) as Arc<dyn Mailer>, inbox)
});

#[tokio::test]
async fn every_reply_code_has_its_kind() {
    use ErrorKind::*;
    for (when, reply, kind, code) in [
        (When::Greeting, "421 4.3.2 closing\r\n", Unavailable, "421 4.3.2"),
        (When::Greeting, "554 no mail here\r\n", Refused, "554"),
        (When::Ehlo, "421 closing\r\n", Unavailable, "421"),
        (When::Auth, "535 5.7.8 wrong\r\n", Denied, "535 5.7.8"),
        (When::Auth, "534 5.7.9 weak\r\n", Denied, "534 5.7.9"),
        (When::Auth, "454 4.7.0 later\r\n", RateLimited, "454 4.7.0"),
        (When::Auth, "454 later\r\n", Unavailable, "454"),
        (When::Mail, "530 5.7.0 log in\r\n", Denied, "530 5.7.0"),
        (When::Mail, "550 not you\r\n", Refused, "550"),
        (When::Mail, "451 4.7.1 slower\r\n", RateLimited, "451 4.7.1"),
        (When::Mail, "452 too much\r\n", RateLimited, "452"),
        (When::Rcpt, "421 closing\r\n", Unavailable, "421"),
        (When::Rcpt, "450 4.2.0 grey\r\n", RateLimited, "450 4.2.0"),
        (When::Rcpt, "451 broken\r\n", Unavailable, "451"),
        (When::Rcpt, "550 5.1.1 no such mailbox\r\n", Refused, "550 5.1.1"),
        (When::Rcpt, "550-5.1.1 no such\r\n550 5.1.1 mailbox\r\n", Refused, "550 5.1.1"),
        (When::Data, "451 broken\r\n", Unavailable, "451"),
        (When::Data, "554 no\r\n", Refused, "554"),
        (When::Content, "451 broken\r\n", Unavailable, "451"),
        (When::Content, "552 too long\r\n", Refused, "552"),
        (When::Content, "554 5.7.1 spam\r\n", Refused, "554 5.7.1"),
    ] {
        let (sent, server) = meets(when, Act::Say(reply)).await;
        let error = sent.unwrap_err();
        assert_eq!((error.kind(), error.code()), (kind, Some(code)), "{when:?} {reply}: {error}");
        assert_eq!(server.taken().len(), usize::from(when == When::Content), "{when:?}");
    }
}

#[tokio::test]
async fn what_is_not_understood_is_unknown_only_once_the_message_is_gone() {
    for act in [
        Act::Close,
        Act::Flood,
        Act::Hang,
        Act::Say("\r\n"),
        Act::Say("what?\r\n"),
        Act::Say("999 what?\r\n"),
        Act::Say("250"),
        Act::Say("250-one\r\n251 two\r\n"),
        Act::Say("250 \u{fc}\r\n\u{0}"),
        Act::Say("2\r\n"),
    ] {
        for when in [When::Greeting, When::Ehlo, When::Auth, When::Mail, When::Rcpt, When::Data] {
            if matches!(act, Act::Say("250" | "250 \u{fc}\r\n\u{0}")) {
                continue;
            }
            let (sent, server) = meets(when, act).await;
            let error = sent.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{when:?} {act:?}: {error}");
            assert_eq!(server.taken(), [""; 0]);
        }
        if matches!(act, Act::Say("250" | "250 \u{fc}\r\n\u{0}")) {
            continue;
        }
        let (sent, server) = meets(When::Content, act).await;
        let error = sent.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unknown, "{act:?}: {error}");
        assert_eq!(server.taken().len(), 1);
    }
    // Nothing is sent as a message that would be read as commands.
    let (sent, server) = meets(When::Data, Act::Say("250 fine\r\n")).await;
    assert_eq!(sent.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(server.taken(), [""; 0]);
}

#[tokio::test]
async fn a_message_that_was_taken_was_sent_whatever_follows() {
    for act in [Act::Close, Act::Hang, Act::Flood, Act::Say("500 what?\r\n")] {
        let (sent, server) = meets(When::Quit, act).await;
        sent.unwrap_or_else(|error| panic!("{act:?}: {error}"));
        assert_eq!(server.taken().len(), 1);
    }
}

#[tokio::test]
async fn no_error_repeats_the_password_or_the_message() {
    let echo: &'static str =
        Box::leak(format!("535 5.7.8 no: \0acme\0{PASSWORD} {LINK}\r\n").into_boxed_str());
    for when in [When::Auth, When::Content] {
        let (sent, _) = meets(when, Act::Say(echo)).await;
        let error = sent.unwrap_err();
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(!text.contains(PASSWORD) && !text.contains(LINK), "{text}");
        }
        assert!(std::error::Error::source(&error).is_none());
    }
    let server = Server::start(Cover::Plain, None).await;
    let builder = builder(&server).with_credentials("acme", Secret::new(PASSWORD.into()));
    assert!(!format!("{builder:?}").contains(PASSWORD));
    assert!(!format!("{:?}", builder.build().unwrap()).contains(PASSWORD));
}

#[tokio::test]
async fn nothing_goes_to_a_server_that_nobody_vouches_for() {
    for cover in [Cover::Implicit, Cover::StartTls] {
        let (_, server) = fresh(cover).await;
        let (_, stranger) = fresh(cover).await;
        let builder = Smtp::builder("localhost", "no-reply@acme.example", CRYPTO)
            .with_port(server.address.port())
            .with_root_pem(&stranger.root)
            .with_credentials("acme", Secret::new(PASSWORD.into()));
        let mailer = match cover {
            Cover::StartTls => builder.with_starttls(),
            _ => builder,
        };
        let error = mailer.build().unwrap().send(&message()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(server.said().iter().all(|line| !line.starts_with("AUTH")));
        assert_eq!(server.taken(), [""; 0]);
    }
}

#[tokio::test]
async fn encryption_that_is_not_offered_is_not_done_without() {
    for (when, reply) in [
        (When::Ehlo, "250-here\r\n250 AUTH PLAIN\r\n"),
        (When::StartTls, "454 not now\r\n"),
        (When::StartTls, "502 no\r\n"),
        // What comes in the open behind the answer is not taken for what comes encrypted.
        (When::StartTls, "220 go\r\n250 fine\r\n"),
        (When::Greeting, "220 here\r\n250 fine\r\n"),
        (When::Greeting, "554 no mail here\r\n"),
    ] {
        let server = Server::start(Cover::StartTls, Some((when, Act::Say(reply)))).await;
        let mailer = builder(&server)
            .with_starttls()
            .with_credentials("acme", Secret::new(PASSWORD.into()))
            .build()
            .unwrap();
        mailer.send(&message()).await.unwrap_err();
        assert!(server.said().iter().all(|line| !line.starts_with("AUTH")), "{reply}");
        assert_eq!(server.taken(), [""; 0]);
    }
}

#[tokio::test]
async fn the_password_is_said_once_and_only_under_cover() {
    let server = Server::start(Cover::Implicit, None).await;
    let mailer =
        builder(&server).with_credentials("acme", Secret::new(PASSWORD.into())).build().unwrap();
    mailer.send(&message()).await.unwrap();
    let said = server.said();
    assert_eq!(said.first().unwrap(), "EHLO acme.example");
    assert_eq!(said.iter().filter(|line| line.starts_with("AUTH PLAIN ")).count(), 1);
    assert_eq!(said.last().unwrap(), "QUIT");
}

#[tokio::test]
async fn a_repetition_has_the_same_id_and_another_message_another() {
    let (mailer, server) = fresh(Cover::Plain).await;
    let other = Message::new("hostmaster@example.com", "Confirm", "Open another\n");
    for message in [&message(), &message(), &other] {
        mailer.send(message).await.unwrap();
    }
    let taken = server.taken();
    let ids: Vec<_> =
        taken.iter().map(|content| field(content, "Message-ID").unwrap().into_owned()).collect();
    let [one, two, three] = &ids[..] else { panic!("{ids:?}") };
    assert_eq!(one, two);
    assert_ne!(one, three);
    assert!(one.ends_with("@acme.example>"), "{one}");
    let first = taken.first().unwrap();
    for (name, value) in [
        ("From", "Acme <no-reply@acme.example>"),
        ("Date", "Fri, 15 Jan 2027 08:00:00 +0000"),
        ("Auto-Submitted", "auto-generated"),
    ] {
        assert_eq!(field(first, name).as_deref(), Some(value), "{first}");
    }
}

#[tokio::test]
async fn no_body_ends_its_message_early() {
    let (mailer, server) = fresh(Cover::Plain).await;
    let smuggled = "MAIL FROM:<other@example.com>";
    for end in ["\r\n.\r\n", "\n.\n", "\r.\r", "\n.\r\n", "\r\n.\n", "\r\n.\r"] {
        let body = format!("one{end}{smuggled}\n");
        mailer.send(&Message::new("hostmaster@example.com", "s", body)).await.unwrap();
    }
    let taken = server.taken();
    assert_eq!(taken.len(), 6);
    assert!(taken.iter().all(|content| content.ends_with(&format!("one\r\n.\r\n{smuggled}\r\n"))));
    assert!(!server.said().contains(&smuggled.to_owned()));
}

#[tokio::test]
async fn recipients_that_need_quotes_or_more_than_ascii_are_invalid() {
    let (mailer, server) = fresh(Cover::Plain).await;
    for to in [
        "\"a b\"@example.com",
        "\"a\"@example.com",
        "b\u{fc}ro@example.com",
        "admin@b\u{fc}cher.example",
        "admin@example.com, other@example.com",
        "<admin@example.com>",
        "Admin <admin@example.com>",
        "admin@example.com> SIZE=1",
        "a@b@example.com",
        "admin@exa mple.com",
    ] {
        let error = mailer.send(&Message::new(to, "s", "b\n")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{to}");
    }
    assert_eq!(server.said(), [""; 0]);
}

#[tokio::test]
async fn who_does_not_listen_is_unavailable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let mailer = Smtp::builder("127.0.0.1", "no-reply@acme.example", CRYPTO)
        .with_plain_loopback()
        .with_port(port)
        .build()
        .unwrap();
    let error = mailer.send(&message()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[test]
fn what_cannot_work_is_not_built() {
    let build = |host: &str, from: &str, change: fn(SmtpBuilder) -> SmtpBuilder| {
        change(Smtp::builder(host, from, CRYPTO)).build().map_err(|error| error.kind())
    };
    let plain = SmtpBuilder::with_plain_loopback;
    for good in ["localhost", "127.0.0.1", "::1"] {
        assert!(build(good, "a@acme.example", plain).is_ok(), "{good}");
    }
    for (host, from, change) in [
        ("smtp.example.com", "a@acme.example", plain as fn(SmtpBuilder) -> SmtpBuilder),
        ("10.0.0.1", "a@acme.example", plain),
        ("localhost", "acme.example", plain),
        ("localhost", "a@acme.example\r\nBcc: b@example.com", plain),
        ("localhost", "b\u{fc}ro@acme.example", plain),
        ("", "a@acme.example", |builder| builder),
        ("a b", "a@acme.example", |builder| builder),
        ("localhost", "a@acme.example", |builder| builder.with_hello("a\r\nMAIL")),
        ("localhost", "a@acme.example", |builder| builder.with_hello("")),
        ("localhost", "a@acme.example", |builder| builder.with_root_pem("none")),
        ("localhost", "a@acme.example", |builder| {
            builder.with_credentials("a", Secret::new(vec![0xff]))
        }),
        ("localhost", "a@acme.example", |builder| {
            builder.with_credentials("a\0b", Secret::new(b"p".to_vec()))
        }),
        ("localhost", "a@acme.example", |builder| {
            builder.with_credentials("a", Secret::new(Vec::new()))
        }),
    ] {
        assert_eq!(build(host, from, change).err(), Some(ErrorKind::Invalid), "{host} {from}");
    }
}

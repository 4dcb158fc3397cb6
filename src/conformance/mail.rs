//! Cases for a [`Mailer`].

use std::sync::Arc;

use async_trait::async_trait;
use tokio::task::JoinSet;

use crate::{
    error::ErrorKind,
    mail::{Mailer, Message},
};

/// Where the messages of the cases arrive.
#[async_trait]
pub trait Inbox: Send + Sync + 'static {
    /// Returns the messages that have arrived, in any order. Waits for those that are on their way.
    async fn messages(&self) -> Vec<Message>;
}

/// Makes one test of every case in [`conformance::mail`](crate::conformance::mail).
///
/// `$setup` is a future that gives a mailer, and an empty [`Inbox`] of everybody at `example.com`.
#[macro_export]
macro_rules! mail_conformance {
    ($name:ident, $setup:expr) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $crate::__conformance_cases!(
                [$crate::conformance::mail] $setup => (mailer, inbox);
                message_arrives_as_it_was_written,
                line_break_in_recipient_or_subject_is_invalid,
                recipient_that_is_no_address_is_invalid,
                many_messages_at_once,
            );
        }
    };
}

/// Recipient, subject and body are those of the message, whatever characters are in them.
pub async fn message_arrives_as_it_was_written(mailer: impl Mailer, inbox: impl Inbox) {
    for (subject, body) in [
        ("Confirm shop.example.com", "Open this page:\n\nhttps://example.com/?a=b&c=d\n"),
        ("B\u{fc}cher \u{1f4da}", "Gr\u{fc}\u{df}e\n.\n..\nFrom here\n"),
        ("", "\n"),
    ] {
        let message = Message::new("hostmaster@example.com", subject, body);
        mailer.send(&message).await.unwrap();
        let arrived = inbox.messages().await;
        assert!(arrived.contains(&message), "{message:?} is not among {arrived:?}");
    }
    assert_eq!(inbox.messages().await.len(), 3);
}

async fn assert_invalid(mailer: &impl Mailer, inbox: &impl Inbox, message: Message) {
    let error = mailer.send(&message).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{message:?}: {error}");
    assert_eq!(inbox.messages().await, []);
}

/// Nobody adds a header, a recipient or a second message by a line break.
pub async fn line_break_in_recipient_or_subject_is_invalid(mailer: impl Mailer, inbox: impl Inbox) {
    for end in ["\r\n", "\n", "\r"] {
        let smuggled = format!("{end}Bcc: other@example.com");
        let to = format!("hostmaster@example.com{smuggled}");
        assert_invalid(&mailer, &inbox, Message::new(to, "subject", "body")).await;
        let subject = format!("subject{smuggled}");
        let message = Message::new("hostmaster@example.com", subject, "body");
        assert_invalid(&mailer, &inbox, message).await;
    }
}

/// A recipient has a mailbox and a host, and is one.
pub async fn recipient_that_is_no_address_is_invalid(mailer: impl Mailer, inbox: impl Inbox) {
    for to in
        ["", "hostmaster", "@example.com", "hostmaster@", "a b@example.com", "a\0@example.com"]
    {
        assert_invalid(&mailer, &inbox, Message::new(to, "subject", "body")).await;
    }
}

/// None is lost, and none arrives twice.
pub async fn many_messages_at_once(mailer: impl Mailer, inbox: impl Inbox) {
    let mailer = Arc::new(mailer);
    let mut senders = JoinSet::new();
    for number in 0..10 {
        let mailer = Arc::clone(&mailer);
        senders.spawn(async move {
            let to = format!("hostmaster{number}@example.com");
            mailer.send(&Message::new(to, "subject", "body\n")).await.unwrap();
        });
    }
    senders.join_all().await;
    let mut arrived: Vec<String> =
        inbox.messages().await.into_iter().map(|message| message.to).collect();
    arrived.sort();
    let wanted: Vec<String> =
        (0..10).map(|number| format!("hostmaster{number}@example.com")).collect();
    assert_eq!(arrived, wanted);
}

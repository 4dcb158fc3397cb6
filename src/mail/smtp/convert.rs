//! Our messages to theirs, and their failures to ours.

use std::error::Error as _;

use lettre::{
    Address,
    message::{
        Mailbox, Message as Content,
        header::{ContentType, HeaderName, HeaderValue, MIME_VERSION_1_0},
    },
    transport::smtp::Error as SmtpError,
};
use sha2::{Digest, Sha256};

use super::{COMPONENT, Message};
use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
};

/// A message as it is handed over.
pub(super) struct Envelope {
    pub(super) to: Address,
    /// Header and body, without the line end that the mark of the end begins with.
    pub(super) content: Vec<u8>,
}

impl Envelope {
    /// Writes a message down.
    pub(super) fn new(message: &Message, from: &Mailbox, now: Timestamp) -> Result<Self> {
        let Message { to, subject, body } = message;
        let invalid = |what: &str| Error::new(ErrorKind::Invalid, COMPONENT, "send", what);
        if subject.contains(char::is_control) {
            return Err(invalid("the subject is not one line"));
        }
        let recipient = to
            .parse::<Address>()
            .ok()
            .filter(|_| is_plain(to))
            .ok_or_else(|| invalid("the recipient is not an address in ASCII"))?;
        let digest = [from.email.to_string().as_str(), to, subject, body]
            .iter()
            .fold(Sha256::new(), |digest, part| digest.chain_update(part).chain_update([0]));
        let mut id = hex::encode(digest.finalize());
        id.truncate(40);
        // Not even a lone CR is left of what may be read as the end of a message.
        let body = body.replace("\r\n", "\n").replace('\r', "\n");
        let mut built = Content::builder()
            .from(from.clone())
            .to(Mailbox::new(None, recipient.clone()))
            .subject(subject.as_str())
            .date(now.into())
            .message_id(Some(format!("<{id}@{}>", from.email.domain())))
            .header(MIME_VERSION_1_0)
            .header(ContentType::TEXT_PLAIN)
            .body(body)
            .map_err(|error| invalid("the message cannot be written").with_source(error))?;
        let name = HeaderName::new_from_ascii_str("Auto-Submitted");
        built.headers_mut().insert_raw(HeaderValue::new(name, "auto-generated".to_owned()));
        let mut content = built.formatted();
        if content.ends_with(b"\r\n") {
            content.truncate(content.len().saturating_sub(2));
        }
        Ok(Self { to: recipient, content })
    }
}

/// Returns whether an address can be written into a command as it is: what servers agree on of
/// RFC 5321 section 4.1.2, without quotes.
pub(super) fn is_plain(address: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"(),:;<>\\".contains(&byte);
    address.len() <= 254
        && address.bytes().all(plain)
        && address.bytes().filter(|byte| *byte == b'@').count() == 1
}

/// How far a dialog was when it failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// The server had not said who it is.
    Greeting,
    /// It was told who we are.
    Login,
    /// It was told who sends, or that a message comes.
    Sender,
    /// It was told who is to have the message.
    Recipient,
    /// It has the message.
    Content,
}

/// Sorts a failure: its kind, the server's code, and what happened.
pub(super) fn failure(step: Step, error: &SmtpError) -> (ErrorKind, Option<String>, String) {
    let Some(status) = error.status() else {
        let (kind, what) = match step {
            Step::Content => (ErrorKind::Unknown, "nobody knows what became of the message"),
            Step::Login if error.is_client() => {
                (ErrorKind::Denied, "the server offers no way to log in that is known here")
            }
            _ if error.is_response() => (ErrorKind::Unavailable, "the server answers nonsense"),
            _ => (ErrorKind::Unavailable, "the connection broke"),
        };
        return (kind, None, what.to_owned());
    };
    let code = u16::from(status);
    let text = error.source().map(ToString::to_string).unwrap_or_default();
    let enhanced = text.split(' ').next().filter(|word| is_enhanced(word));
    let kind = kind(code, enhanced);
    let code = match enhanced {
        Some(enhanced) => format!("{code} {enhanced}"),
        None => code.to_string(),
    };
    let what = match step {
        Step::Greeting => "does not serve us",
        Step::Login => "does not let us in",
        Step::Sender => "does not take messages from the sender",
        Step::Recipient => "does not take messages to the recipient",
        Step::Content => "does not take the message",
    };
    // What it says to a password or to a message may repeat it.
    let what = match step {
        Step::Login | Step::Content => format!("the server {what}: {code}"),
        Step::Greeting | Step::Sender | Step::Recipient => {
            format!("the server {what}: {code}: {text}")
        }
    };
    (kind, Some(code), what)
}

/// Returns whether a word is an enhanced status code (RFC 3463), such as `4.7.1`.
fn is_enhanced(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    let number = |part: &&str| {
        (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    parts.len() == 3 && parts.iter().all(number)
}

fn kind(code: u16, enhanced: Option<&str>) -> ErrorKind {
    let is_policy = enhanced.is_some_and(|enhanced| enhanced.starts_with("4.7."));
    match code {
        450 | 452 => ErrorKind::RateLimited,
        400..=499 if is_policy => ErrorKind::RateLimited,
        400..=499 => ErrorKind::Unavailable,
        530 | 534 | 535 | 538 => ErrorKind::Denied,
        _ => ErrorKind::Refused,
    }
}

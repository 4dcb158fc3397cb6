//! What a mail says, in the language of who reads it.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::DomainId,
    name::DomainName,
};

/// Returns what is stored of a code.
pub(super) fn digest(code: &str) -> String {
    hex::encode(Sha256::digest(code))
}

/// A language in which mails are written.
///
/// ```
/// use nameplate::challenge::email::Locale;
///
/// assert_eq!(Locale::of("de-AT"), Locale::De);
/// assert_eq!(Locale::of("tlh"), Locale::En);
/// ```
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Locale {
    /// German.
    De,
    /// English.
    #[default]
    En,
    /// Spanish.
    Es,
    /// French.
    Fr,
    /// Japanese.
    Ja,
    /// Chinese, in simplified characters.
    Zh,
}

impl Locale {
    /// Every language.
    pub const ALL: [Self; 6] = [Self::De, Self::En, Self::Es, Self::Fr, Self::Ja, Self::Zh];

    /// Returns the stable name, its ISO 639 code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::De => "de",
            Self::En => "en",
            Self::Es => "es",
            Self::Fr => "fr",
            Self::Ja => "ja",
            Self::Zh => "zh",
        }
    }

    /// Returns the language of a tag such as `de`, `de-AT` or `de_AT`; English if it is not known.
    pub fn of(tag: &str) -> Self {
        let language = tag.split(['-', '_']).next().unwrap_or_default();
        Self::ALL
            .into_iter()
            .find(|locale| locale.as_str().eq_ignore_ascii_case(language))
            .unwrap_or_default()
    }

    /// Returns subject and body, with the places for the name, the link and the date.
    const fn text(self) -> (&'static str, &'static str) {
        match self {
            Self::De => (
                "{name} best\u{e4}tigen",
                "Jemand m\u{f6}chte {name} bei uns verwenden.\n\n\
                 Wenn Sie damit einverstanden sind, \u{f6}ffnen Sie diese Seite und best\u{e4}tigen \
                 Sie dort:\n\n{link}\n\n\
                 Der Link gilt bis {until}. Wenn Sie nichts davon wissen, brauchen Sie nichts zu tun: \
                 ohne Best\u{e4}tigung geschieht nichts.\n",
            ),
            Self::En => (
                "Confirm {name}",
                "Somebody wants to use {name} with us.\n\n\
                 If you agree, open this page and confirm there:\n\n{link}\n\n\
                 The link is valid until {until}. If you know nothing of this, you need not do \
                 anything: without your confirmation nothing happens.\n",
            ),
            Self::Es => (
                "Confirmar {name}",
                "Alguien quiere usar {name} con nosotros.\n\n\
                 Si est\u{e1} de acuerdo, abra esta p\u{e1}gina y conf\u{ed}rmelo all\u{ed}:\n\n\
                 {link}\n\n\
                 El enlace es v\u{e1}lido hasta {until}. Si no sabe nada de esto, no tiene que hacer \
                 nada: sin su confirmaci\u{f3}n no ocurre nada.\n",
            ),
            Self::Fr => (
                "Confirmer {name}",
                "Quelqu\u{2019}un souhaite utiliser {name} chez nous.\n\n\
                 Si vous \u{ea}tes d\u{2019}accord, ouvrez cette page et confirmez-le :\n\n{link}\n\n\
                 Le lien est valable jusqu\u{2019}au {until}. Si vous n\u{2019}en savez rien, vous \
                 n\u{2019}avez rien \u{e0} faire : sans votre confirmation, rien ne se passe.\n",
            ),
            Self::Ja => (
                "{name} \u{306e}\u{78ba}\u{8a8d}",
                "{name} \u{306e}\u{4f7f}\u{7528}\u{304c}\u{7533}\u{8acb}\u{3055}\u{308c}\u{307e}\
                 \u{3057}\u{305f}\u{3002}\n\n\
                 \u{540c}\u{610f}\u{3059}\u{308b}\u{5834}\u{5408}\u{306f}\u{3001}\u{6b21}\u{306e}\
                 \u{30da}\u{30fc}\u{30b8}\u{3092}\u{958b}\u{3044}\u{3066}\u{78ba}\u{8a8d}\u{3057}\
                 \u{3066}\u{304f}\u{3060}\u{3055}\u{3044}\u{3002}\n\n{link}\n\n\
                 \u{30ea}\u{30f3}\u{30af}\u{306e}\u{6709}\u{52b9}\u{671f}\u{9650}: {until}\n\
                 \u{5fc3}\u{5f53}\u{305f}\u{308a}\u{304c}\u{306a}\u{3044}\u{5834}\u{5408}\u{306f}\
                 \u{4f55}\u{3082}\u{3059}\u{308b}\u{5fc5}\u{8981}\u{306f}\u{3042}\u{308a}\u{307e}\
                 \u{305b}\u{3093}\u{3002}\n",
            ),
            Self::Zh => (
                "\u{786e}\u{8ba4} {name}",
                "\u{6709}\u{4eba}\u{5e0c}\u{671b}\u{5728}\u{6211}\u{4eec}\u{8fd9}\u{91cc}\u{4f7f}\
                 \u{7528} {name}\u{3002}\n\n\
                 \u{5982}\u{679c}\u{60a8}\u{540c}\u{610f}\u{ff0c}\u{8bf7}\u{6253}\u{5f00}\u{6b64}\
                 \u{9875}\u{9762}\u{5e76}\u{786e}\u{8ba4}\u{ff1a}\n\n{link}\n\n\
                 \u{94fe}\u{63a5}\u{6709}\u{6548}\u{671f}\u{81f3} {until}\u{3002}\u{5982}\u{679c}\
                 \u{60a8}\u{4e0d}\u{4e86}\u{89e3}\u{6b64}\u{4e8b}\u{ff0c}\u{65e0}\u{9700}\u{4efb}\
                 \u{4f55}\u{64cd}\u{4f5c}\u{3002}\n",
            ),
        }
    }
}

impl fmt::Display for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Where the link of a mail leads: a page of the platform's.
///
/// The page gets the id of the domain and the code as the query parameters `domain` and `code`. It must
/// not confirm anything when it is opened: mail scanners open links too. It asks whoever is signed in
/// to press a button, and gives what the button posts to `Onboarding::confirm`, with the tenant of
/// the session, never one from the link:
///
/// ```text
/// GET  /confirm?domain=..&code=..   a page with a form that posts both; changes nothing
/// POST /confirm                     onboarding.confirm(&session.tenant, domain, &code).await
/// ```
///
/// Serve it with `Referrer-Policy: no-referrer` and without anything from elsewhere, since the code
/// is in its address; and keep queries out of access logs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Link(String);

impl Link {
    /// Longest address of a page, in bytes.
    const MAX: usize = 500;

    /// Takes the address of the page.
    ///
    /// # Errors
    ///
    /// `Invalid` unless it is an `https` address of at most 500 printable characters, with a host and
    /// without a user or a fragment.
    pub fn new(page: impl Into<String>) -> Result<Self> {
        let page = page.into();
        let rest = page.strip_prefix("https://").unwrap_or_default();
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        let is_fit = page.len() <= Self::MAX
            && page.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&byte))
            && host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
            && !host.contains('@');
        if !is_fit {
            let message = "the page behind the link is an https address without a fragment";
            return Err(Error::new(ErrorKind::Invalid, "challenge", "mail", message));
        }
        Ok(Self(page))
    }

    /// Returns the address for one code.
    pub fn with_code(&self, domain: DomainId, code: &str) -> String {
        let joint = if self.0.contains('?') { '&' } else { '?' };
        format!("{}{joint}domain={domain}&code={code}", self.0)
    }
}

/// A mail that asks for a confirmation.
///
/// Nothing in it is chosen by whoever claims the name, but for the name.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct Letter {
    /// The subject: one line.
    pub subject: String,
    /// The body: plain text. It holds the code.
    pub body: String,
}

impl Letter {
    /// Writes a mail about `name`, with a link that is good until then.
    pub fn new(locale: Locale, name: &DomainName, link: &str, until: Timestamp) -> Self {
        let (subject, body) = locale.text();
        let until = until.format("%Y-%m-%d %H:%M UTC").to_string();
        let fill = |text: &str| {
            text.replace("{name}", name.as_str()).replace("{until}", &until).replace("{link}", link)
        };
        Self { subject: fill(subject), body: fill(body) }
    }
}

impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Letter").field("subject", &self.subject).finish_non_exhaustive()
    }
}

//! What a request of the published API says, and what of it is taken.

use std::{error::Error as StdError, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{challenge::Method, name::DomainName};

/// Most problems that are listed.
const MAX_ERRORS: usize = 32;

/// Most addresses that may be given.
const MAX_EMAILS: usize = 100;

/// Longest name of a validation type or a language.
const MAX_WORD: usize = 32;

/// A request for a domain, as it comes.
///
/// ```
/// use nameplate::challenge::{Method, compat::{CompatRequest, ValidationType}};
///
/// let request: CompatRequest = serde_json::from_str(
///     r#"{"name":"www.example.net","organization":{"id":448812},"validations":[{"type":"ov"}],
///         "dcv_method":"dns-txt-token"}"#,
/// )?;
/// let order = request.validate()?;
/// assert_eq!(order.name.as_str(), "example.net");
/// assert_eq!(order.method, Method::DnsTxt);
/// assert_eq!(order.validations, [ValidationType::Ov]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CompatRequest {
    /// The name.
    #[serde(default)]
    pub name: String,
    /// Whom certificates are for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<CompatOrganization>,
    /// What the organization is validated for.
    #[serde(default)]
    pub validations: Vec<CompatValidation>,
    /// How the name is proved; `email` unless told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dcv_method: Option<String>,
    /// The language of the mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Which of the addresses that may be mailed to are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_array: Option<Vec<String>>,
    /// Whether `www.` is part of the name: `true` or `false`, as text; `false` unless told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_www: Option<String>,
}

/// An organization, by its number.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CompatOrganization {
    /// The number.
    #[serde(default)]
    pub id: u64,
}

/// One thing that an organization is validated for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CompatValidation {
    /// Which.
    #[serde(rename = "type")]
    pub validation_type: ValidationType,
}

/// What an organization can be validated for, as certificate authorities call it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ValidationType {
    /// Organization validation.
    Ov,
    /// Extended validation.
    Ev,
    /// Code signing.
    Cs,
    /// Extended validation for code signing.
    EvCs,
    /// Document signing.
    Ds,
    /// Domain validation.
    Dv,
    /// Another, which is kept as it came.
    Unknown(String),
}

impl ValidationType {
    /// Returns what it is called.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ov => "ov",
            Self::Ev => "ev",
            Self::Cs => "cs",
            Self::EvCs => "ev_cs",
            Self::Ds => "ds",
            Self::Dv => "dv",
            Self::Unknown(name) => name,
        }
    }
}

impl From<&str> for ValidationType {
    fn from(name: &str) -> Self {
        let known = [Self::Ov, Self::Ev, Self::Cs, Self::EvCs, Self::Ds, Self::Dv];
        let known = known.into_iter().find(|known| known.as_str() == name);
        known.unwrap_or_else(|| Self::Unknown(name.to_owned()))
    }
}

impl fmt::Display for ValidationType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for ValidationType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ValidationType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(&*<std::borrow::Cow<'de, str>>::deserialize(deserializer)?))
    }
}

/// A request that can be carried out.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct CompatOrder {
    /// The name that is to be proved: without `www.`, unless it is kept.
    pub name: DomainName,
    /// How it is proved.
    pub method: Method,
    /// The number of the organization that certificates are for, for the certificate authority.
    pub organization: u64,
    /// What it is validated for: one or more, each once.
    pub validations: Vec<ValidationType>,
    /// The language of the mail, if one was asked for: a language that there is no text in is read
    /// as English.
    pub locale: Option<String>,
    /// The addresses that were asked for. Those that may not be mailed to are ignored, and if none is
    /// left all that may be are.
    pub emails: Vec<String>,
}

impl CompatRequest {
    /// Creates a request with no more than what every request has.
    pub fn new(
        name: impl Into<String>,
        organization: u64,
        validations: impl IntoIterator<Item = ValidationType>,
    ) -> Self {
        let validations = validations.into_iter();
        Self {
            name: name.into(),
            organization: Some(CompatOrganization { id: organization }),
            validations: validations
                .map(|validation_type| CompatValidation { validation_type })
                .collect(),
            ..Self::default()
        }
    }

    /// Returns what is asked for.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, at most 32 problems.
    pub fn validate(&self) -> Result<CompatOrder, CompatErrors> {
        let mut errors = CompatErrors(Vec::new());
        let method = self.method(&mut errors);
        let keep_www = self.keep_www(&mut errors);
        let name = self.name(method, keep_www, &mut errors);
        let organization = self.organization(&mut errors);
        let validations = self.validations(&mut errors);
        if let Some(method) = method {
            self.mail(method, &mut errors);
        }
        match (name, method, organization) {
            (Some(name), Some(method), Some(organization)) if errors.0.is_empty() => {
                Ok(CompatOrder {
                    name,
                    method,
                    organization,
                    validations,
                    locale: self.locale.clone(),
                    emails: self.email_array.clone().unwrap_or_default(),
                })
            }
            _ => Err(errors),
        }
    }

    fn method(&self, errors: &mut CompatErrors) -> Option<Method> {
        let Some(name) = &self.dcv_method else { return Some(Method::Email) };
        let method = Method::from_compat_name(name);
        if method.is_none() {
            let names = Method::ALL.map(Method::compat_name).join(", ");
            errors.add("/dcv_method", CompatCode::InvalidDcvMethod, format!("is one of {names}"));
        }
        method
    }

    fn keep_www(&self, errors: &mut CompatErrors) -> bool {
        match self.keep_www.as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                errors.add("/keep_www", CompatCode::Malformed, "is the text true or false".into());
                false
            }
        }
    }

    fn name(
        &self,
        method: Option<Method>,
        keep_www: bool,
        errors: &mut CompatErrors,
    ) -> Option<DomainName> {
        if self.name.is_empty() {
            errors.add("/name", CompatCode::Required, "is missing".into());
            return None;
        }
        let name: DomainName = match self.name.parse() {
            Ok(name) => name,
            Err(error) => {
                errors.add("/name", CompatCode::Malformed, format!("is no name: {error}"));
                return None;
            }
        };
        if name.is_wildcard() && method == Some(Method::Http) {
            let message = "is a wildcard, which no page can prove";
            errors.add("/name", CompatCode::NotAllowed, message.into());
            return None;
        }
        // A page is on the very host, and `www` may be all that there is to a name.
        let is_kept = keep_www || method == Some(Method::Http) || name.is_apex();
        let bare = name.as_str().strip_prefix("www.").filter(|_| !is_kept);
        match bare.map(str::parse) {
            None | Some(Err(_)) => Some(name),
            Some(Ok(bare)) => Some(bare),
        }
    }

    fn organization(&self, errors: &mut CompatErrors) -> Option<u64> {
        let id = self.organization.map(|organization| organization.id).filter(|id| *id > 0);
        if id.is_none() {
            errors.add("/organization/id", CompatCode::Required, "is missing".into());
        }
        id
    }

    fn validations(&self, errors: &mut CompatErrors) -> Vec<ValidationType> {
        if self.validations.is_empty() {
            let message = "names at least one validation";
            errors.add("/validations", CompatCode::Required, message.into());
        }
        let mut wanted: Vec<ValidationType> = Vec::new();
        for (index, CompatValidation { validation_type }) in self.validations.iter().enumerate() {
            if errors.0.len() >= MAX_ERRORS {
                break;
            }
            let (code, message) = if !is_word(validation_type.as_str()) {
                (CompatCode::Malformed, "is a word of letters, digits and underscores")
            } else if wanted.contains(validation_type) {
                (CompatCode::Duplicate, "is there twice")
            } else {
                wanted.push(validation_type.clone());
                continue;
            };
            errors.add(format!("/validations/{index}/type"), code, message.into());
        }
        wanted
    }

    /// Checks what is about mail.
    fn mail(&self, method: Method, errors: &mut CompatErrors) {
        let is_mail = method == Method::Email;
        let mut only_for_mail = |field: &'static str| {
            errors.add(field, CompatCode::NotAllowed, "is for the method email only".into());
        };
        if self.locale.is_some() && !is_mail {
            only_for_mail("/locale");
        }
        if self.email_array.is_some() && !is_mail {
            only_for_mail("/email_array");
        }
        if self.locale.as_deref().is_some_and(|locale| is_mail && !is_word(locale)) {
            errors.add("/locale", CompatCode::Malformed, "is a language, such as en".into());
        }
        if self.email_array.as_ref().is_some_and(|emails| is_mail && emails.len() > MAX_EMAILS) {
            let message = format!("has more than {MAX_EMAILS} addresses");
            errors.add("/email_array", CompatCode::TooLong, message);
        }
    }
}

fn is_word(text: &str) -> bool {
    (1..=MAX_WORD).contains(&text.len())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-'))
}

/// What kind of problem a field has.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CompatCode {
    /// It is there twice.
    Duplicate,
    /// There is no such method.
    InvalidDcvMethod,
    /// The text is not what the field takes.
    Malformed,
    /// The method takes no such field, or no such name.
    NotAllowed,
    /// The field is missing.
    Required,
    /// There is too much of it.
    TooLong,
}

impl CompatCode {
    /// Returns the stable code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::InvalidDcvMethod => "invalid_dcv_method",
            Self::Malformed => "malformed",
            Self::NotAllowed => "not_allowed",
            Self::Required => "required",
            Self::TooLong => "too_long",
        }
    }
}

/// What is wrong with one field.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CompatError {
    /// Which field: a JSON pointer (RFC 6901).
    pub field: String,
    /// What kind of problem.
    pub code: CompatCode,
    /// What is wrong, in words. Nothing of the input is in it but what may be shown.
    pub message: String,
}

/// Everything that is wrong with a request.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct CompatErrors(Vec<CompatError>);

impl CompatErrors {
    fn add(&mut self, field: impl Into<String>, code: CompatCode, message: String) {
        if self.0.len() < MAX_ERRORS {
            self.0.push(CompatError { field: field.into(), code, message });
        }
    }

    /// Returns the problems, at least one.
    pub fn as_slice(&self) -> &[CompatError] {
        &self.0
    }
}

impl fmt::Display for CompatErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, CompatError { field, message, .. }) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{field} {message}")?;
        }
        Ok(())
    }
}

impl StdError for CompatErrors {}

//! Mail: who got which code, and faults on the way.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    core::Core,
    fault::{Backend, FaultKind, Site},
    link::{Fate, Faulty},
};
use crate::{
    error::Result,
    id::{DomainId, TenantId},
    mail::{Mailer, Message},
};

/// A code that somebody got.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    /// The claim that it is about.
    pub(super) domain: DomainId,
    pub(super) code: String,
    /// Whose customer ran the zone, and so got the mail.
    pub(super) reader: Option<TenantId>,
}

/// Delivers mail to whoever runs the zone that it is sent to.
#[derive(Clone, Debug)]
pub(super) struct Postman {
    pub(super) core: Core,
}

/// Returns the claim and the code that a link in a mail has.
fn link(body: &str) -> Option<(DomainId, String)> {
    let (_, rest) = body.split_once("domain=")?;
    let (domain, rest) = rest.split_once("&code=")?;
    let code: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
    Some((domain.parse().ok()?, code))
}

#[async_trait]
impl Mailer for Postman {
    async fn send(&self, message: &Message) -> Result<()> {
        let Some((domain, code)) = link(&message.body) else { return Ok(()) };
        let host = message.to.rsplit_once('@').map(|(_, host)| host).unwrap_or_default();
        self.core.note(|| format!("mail to {} about {domain}", message.to));
        self.core.with(|state| {
            let reader = state.truth.titles.owners.get(host).copied();
            let letter = Letter { domain, code, reader };
            state.truth.titles.letters.push(letter);
        });
        Ok(())
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<M: Mailer + ?Sized> Mailer for Faulty<M> {
    async fn send(&self, message: &Message) -> Result<()> {
        let site = Site::new(Backend::Mail, "send");
        let (inner, copy) = (Arc::clone(&self.inner), message.clone());
        let fate = self.link.draw(site);
        if let Fate::Special(FaultKind::MailLost, _) = fate {
            return Ok(());
        }
        self.link.call(site, fate, || async move { inner.send(&copy).await }).await
    }
}

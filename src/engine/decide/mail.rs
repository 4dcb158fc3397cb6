//! Who has to be written to, for a name that is proved by mail.

use super::Draft;
use crate::{
    challenge::{
        Method,
        email::{Contacts, MailAddress, Round, SealedCode},
    },
    clock::{Timestamp, after, whole_second},
    domain::{Domain, PauseScope, Status},
    engine::{
        mail::{LOST_CODE, claim},
        notice::Notice,
        root::{DomainRoot, Effect, Fact, Question, Trouble},
    },
    error::ErrorKind,
};

pub(super) fn questions(root: &DomainRoot, now: Timestamp) -> Option<Question> {
    let DomainRoot { domain, intent, .. } = root;
    let mail = domain.mail.as_ref()?;
    let is_due = intent.is_none() && next_round_at(domain, now)? <= now;
    is_due.then(|| Question::MailCode { round: mail.round.saturating_add(1) })
}

/// Returns when mails with another code go out.
pub(super) fn next_round_at(domain: &Domain, now: Timestamp) -> Option<Timestamp> {
    let is_by_mail = domain.challenge.method == Method::Email && domain.status != Status::Removing;
    let mail = domain.mail.as_ref().filter(|_| is_by_mail)?;
    mail.next_round_at(domain.challenge.generation, now)
}

impl Draft<'_> {
    /// Begins a round of mails when there is a code for it, and sends the next one of a round.
    pub(super) fn mail(&mut self) {
        if self.root.domain.challenge.method != Method::Email {
            return self.end_mail();
        }
        let now = self.now();
        let of = claim(&self.root.domain, self.policy());
        // The method was changed to this one.
        self.again |= self.root.domain.mail.is_none();
        let mail = self.root.domain.mail.get_or_insert_default();
        if mail.expires_at.is_some_and(|until| until <= now) {
            mail.end();
        }
        self.again |= mail.remind(of, now);
        self.begin_round();
        if next_round_at(&self.root.domain, now).is_some_and(|at| at <= now) {
            self.holds_up(PauseScope::Mail);
        }
        if self.effect.is_some() || self.root.intent.is_some() || self.wait.is_some() {
            return;
        }
        let Some(mail) = &self.root.domain.mail else { return };
        if let Some(to) = mail.unsent.first().filter(|to| mail.awaits(mail.round, to)) {
            self.act(Effect::Mail { round: mail.round, to: to.clone() });
        }
    }

    /// Begins the round that a code was drawn for, unless it is not wanted any more.
    fn begin_round(&mut self) {
        let facts = self.facts;
        let now = whole_second(self.now());
        let (ttl, spacing) = (self.policy().token_ttl, self.policy().mail_spacing);
        let domain = &mut self.root.domain;
        let Some(mail) = &mut domain.mail else { return };
        let generation = domain.challenge.generation;
        let next = mail.round.saturating_add(1);
        let drawn = facts.iter().find_map(|fact| match fact {
            Fact::MailCode { round, sealed, digest, scope, published } if *round == next => {
                Some((sealed, digest, scope, published))
            }
            _ => None,
        });
        let Some((sealed, digest, scope, published)) = drawn else { return };
        if !mail.wants_round(generation) {
            return;
        }
        // The public suffix list says something else than when it was claimed.
        let Some(scope) = scope else {
            mail.wanted = false;
            mail.generation = generation;
            mail.drawn_at = Some(now);
            let message = format!(
                "engine: mail: nobody answers for {} by mail where the tenant asks for it",
                domain.name
            );
            self.fail(&Trouble::new(ErrorKind::Invalid, message), 1);
            return;
        };
        let contacts = Contacts::at(scope.clone()).with_published(published.iter().cloned());
        let expires_at = after(now, ttl);
        let round = Round {
            number: next,
            generation,
            digest: digest.clone(),
            sealed: SealedCode(sealed.as_str().to_owned()),
            addresses: contacts.choose(&mail.wish.addresses),
            expires_at,
        };
        mail.begin(round, spacing, now);
        domain.challenge.token.clone_from(digest);
        domain.challenge.expires_at = expires_at;
    }

    /// Gives up what was being mailed.
    pub(super) fn end_mail(&mut self) {
        if let Some(mail) = &mut self.root.domain.mail {
            mail.end();
        }
    }

    /// Takes note that somebody was written to.
    pub(super) fn mailed(&mut self, to: &MailAddress) {
        if let Some(mail) = &mut self.root.domain.mail {
            mail.wrote(to, false);
        }
        self.notices.push(Notice::Mailed { to: to.clone() });
    }

    /// Takes note that a mail may have been sent: it is sent again, but not for ever, since whoever
    /// gets it gets it every time.
    pub(super) fn doubt_mail(&mut self, effect: &Effect) {
        if let (Effect::Mail { to, .. }, Some(mail)) = (effect, &mut self.root.domain.mail)
            && mail.doubted(to)
        {
            self.notices.push(Notice::Mailed { to: to.clone() });
        }
    }

    /// Writes to the others first, after a mail that could not be sent now.
    pub(super) fn postpone_mail(&mut self, effect: &Effect) {
        if let (Effect::Mail { to, .. }, Some(mail)) = (effect, &mut self.root.domain.mail) {
            mail.postpone(to);
        }
    }

    /// Takes note that somebody cannot be written to, unless nobody can.
    pub(super) fn mail_refused(&mut self, to: &MailAddress, trouble: &Trouble) {
        if trouble.code.as_deref() == Some(LOST_CODE) {
            if let Some(mail) = &mut self.root.domain.mail {
                mail.lose_code();
            }
            self.again = true;
            return;
        }
        let is_about_recipient =
            matches!(trouble.kind, ErrorKind::Invalid | ErrorKind::NotFound | ErrorKind::Refused);
        if !is_about_recipient {
            // The platform's own server does not let us in, or the like.
            return self.service_failed(trouble);
        }
        let failure = self.failure_of(trouble, 1);
        let nobody = self.root.domain.mail.as_mut().is_some_and(|mail| {
            mail.wrote(to, true);
            mail.unsent.is_empty() && mail.sent.is_empty()
        });
        if nobody {
            self.root.domain.last_failure = Some(failure.clone());
        }
        self.notices.push(Notice::MailRefused { to: to.clone(), failure });
        self.again = true;
    }
}

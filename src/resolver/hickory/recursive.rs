//! Asking recursive servers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{
    COMPONENT, Inner, Search, Trouble, Unanswered,
    read::{Chain, Said, is_referral, said},
};
use crate::{
    error::{Error, ErrorKind, Result},
    name::DnsName,
    record::{RecordData, RecordType},
    resolver::{Answer, Failure, Lookup, Mode, Outcome, ServerReport, ServerStatus},
    transport::dns::{Code, Question, Recursion, Reply},
};

/// Most servers that are used: resolv.conf(5) has 3.
pub(super) const MAX_SERVERS: usize = 8;

/// Reads the servers of a resolv.conf.
pub(super) fn name_servers(text: &str) -> Vec<SocketAddr> {
    let mut servers: Vec<SocketAddr> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let address =
                words.next().filter(|word| *word == "nameserver").and_then(|_| words.next())?;
            // A scope, as in `fe80::1%eth0`, is a name of this machine that cannot be used here.
            Some(SocketAddr::new(address.parse::<IpAddr>().ok()?, 53))
        })
        .take(MAX_SERVERS)
        .collect();
    if servers.is_empty() {
        servers.push((Ipv4Addr::LOCALHOST, 53).into());
    }
    servers
}

/// Whether an extended error is about validation (RFC 8914 sections 4.6 to 4.13).
const fn is_bogus(extended_error: u16) -> bool {
    matches!(extended_error, 5..=12)
}

impl Search<'_> {
    /// Looks a name up at the recursive servers.
    pub(super) async fn recursive(&self, lookup: &Lookup) -> Result<Answer> {
        let mut chain = Chain::new(lookup.name.clone());
        let mut authentic = true;
        let outcome = loop {
            let reply = match self.reply(chain.end(), lookup.record_type).await {
                Ok(reply) => reply,
                Err(Unanswered::Trouble(Trouble::ServFail)) => {
                    break self.chase(&mut chain).await?;
                }
                Err(Unanswered::Trouble(trouble)) => break trouble.into(),
                Err(Unanswered::Error(error)) => return Err(error),
            };
            authentic &= reply.authentic;
            for name in chain.names() {
                self.note_renamed(&reply, name);
            }
            if let Some(outcome) = walk(&reply, lookup.record_type, &mut chain) {
                break outcome;
            }
        };
        let answered = !matches!(outcome, Outcome::Failed(_) | Outcome::Timeout);
        Ok(Answer::new(outcome)
            .with_chain(chain.into_targets())
            .with_authenticated(authentic && answered))
    }

    /// Finds out whether it is a loop or too long a chain that the servers fail at: some just say
    /// SERVFAIL to that. Follows the aliases one by one as far as they go.
    async fn chase(&self, chain: &mut Chain) -> Result<Outcome> {
        loop {
            let target = match self.ask_recursive(chain.end(), RecordType::Cname).await {
                Ok(Said::Records(records)) => records.first().map(|record| record.data().clone()),
                Err(Unanswered::Error(error)) => return Err(error),
                _ => None,
            };
            let Some(RecordData::Cname(target)) = target else {
                return Ok(Trouble::ServFail.into());
            };
            if let Err(outcome) = chain.follow(target) {
                return Ok(outcome);
            }
        }
    }

    /// Asks the recursive servers for one name, without following aliases.
    pub(super) async fn ask_recursive(
        &self,
        name: &DnsName,
        record_type: RecordType,
    ) -> Result<Said, Unanswered> {
        let reply = self.reply(name, record_type).await?;
        if is_referral(&reply) {
            return Err(Unanswered::Trouble(Trouble::Lame));
        }
        said(&reply, name, record_type).map_err(Unanswered::Trouble)
    }

    /// Returns the first answer of a recursive server that says something: yes or no.
    async fn reply(&self, name: &DnsName, record_type: RecordType) -> Result<Reply, Unanswered> {
        if self.hickory.servers.is_empty() {
            let message = format!("no server was named that could be asked for {name}");
            let error = Error::new(ErrorKind::Unsupported, COMPONENT, "lookup", message);
            return Err(Unanswered::Error(error));
        }
        let question = Question { name: name.clone(), record_type, recursion: Recursion::On };
        let Inner { servers, limits, .. } = self.hickory;
        let mut worst = Trouble::Timeout;
        let mut silent = servers.clone();
        for _ in 0..limits.tries {
            let mut still_silent = Vec::new();
            for server in silent {
                let reply = self.reply_of(server, &question).await;
                self.note_recursive(server, &reply);
                match reply {
                    Err(Unanswered::Trouble(Trouble::Timeout)) => still_silent.push(server),
                    // Another server would not change that.
                    Err(Unanswered::Trouble(trouble)) if trouble != Trouble::Bogus => {
                        worst = worst.max(trouble);
                    }
                    decided => return decided,
                }
            }
            if still_silent.is_empty() {
                break;
            }
            silent = still_silent;
        }
        Err(Unanswered::Trouble(worst))
    }

    /// Notes what became of a recursive server, if it is asked for the answer and not on the way.
    fn note_recursive(&self, server: SocketAddr, reply: &Result<Reply, Unanswered>) {
        let status = match reply {
            Ok(_) => ServerStatus::Agrees,
            Err(Unanswered::Trouble(trouble)) => (*trouble).into(),
            Err(Unanswered::Error(_)) => return,
        };
        if self.mode == Mode::Recursive {
            self.note(ServerReport::new(status).with_address(Some(server)));
        }
    }

    /// Whether the AD bit of a recursive server counts.
    fn is_trusted(&self, server: IpAddr) -> bool {
        let Inner { trusts_loopback, trusted, .. } = self.hickory;
        (*trusts_loopback && server.is_loopback()) || trusted.contains(&server)
    }

    /// Asks one recursive server, and if it fails, whether validation is why.
    async fn reply_of(&self, server: SocketAddr, question: &Question) -> Result<Reply, Unanswered> {
        let mut reply = self.ask(server, None, question).await?;
        reply.authentic &= self.is_trusted(server.ip());
        match reply.code {
            Code::Success | Code::NxDomain => return Ok(reply),
            Code::NotAuth => return Err(Unanswered::Trouble(Trouble::NotAuth)),
            Code::Refused => return Err(Unanswered::Trouble(Trouble::Refused)),
            Code::Failed | Code::Format => {}
        }
        if reply.extended_error.is_some_and(is_bogus) {
            return Err(Unanswered::Trouble(Trouble::Bogus));
        }
        let unchecked = Question { recursion: Recursion::Unchecked, ..question.clone() };
        let works = |reply: &Reply| matches!(reply.code, Code::Success | Code::NxDomain);
        match self.ask(server, None, &unchecked).await {
            Ok(reply) if works(&reply) => {}
            Err(Unanswered::Error(error)) => return Err(Unanswered::Error(error)),
            _ => return Err(Unanswered::Trouble(Trouble::ServFail)),
        }
        // It may have been a passing failure: only what fails with validation alone is bogus.
        match self.ask(server, None, question).await {
            Ok(mut reply) if works(&reply) => {
                reply.authentic &= self.is_trusted(server.ip());
                Ok(reply)
            }
            Ok(reply) if reply.code == Code::Failed => Err(Unanswered::Trouble(Trouble::Bogus)),
            Err(Unanswered::Error(error)) => Err(Unanswered::Error(error)),
            _ => Err(Unanswered::Trouble(Trouble::ServFail)),
        }
    }
}

/// Follows the aliases in one answer; `None` if the name at its end has to be asked for.
fn walk(reply: &Reply, record_type: RecordType, chain: &mut Chain) -> Option<Outcome> {
    if is_referral(reply) {
        // Of a server that is no recursive one.
        return Some(Outcome::Failed(Failure::Lame));
    }
    let mut followed = false;
    loop {
        let nothing_of_end = !reply.answers.iter().any(|entry| entry.owner == *chain.end());
        match said(reply, chain.end(), record_type) {
            Ok(Said::Alias(target)) => {
                if let Err(outcome) = chain.follow(target) {
                    return Some(outcome);
                }
                followed = true;
            }
            // RFC 2308 section 2.2.1: without a SOA record it may only be where the server stopped.
            Ok(Said::NoData(None)) if followed && nothing_of_end => return None,
            Ok(Said::NoData(negative_ttl)) => return Some(Outcome::NoData { negative_ttl }),
            Ok(Said::NxDomain(negative_ttl)) => return Some(Outcome::NxDomain { negative_ttl }),
            Ok(Said::Records(records)) => return Some(Outcome::Answer(records)),
            Err(trouble) => return Some(trouble.into()),
        }
    }
}

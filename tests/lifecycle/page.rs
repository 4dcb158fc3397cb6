//! `docs/lifecycle.md`, drawn from the tables and the policy.

use std::{fmt::Write as _, fs, path::Path, time::Duration};

use nameplate::{
    certificate::{OrderEvent, OrderStatus, renew_at},
    challenge::{ChallengeEvent, State},
    clock::{Timestamp, after, between},
    domain::{Event, Party, Status},
    engine::Policy,
    registration::{RegistrationEvent, RegistrationStatus},
    retry::Backoff,
};

use crate::common::{DAY, HOUR, MINUTE};

/// Where the page is, in the repository.
const PAGE: &str = "docs/lifecycle.md";

/// The variable that makes the test write the page instead of comparing it.
const BLESS: &str = "NAMEPLATE_BLESS";

#[test]
fn the_page_is_drawn_from_the_tables() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let wanted = page(&Policy::new());
    if std::env::var_os(BLESS).is_some_and(|value| value == "1") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &wanted).unwrap();
        return;
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    // A checkout may have changed the ends of lines.
    let differs = there.lines().zip(wanted.lines()).position(|(there, wanted)| there != wanted);
    let shorter = there.lines().count().min(wanted.lines().count());
    assert!(
        there.lines().eq(wanted.lines()),
        "{PAGE} is stale from line {}; write it anew with `{BLESS}=1 cargo test --test lifecycle`",
        differs.unwrap_or(shorter) + 1
    );
}

/// A machine as it is drawn: names only.
struct Machine {
    statuses: Vec<(&'static str, &'static str)>,
    events: Vec<(&'static str, &'static str)>,
    on: Vec<Vec<Option<&'static str>>>,
}

impl Machine {
    fn new<S: Copy, E: Copy>(
        statuses: &[S],
        events: &[E],
        status: impl Fn(S) -> (&'static str, &'static str),
        event: impl Fn(E) -> (&'static str, &'static str),
        on: impl Fn(S, E) -> Option<S>,
    ) -> Self {
        let row = |from: &S| {
            events.iter().map(|event| on(*from, *event).map(|next| status(next).0)).collect()
        };
        Self {
            on: statuses.iter().map(row).collect(),
            statuses: statuses.iter().map(|one| status(*one)).collect(),
            events: events.iter().map(|one| event(*one)).collect(),
        }
    }

    fn diagram(&self) -> String {
        let mut text = String::from("```mermaid\nstateDiagram-v2\n");
        let first = self.statuses[0].0;
        let _ = writeln!(text, "    [*] --> {first}");
        for ((from, _), row) in self.statuses.iter().zip(&self.on) {
            for (to, _) in &self.statuses {
                let events: Vec<_> = self
                    .events
                    .iter()
                    .zip(row)
                    .filter(|(_, next)| **next == Some(*to) && from != to)
                    .map(|((event, _), _)| *event)
                    .collect();
                if !events.is_empty() {
                    let _ = writeln!(text, "    {from} --> {to} : {}", events.join(", "));
                }
            }
            if row.iter().flatten().all(|next| next == from) {
                let _ = writeln!(text, "    {from} --> [*]");
            }
        }
        text + "```\n"
    }

    fn table(&self) -> String {
        let names: Vec<_> = self.events.iter().map(|(event, _)| *event).collect();
        let mut text =
            format!("| from | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
        for ((from, _), row) in self.statuses.iter().zip(&self.on) {
            let cells: Vec<_> = row.iter().map(|next| next.unwrap_or_default()).collect();
            let _ = writeln!(text, "| **{from}** | {} |", cells.join(" | "));
        }
        text
    }

    fn words(&self) -> String {
        let list = |head: &str, words: &[(&str, &str)]| {
            let mut text = format!("| {head} | |\n|---|---|\n");
            for (word, meaning) in words {
                let _ = writeln!(text, "| `{word}` | {meaning} |");
            }
            text
        };
        format!("{}\n{}", list("status", &self.statuses), list("event", &self.events))
    }

    fn draw(&self) -> String {
        format!("{}\n{}\n{}", self.diagram(), self.table(), self.words())
    }
}

fn domain() -> Machine {
    let status = |status: Status| {
        let meaning = match status {
            Status::Pending => {
                "The tenant has not proved the name. Nothing is served, nothing is ordered."
            }
            Status::Verified => {
                "The tenant holds the name: nobody else can, until it is lost or given up."
            }
            Status::CertificatePending => "A certificate is ordered; none that is valid serves.",
            Status::Active => "A valid certificate serves. Renewal happens in here.",
            Status::Failed => {
                "The certificate was refused for good. The name is still held; somebody changes something and asks again."
            }
            Status::Removing => {
                "Not served any more. What we made is cleaned up, again and again until it is gone; then only a trace is left."
            }
            _ => unreachable!("a status without a text"),
        };
        (status.as_str(), meaning)
    };
    let event = |event: Event| {
        let meaning = match event {
            Event::OwnershipProven => {
                "The proof was seen in this very step, and nobody else holds the name."
            }
            Event::CertificateRequested => "An order is planned, for a name that is held.",
            Event::CertificateActivated => {
                "A certificate for our key and exactly this name is stored, or the one from before is still valid."
            }
            Event::CertificateLost => "The certificate ran out before another came.",
            Event::OwnershipLost => {
                "The proof has been gone for long enough. The challenge stays: the same record restores."
            }
            Event::OwnershipReset => {
                "The name was sold, transferred or proved by somebody else: a new challenge."
            }
            Event::Failed => {
                "A refusal that stands, or one too many. Never a timeout, never while a valid certificate serves."
            }
            Event::Retried => "Somebody asked to try again. Ownership is looked at afresh.",
            Event::RemovalRequested => "The tenant or the platform wants it gone. Applies always.",
            _ => unreachable!("an event without a text"),
        };
        (event.as_str(), meaning)
    };
    Machine::new(&Status::ALL, &Event::ALL, status, event, Status::on)
}

fn order() -> Machine {
    let status = |status: OrderStatus| {
        let meaning = match status {
            OrderStatus::Planned => "Stored, before the authority hears of it.",
            OrderStatus::Pending => "Open at the authority; it wants to see something.",
            OrderStatus::Ready => "The authority has seen enough.",
            OrderStatus::Processing => "Our key is stored, and the request was handed in.",
            OrderStatus::Issued => "The certificate is stored and serves.",
            OrderStatus::Failed => "It came to nothing; what was published for it goes.",
            _ => unreachable!("a status without a text"),
        };
        (status.as_str(), meaning)
    };
    let event = |event: OrderEvent| {
        let meaning = match event {
            OrderEvent::Opened => "The authority took it.",
            OrderEvent::Authorized => "The authority says that all authorizations are valid.",
            OrderEvent::Finalized => {
                "The key is stored, and the request goes out in the next step; again if the answer was lost."
            }
            OrderEvent::Issued => {
                "The chain was fetched, checked against key, name and time, and stored."
            }
            OrderEvent::Failed => "Refused, expired, or wanted no more.",
            _ => unreachable!("an event without a text"),
        };
        (event.as_str(), meaning)
    };
    Machine::new(&OrderStatus::ALL, &OrderEvent::ALL, status, event, OrderStatus::on)
}

fn challenge() -> Machine {
    let state = |state: State| {
        let meaning = match state {
            State::Issued => "The tenant was told what to publish.",
            State::Published => {
                "Something is where the proof is to be: not the proof, or not for everybody yet."
            }
            State::Observed => "The proof was seen, and the tenant does not hold the name.",
            State::Accepted => "The tenant holds the name by it.",
            State::Expired => "Not proved in time. It proves nothing.",
            State::Rejected => "The claim was given up.",
            State::Superseded => "Of an earlier generation. It proves nothing, ever.",
            _ => unreachable!("a state without a text"),
        };
        (state.as_str(), meaning)
    };
    let event = |event: ChallengeEvent| {
        let meaning = match event {
            ChallengeEvent::Published => "A look found something there.",
            ChallengeEvent::Observed => "A look found the proof, for everybody and no wildcard.",
            ChallengeEvent::Accepted => "`ownership_proven`.",
            ChallengeEvent::Lost => "`ownership_lost`, or what was there is gone.",
            ChallengeEvent::Expired => "Time is up, and the name is not held.",
            ChallengeEvent::Renewed => {
                "Somebody asked for a check. Of a record only: other tokens are replaced."
            }
            ChallengeEvent::Rejected => "`removal_requested`.",
            ChallengeEvent::Superseded => {
                "Another token was issued: another method, a reset, or an expired token that somebody asked about."
            }
            _ => unreachable!("an event without a text"),
        };
        (event.as_str(), meaning)
    };
    Machine::new(&State::ALL, &ChallengeEvent::ALL, state, event, State::on)
}

fn registration() -> Machine {
    let status = |status: RegistrationStatus| {
        let meaning = match status {
            RegistrationStatus::Pending => {
                "The intent is stored; the registrar has not confirmed it."
            }
            RegistrationStatus::InProgress => "The registrar works on it.",
            RegistrationStatus::ActionRequired => "Somebody has to do something at the registrar.",
            RegistrationStatus::Blocked => "A third party holds it up.",
            RegistrationStatus::Succeeded => "The name is registered.",
            RegistrationStatus::Failed => "It came to nothing, and nothing is charged.",
            _ => unreachable!("a status without a text"),
        };
        (status.as_str(), meaning)
    };
    let event = |event: RegistrationEvent| {
        let meaning = match event {
            RegistrationEvent::Accepted => "The registrar took it on.",
            RegistrationEvent::ActionRequested => "It waits for somebody.",
            RegistrationEvent::Held => "It waits for a third party.",
            RegistrationEvent::Resumed => "It goes on after waiting.",
            RegistrationEvent::Completed => "The name is registered.",
            RegistrationEvent::Rejected => "The registrar refused it.",
            _ => unreachable!("an event without a text"),
        };
        (event.as_str(), meaning)
    };
    Machine::new(
        &RegistrationStatus::ALL,
        &RegistrationEvent::ALL,
        status,
        event,
        RegistrationStatus::on,
    )
}

fn parties() -> String {
    let mut text = String::from("| party | what it is about |\n|---|---|\n");
    for (party, about) in [
        (
            Party::Customer,
            "A record is missing or says something else. The record, its value and what is there now are data.",
        ),
        (
            Party::DnsProvider,
            "The servers of the zone give no usable answer: nothing can be concluded from that, in either direction.",
        ),
        (Party::CertificateAuthority, "An order is under way."),
        (Party::Clock, "An order failed for now; the next one has its time."),
        (
            Party::Platform,
            "Something of ours: a first look, a planned order, a refusal, cleaning up, a name that somebody else holds.",
        ),
        (Party::Registrar, "A purchase is under way."),
        (Party::Nobody, "All is well. Only in `active`."),
    ] {
        let _ = writeln!(text, "| {party} | {about} |");
    }
    text
}

/// Writes a duration in its largest whole unit.
fn time(time: Duration) -> String {
    let units =
        [(DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (Duration::from_secs(1), "second")];
    for (unit, name) in units {
        let (count, rest) = (time.as_secs() / unit.as_secs(), time.as_secs() % unit.as_secs());
        if count > 0 && rest == 0 {
            return format!("{count} {name}{}", if count == 1 { "" } else { "s" });
        }
    }
    format!("{time:?}")
}

/// Returns how long before its end a certificate of this life is renewed.
fn left_at_renewal(life: Duration) -> String {
    let end = after(Timestamp::UNIX_EPOCH, life);
    time(between(renew_at(Timestamp::UNIX_EPOCH, end), end))
}

/// Returns the waits after the first failures, and the one that repeats.
fn waits(backoff: Backoff) -> String {
    let mut steps = Vec::new();
    for attempt in 0.. {
        let step = time(backoff.base(attempt));
        if steps.last() == Some(&step) {
            break;
        }
        steps.push(step);
    }
    steps.join(", ")
}

fn page(policy: &Policy) -> String {
    let Policy {
        claim_ttl,
        token_ttl,
        spacing,
        recheck,
        recheck_refuted,
        demote_after,
        demote_over,
        contest_cool_off,
        evidence_max_age,
        order_deadline,
        visible_deadline,
        max_failed_orders,
        sweep_after,
        ..
    } = policy;
    let [claim_ttl, token_ttl, spacing, recheck, recheck_refuted, demote_over, contest_cool_off] =
        [claim_ttl, token_ttl, spacing, recheck, recheck_refuted, demote_over, contest_cool_off]
            .map(|it| time(*it));
    let [evidence_max_age, order_deadline, visible_deadline, sweep_after] =
        [evidence_max_age, order_deadline, visible_deadline, sweep_after].map(|it| time(*it));
    let (long, short) = (left_at_renewal(DAY * 90), left_at_renewal(DAY * 6));
    let (order_waits, proof_waits) = (waits(Backoff::ORDER), waits(Backoff::PROOF));
    let [domain, challenge, order, registration] =
        [domain(), challenge(), order(), registration()].map(|it| it.draw());
    let parties = parties();
    format!(
        "\
<!-- Drawn by tests/lifecycle/page.rs from the tables and from `Policy::new()`: change those, then run
     `{BLESS}=1 cargo test --test lifecycle`. -->

# The life of a domain

A domain has one short status. Beside it stand, as data of their own: what has been seen of the
outside world, the order that is under way, and the certificate that serves. One function names the
next status, `Status::on`; the diagrams and tables on this page are drawn from it and its like.
An empty cell is refused: nothing changes. Events that leave the status as it is are in the table
only.

{domain}
`ownership_proven` is the only way into the statuses in which the name is held, and it takes a proof
that was seen in the same step. At most one tenant holds a name: the store refuses a second one, and
who proves a name that is held stays `pending`. Any number of tenants may have a claim that is
`pending`; it blocks nobody. Without a proof a name is held by the word of an operator (adoption) or
of the tenant who hands it over (transfer), for a grace, and no certificate is ordered in it. How
names change hands is in `docs/claims.md`.

## Evidence

What is seen of the outside world is evidence, never a command. Each look ends in one of three
verdicts: *confirmed*, *refuted* (certainly not there), or *unknown* (no answer, a broken answer,
answers that disagree). Unknown proves nothing and takes nothing away. Three topics are looked at:

* **ownership**: the proof that this claim asks for, see below;
* **routing**: the addresses of the name are those of the platform. Pointing a name somewhere is no
  proof of anything;
* **delegation**: `_acme-challenge` leads to the target of this claim, where it is handed over to us.

Definite verdicts that agree form a run. Looks less than {spacing} apart count as one, so that clicks
do not add up.

* *First proof.* One confirmed look, within {claim_ttl} of the claim. Until then a claim is looked at
  ever more rarely, with waits of
  {proof_waits}, and so on.
  Then it is dormant until somebody asks; its values stay.
* *Held.* Looked at after {recheck}, or {recheck_refuted} while the proof is missing.
* *Loss.* {demote_after} counted looks in a row that refute, over at least {demote_over}, the last of
  them in this very step. The record coming back restores.
* *Contest.* Somebody else's proof takes a held name after two sure looks at the holder's that do not
  find it, {contest_cool_off} apart. While the holder's proof is there, or nobody can say, nothing moves.
* *Ordering.* Needs a confirmed look at ownership, and at what the validation goes by (routing for
  HTTP-01, delegation for delegated DNS-01), not older than {evidence_max_age}.

## The proof

What proves a name is published where the name of the place says what it is for: by whom it is asked,
and whether it is for the host or for a wildcard. A proof of one claim, scope, method or generation is
none of another.

| method | what is published | where, for `shop.example.com` and the brand `plat` | good for |
|---|---|---|---|
| `dns-txt` | TXT `token=<64 hexadecimal characters>` | `_plat-challenge.shop.example.com` | {claim_ttl} |
| `dns-cname` | CNAME to a fixed name of the platform | `_<32 base32 characters>._plat-challenge.shop.example.com` | {claim_ttl} |
| `http` | a page of plain text that says the token | `http://shop.example.com/.well-known/plat-challenge/<file>.txt` | {token_ttl} |
| `email` | nothing: a code is mailed and comes back | | {token_ttl} |

For a wildcard the label is `_plat-wildcard-challenge`. A record counts if the servers of the zone and a
resolver show it, and a name beside it that is made up for the look does not: a wildcard proves nothing.
A page proves the very host that it is on, and no wildcard.

\"Good for\" is how long it may be published for the first time. After that a record is waited for
again when somebody asks; another token is replaced by a new one. A name that is held is held by the
proof that is there, however old its token is; when that is gone for long enough and the token of a page
has run out, a new one is issued to who asks.

A challenge of a name that is not held can be replaced at any time: by one of another method, or by one
with another token. While the name is held it stays.

### A challenge

{challenge}
## Certificates and renewal

Renewal belongs to the certificate and changes no status: the old one serves until the new one is
stored. It starts with a third of the life left, or half of a life of less than ten days: a
certificate of 90 days is renewed {long} before its end, one of 6 days {short} before.

An order is given up after {order_deadline}, and earlier if a record of ours has not been seen within
{visible_deadline}. The next ones follow after {order_waits}, and so on.
A refusal that stands until somebody changes something, or a refusal after {max_failed_orders} failed
orders in a row, makes the domain `failed`; but never while a certificate serves that is still valid.
All waits are longer or shorter by chance, by up to a quarter.

What was published for an order is removed when the order ends, and once more {sweep_after} later, for
the case that a stopped process published it late.

### An order

{order}
## Who acts

`Domain::waiting_on` says who has to act, what exactly is awaited, and until when waiting is right. It
is nothing only in `active`.

{parties}
## A purchase

{registration}"
    )
}

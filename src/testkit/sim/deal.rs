//! What tenants do with each other, and what the platform's staff does.

use std::collections::BTreeSet;

use serde::{Deserialize, de::IgnoredAny};

use super::{
    core::{Boxed, Core},
    invariant::{Breach, Invariant},
    link::Link,
    pages::Place,
    people::{claim, put_page, write, write_again},
    plan::Part,
    title::{Archive, Code, Report, WRONG},
    watch::finish,
    world::World,
};
use crate::{
    challenge::Method,
    clock::{Clock, whole_second},
    domain::NewDomain,
    engine::{Inspection, Onboarding, Operator, Pausable},
    error::{Error, Result},
    id::{DomainId, OperationId, TenantId},
    name::DomainName,
    store::{Item, Key, Kind},
};

/// Something that is about more than one tenant, or that the platform's staff does. Claims by their
/// number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Deal {
    /// Somebody takes a name: with the code that they got, the first that they got, none, or that of
    /// another tenant.
    Accept(u8),
    /// The holder takes an offer back.
    Cancel,
    ChangeMethod(Method),
    /// Somebody gives a code back that was mailed: the last, the first, that of another claim, none,
    /// or that of another claim as if it were theirs.
    Confirm(u8),
    /// A tenant wants one more name.
    Crowd(u8),
    /// Everything is written down while work goes on.
    Export,
    /// The holder offers a name to the tenant of another claim.
    Offer(usize),
    /// The page that is asked for is put somewhere.
    Page(Place),
    /// The domain, the tenant, or a service is stopped, or goes on.
    Pause(u8, bool),
    /// It is reported that the registration has changed.
    Report,
    /// Whatever was published for a claim, whenever, is there again.
    Republish,
    /// The sealing key is changed.
    Reseal,
    /// Another mail is asked for.
    Resend,
    /// The zone goes over to the tenant of another claim; whether that is reported.
    Sell(usize, bool),
    /// Another token is asked for.
    Token,
}

/// Lets something happen through a process.
pub(super) fn deal(world: &World, process: usize, number: usize, deal: Deal) -> Option<Boxed> {
    match deal {
        Deal::Page(place) => {
            put_page(world, number, Some(place));
            return None;
        }
        Deal::Republish => {
            write_again(world, number);
            return None;
        }
        Deal::Sell(to, is_reported) => {
            sell(world, number, to);
            if !is_reported {
                return None;
            }
        }
        Deal::Reseal => world.vault.change_key(),
        _ => {}
    }
    let onboarding = world.process(process)?;
    let operator = onboarding.operator();
    let link = Link::new(world.core.clone(), process);
    let wanted = world.core.with(|state| state.truth.claims.get(number).cloned())?;
    let (tenant, name) = (wanted.tenant, wanted.wanted.name().clone());
    let domain = claim(world, number).map(|(_, domain)| domain.id());
    let core = world.core.clone();
    let done: Call = match deal {
        Deal::Accept(how) => accept(core, onboarding, number, (tenant, wanted.wanted), how),
        Deal::Crowd(more) => crowd(onboarding, tenant, more)?,
        Deal::Export => {
            let model = world.store.model();
            let rows = model.rows.iter();
            let may = rows.map(|(key, row)| {
                let entries = model.entries(key);
                ((key.clone(), row.item.revision.operation), (entries, entries))
            });
            let archive =
                Archive { may: may.collect(), must: model.rows.keys().cloned().collect() };
            export(core, operator, archive)
        }
        Deal::Pause(what, is_on) => pause(operator, what, tenant, domain, is_on),
        Deal::Report | Deal::Sell(..) => report(core, operator, tenant, &name)?,
        Deal::Reseal => reseal(operator),
        Deal::Cancel => {
            let id = domain?;
            core.with(|state| state.truth.titles.regrets.insert(id));
            Box::pin(async move { onboarding.cancel_transfer(&tenant, id).await.map(drop) })
        }
        Deal::ChangeMethod(method) => {
            let id = domain?;
            Box::pin(async move { onboarding.change_method(&tenant, id, method).await.map(drop) })
        }
        Deal::Confirm(how) => confirm(core, onboarding, tenant, domain?, how),
        Deal::Offer(to) => {
            let to = world.core.with(|state| state.truth.claims.get(to).map(|it| it.tenant))?;
            offer(core, onboarding, (tenant, domain?), name, to)
        }
        Deal::Resend => {
            let id = domain?;
            Box::pin(async move { onboarding.resend(&tenant, id).await.map(drop) })
        }
        Deal::Token => {
            let id = domain?;
            Box::pin(async move { onboarding.renew_token(&tenant, id).await.map(drop) })
        }
        Deal::Page(_) | Deal::Republish => return None,
    };
    Some(Box::pin(async move {
        let done = done.await;
        link.no_secret(&done);
        link.core.note(|| match &done {
            Ok(()) => format!("{deal:?}: done"),
            Err(error) => format!("{deal:?}: {error}"),
        });
    }))
}

type Call = std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// Lets a zone go over: what the one had written goes, and what the other is asked for comes.
fn sell(world: &World, number: usize, to: usize) {
    let buyer = world.core.with(|state| state.truth.claims.get(to).cloned());
    let Some(buyer) = buyer else { return };
    write(world, number, Part::All, false);
    write(world, to, Part::All, true);
    let zone = buyer.wanted.name().registrable().unwrap_or_default().to_owned();
    world.core.with(|state| state.truth.titles.owners.insert(zone, buyer.tenant));
}

fn offer(
    core: Core,
    onboarding: Onboarding,
    (tenant, id): (TenantId, DomainId),
    name: DomainName,
    to: TenantId,
) -> Call {
    core.with(|state| state.truth.titles.consents.insert((id, to)));
    Box::pin(async move {
        let code = onboarding.offer_transfer(&tenant, id, to).await?;
        let code = Code { name, to, code: code.as_str().to_owned() };
        core.with(|state| state.truth.titles.codes.push(code));
        Ok(())
    })
}

fn accept(
    core: Core,
    onboarding: Onboarding,
    number: usize,
    (tenant, wanted): (TenantId, NewDomain),
    how: u8,
) -> Call {
    let name = wanted.name().clone();
    let code = core.with(|state| {
        let titles = &mut state.truth.titles;
        let mut codes = titles.codes.iter().filter(|code| code.name == name);
        let found = match how {
            0 => codes.rfind(|code| code.to == tenant),
            1 => codes.find(|code| code.to == tenant),
            2 => None,
            _ => codes.rfind(|code| code.to != tenant),
        };
        let code = found.map_or(WRONG, |found| found.code.as_str()).to_owned();
        titles.attempts.insert((tenant, name, code.clone()));
        code
    });
    Box::pin(async move {
        let domain = onboarding.accept_transfer(&tenant, wanted, &code).await?;
        core.with(|state| {
            if let Some(claim) = state.truth.claims.get_mut(number) {
                claim.domain = Some(domain);
            }
        });
        Ok(())
    })
}

/// Gives a code back. A tenant has those that came to zones that its customers ran.
fn confirm(core: Core, onboarding: Onboarding, tenant: TenantId, own: DomainId, how: u8) -> Call {
    let (id, code) = core.with(|state| {
        let is_calm = state.weather.is_calm();
        let titles = &mut state.truth.titles;
        let mut letters =
            titles.letters.iter().filter(|letter| is_calm || letter.reader == Some(tenant));
        let found = match how {
            0 => letters.rfind(|letter| letter.domain == own),
            1 => letters.find(|letter| letter.domain == own),
            3 => None,
            _ => letters.rfind(|letter| letter.domain != own),
        };
        let id = found.filter(|_| how == 4).map_or(own, |letter| letter.domain);
        let code = found.map_or(WRONG, |letter| letter.code.as_str()).to_owned();
        titles.answers.insert((tenant, id, code.clone()));
        (id, code)
    });
    Box::pin(async move { onboarding.confirm(&tenant, id, &code).await.map(drop) })
}

/// Answers the last mail about a claim, or asks for another one.
pub(super) fn answer(world: &World, number: usize) -> Option<Boxed> {
    let (tenant, domain) = claim(world, number)?;
    let onboarding = world.process(0)?;
    let core = world.core.clone();
    let id = domain.id();
    let confirmed = confirm(core.clone(), onboarding.clone(), tenant, id, 0);
    Some(Box::pin(async move {
        let done = match confirmed.await {
            Ok(()) => Ok(()),
            Err(_) => onboarding.resend(&tenant, id).await.map(drop),
        };
        core.note(|| format!("answer {id}: {done:?}"));
    }))
}

fn crowd(onboarding: Onboarding, tenant: TenantId, more: u8) -> Option<Call> {
    let wanted: NewDomain = format!("more{more}.example.com").parse().ok()?;
    Some(Box::pin(async move { onboarding.add(&tenant, wanted).await.map(drop) }))
}

fn pause(
    operator: Operator,
    what: u8,
    tenant: TenantId,
    domain: Option<DomainId>,
    is_on: bool,
) -> Call {
    let what = match (what, domain) {
        (0, Some(id)) => Pausable::Domain(id),
        (1, _) => Pausable::Tenant(tenant),
        (2, _) => Pausable::Authority,
        (3, _) => Pausable::Dns,
        _ => Pausable::Resolver,
    };
    Box::pin(async move {
        match is_on {
            true => operator.pause(what, "for a look").await,
            false => operator.resume(what).await,
        }
    })
}

/// Lets everything go on that was stopped.
pub(super) fn resume(world: &World) {
    let (mut what, is_used) = {
        let model = world.store.model();
        let paused = model.domains().filter(|(_, domain)| domain.paused().is_some());
        let what: Vec<_> = paused.map(|(_, domain)| Pausable::Domain(domain.id())).collect();
        (what, model.rows.keys().any(|key| key.kind == Kind::Pause))
    };
    if is_used {
        let tenants = world.core.with(|state| {
            let claims = state.truth.claims.iter();
            claims.map(|claim| claim.tenant).collect::<BTreeSet<_>>()
        });
        what.extend([Pausable::Authority, Pausable::Dns, Pausable::Resolver]);
        what.extend(tenants.into_iter().map(Pausable::Tenant));
    }
    let operator = world.observer.operator();
    for what in what {
        let _ = finish(operator.resume(what));
    }
}

fn report(core: Core, operator: Operator, tenant: TenantId, name: &DomainName) -> Option<Call> {
    let below: DomainName = name.registrable()?.parse().ok()?;
    let changed_at = whole_second(core.clock().now());
    let number = core.with(|state| {
        let reports = &mut state.truth.titles.reports;
        reports.push(Report { tenant, below: below.clone(), changed_at, is_noted: false });
        reports.len().saturating_sub(1)
    });
    Some(Box::pin(async move {
        let evidence = "another registrar";
        let change = operator.registration_changed(&tenant, &below, changed_at, evidence).await?;
        core.with(|state| {
            // What could not be read has to be reported again.
            if change.unreadable.is_empty()
                && let Some(report) = state.truth.titles.reports.get_mut(number)
            {
                report.is_noted = true;
            }
        });
        Ok(())
    }))
}

fn reseal(operator: Operator) -> Call {
    Box::pin(async move {
        let mut cursor = None;
        loop {
            let page = operator.reseal(cursor.as_ref()).await?;
            cursor = page.next;
            if cursor.is_none() {
                return Ok(());
            }
        }
    })
}

/// What a line of an export may say, after the first.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Item(Box<Item>),
    Entry(IgnoredAny),
    End(IgnoredAny),
}

/// Writes everything down while others work, and checks that nothing is missing.
fn export(core: Core, operator: Operator, archive: Archive) -> Call {
    let number = core.with(|state| {
        let number = state.dice.number();
        state.truth.titles.exports.insert(number, archive);
        number
    });
    Box::pin(async move {
        let mut text = String::new();
        let mut export = operator.export();
        let mut failures = 0;
        let written = loop {
            match export.chunk().await {
                Ok(Some(lines)) => text.push_str(&lines),
                Ok(None) => break Ok(()),
                Err(error) if failures > 20 => break Err(error),
                Err(_) => failures += 1,
            }
        };
        let archive = core.with(|state| state.truth.titles.exports.remove(&number));
        written?;
        let Some(archive) = archive else { return Ok(()) };
        if let Err(message) = compare(&text, archive) {
            core.breach(Breach::new(Invariant::ExportWhole, message));
        }
        Ok(())
    })
}

/// Returns what an export has that was never there, or lacks.
fn compare(text: &str, mut archive: Archive) -> std::result::Result<(), String> {
    let wrong = |error: Error| format!("an export cannot be read: {error}");
    let mut inspection = Inspection::new();
    let mut last: Option<(Key, OperationId, u64)> = None;
    let mut check = |found: Option<(Key, OperationId, u64)>| {
        let Some((key, operation, count)) = found else { return Ok(()) };
        archive.must.remove(&key);
        match archive.may.remove(&(key.clone(), operation)) {
            Some((least, most)) if (least..=most).contains(&count) => Ok(()),
            Some((_, most)) => Err(format!("{key} is exported with {count} of {most} notices")),
            None => Err(format!("{key} is exported as it never was, or twice")),
        }
    };
    for (number, line) in text.lines().enumerate() {
        inspection.line(line).map_err(wrong)?;
        if number == 0 {
            continue;
        }
        let line = serde_json::from_str(line).map_err(|error| format!("line {number}: {error}"))?;
        match line {
            Line::Item(item) => {
                check(last.replace((item.key, item.revision.operation, 0)))?;
            }
            Line::Entry(_) => {
                if let Some((.., count)) = &mut last {
                    *count += 1;
                }
            }
            Line::End(_) => check(last.take())?,
        }
    }
    inspection.finish().map_err(wrong)?;
    match archive.must.first() {
        Some(key) => Err(format!("{key} is not in the export")),
        None => Ok(()),
    }
}

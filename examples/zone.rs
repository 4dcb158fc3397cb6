//! Looks at zone files: what is wrong in one, and what makes one of the other.
//!
//! ```text
//! cargo run --example zone                       # two zones that come along
//! cargo run --example zone lint FILE ORIGIN
//! cargo run --example zone plan CURRENT DESIRED ORIGIN
//! ```
//!
//! Exits with 1 if something is wrong, and with 2 for arguments and files that make no sense.

use std::{fs, process::ExitCode};

use nameplate::{
    DnsName,
    zone::{ChangePolicy, Ownership, Severity, Zone, ZoneFile, changes, lint},
};

/// A zone as it is.
const CURRENT: &str = r#"
$ORIGIN example.com.
$TTL 3600
@     SOA    ns1.example.net. hostmaster 2026112201 86400 7200 2419200 300
      NS     ns1.example.net.
      NS     ns2.example.net.
      MX     10 mail
      TXT    "v=spf1 mx -all"
www   CNAME  edge.old-host.example.
mail  A      192.0.2.25
shop  300 A  192.0.2.10
"#;

/// The zone as somebody wants it, with two mistakes.
const DESIRED: &str = r#"
$ORIGIN example.com.
$TTL 3600
@     SOA    ns1.example.net. hostmaster 2026112202 86400 7200 2419200 300
      NS     ns1.example.net.
      NS     ns2.example.net.
      MX     10 mail
      TXT    "v=spf1 mx -all"
      TXT    "v=spf1 include:_spf.example.net -all"
www   A      203.0.113.10
      AAAA   2001:db8::10
mail  CNAME  www
shop  60 A   192.0.2.10
"#;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        [] => both(CURRENT.as_bytes(), DESIRED.as_bytes(), "example.com"),
        ["lint", file, origin] => read(file).and_then(|file| wrong(&file, origin)),
        ["plan", current, desired, origin] => read(current)
            .and_then(|current| read(desired).and_then(|desired| plan(&current, &desired, origin))),
        _ => Err("usage: zone | zone lint FILE ORIGIN | zone plan CURRENT DESIRED ORIGIN".into()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

type Done = Result<bool, Box<dyn std::error::Error>>;

fn read(path: &str) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    Ok(fs::read(path).map_err(|error| format!("{path}: {error}"))?)
}

/// Shows what comes along: the mistakes are what it is about, so they are no failure.
fn both(current: &[u8], desired: &[u8], origin: &str) -> Done {
    println!("What is wrong with the zone as it is wanted:");
    wrong(desired, origin)?;
    println!("\nWhat makes it of the zone as it is:");
    plan(current, desired, origin)?;
    Ok(true)
}

/// Shows what is wrong in a zone file; says whether servers will take it.
fn wrong(file: &[u8], origin: &str) -> Done {
    let origin: DnsName = origin.parse()?;
    let file = ZoneFile::parse(file, &origin)?;
    let findings = lint(file.origin(), file.records());
    for finding in &findings {
        let lines: Vec<_> = finding
            .records()
            .iter()
            .filter_map(|index| Some(format!("line {}", file.line(*index)?)))
            .collect();
        println!("  {} {}: {finding}", finding.severity(), finding.code());
        if !lines.is_empty() {
            println!("    at {}", lines.join(", "));
        }
    }
    println!("  {} records, {} findings", file.records().len(), findings.len());
    Ok(findings.iter().all(|finding| finding.severity() != Severity::Error))
}

/// Shows what makes `desired` of `current`; says whether anything stands in the way.
fn plan(current: &[u8], desired: &[u8], origin: &str) -> Done {
    let origin: DnsName = origin.parse()?;
    let zone = |file: &[u8]| -> Result<Zone, Box<dyn std::error::Error>> {
        let file = ZoneFile::parse(file, &origin)?;
        Ok(Zone::from_records(origin.clone(), file.records().iter().cloned())?)
    };
    let policy = ChangePolicy::new(Ownership::everything()).with_soa();
    let plan = changes(&zone(current)?, &zone(desired)?, &policy)?;
    for line in plan.to_string().lines() {
        println!("  {line}");
    }
    println!("  {} changes of sets", plan.changes().len());
    Ok(plan.conflicts().is_empty())
}

//! The contract of each trait, over everything in the crate that needs no server.
//!
//! Each is run as it is, and behind the pointers that users hold.

#![expect(clippy::unwrap_used, reason = "a setup that fails must panic")]

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use nameplate::{
    ca::{CertificateAuthority, InMemoryCa, Publication, RcgenSigner, Signer, UnsignedSigner},
    clock::{ManualClock, Timestamp},
    conformance::{
        ca::{Outside, World},
        mail::Inbox,
        probe::Site,
        registrar::Shop,
        resolver::Publish,
    },
    dns::{Capabilities, DnsProvider, InMemoryDns},
    keys::{InMemoryKeys, Keys, RcgenKeys},
    mail::{InMemoryMailer, Mailer, Message},
    name::{DnsName, DomainName},
    probe::{Fetch, Fetched, InMemoryProbe, Probe, Response},
    record::{RecordData, RecordSet, RecordType, Ttl, Txt},
    registrar::{InMemoryRegistrar, Registrar},
    registration::RegistrationEvent as Event,
    resolver::{InMemoryResolver, Lookup, Mode, Outcome, Resolver, Vantages},
    seal::{InMemorySealer, Sealer, XChaChaSealer},
    store::{InMemoryStore, Store, Switch},
};

#[path = "common/scratch.rs"]
mod scratch;
#[path = "common/web.rs"]
mod web;

fn clock() -> ManualClock {
    ManualClock::new(Timestamp::from_timestamp(1_800_000_000, 123_456_789).unwrap())
}

mod store {
    use super::*;

    fn fresh() -> (InMemoryStore, ManualClock) {
        let clock = clock();
        (InMemoryStore::new(Arc::new(clock.clone())), clock)
    }

    nameplate::store_conformance!(in_memory, async { fresh() });
    nameplate::store_conformance!(shared, async {
        let (store, clock) = fresh();
        (Arc::new(store) as Arc<dyn Store>, clock)
    });
    nameplate::store_conformance!(behind_a_switch, async {
        let (store, clock) = fresh();
        (Switch::new(Arc::new(store)), clock)
    });
    nameplate::store_conformance!(switched_to, async {
        let (store, clock) = fresh();
        let switch = Switch::new(Arc::new(fresh().0));
        let mut relocation = switch.relocate(Arc::new(store)).unwrap();
        relocation.copy().await.unwrap();
        relocation.complete().await.unwrap();
        (switch, clock)
    });
    nameplate::store_conformance!(boxed, async {
        let (store, clock) = fresh();
        (Box::new(store) as Box<dyn Store>, clock)
    });
}

mod sqlite {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use nameplate::{
        conformance::store::MoveTime,
        error::Result,
        store::{
            Batch, Commit, Durability, Entry, Item, Key, Lease, LeaseRequest, Leased, Page, Query,
            Sqlite, UniqueKey,
        },
    };

    use super::{scratch::Scratch, *};

    /// The clock of a store, and the folder that it is in.
    struct Time(ManualClock, Scratch);

    #[async_trait]
    impl MoveTime for Time {
        async fn advance(&self, by: Duration) {
            self.0.advance(by);
        }

        async fn set_back(&self, by: Duration) -> bool {
            MoveTime::set_back(&self.0, by).await
        }
    }

    async fn open(time: &Time, durability: Durability) -> Sqlite {
        let Time(clock, folder) = time;
        let builder = Sqlite::builder(folder.file("store.db"));
        let builder = builder.with_clock(Arc::new(clock.clone())).with_durability(durability);
        builder.with_busy_timeout(Duration::from_secs(600)).open().await.unwrap()
    }

    async fn fresh(durability: Durability) -> (Sqlite, Time) {
        let time = Time(clock(), Scratch::new());
        (open(&time, durability).await, time)
    }

    /// Many handles on one file, as so many processes have, each asked in turn.
    #[derive(Debug)]
    struct Several {
        handles: Vec<Sqlite>,
        calls: AtomicUsize,
    }

    impl Several {
        fn next(&self) -> &Sqlite {
            let call = self.calls.fetch_add(1, Ordering::Relaxed);
            &self.handles[call % self.handles.len()]
        }
    }

    #[async_trait]
    impl Store for Several {
        async fn now(&self) -> Result<Timestamp> {
            self.next().now().await
        }

        async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Item>>> {
            self.next().get(keys).await
        }

        async fn find(&self, unique: &[UniqueKey]) -> Result<Vec<Option<Item>>> {
            self.next().find(unique).await
        }

        async fn list(&self, query: &Query) -> Result<Page> {
            self.next().list(query).await
        }

        async fn commit(&self, batch: Batch) -> Result<Commit> {
            self.next().commit(batch).await
        }

        async fn lease(&self, wanted: &LeaseRequest) -> Result<Leased> {
            self.next().lease(wanted).await
        }

        async fn extend(&self, leases: &[Lease], by: Duration) -> Result<Vec<Option<Lease>>> {
            self.next().extend(leases, by).await
        }

        async fn entries(&self, of: &Key, after: u64, limit: u32) -> Result<Vec<Entry>> {
            self.next().entries(of, after, limit).await
        }

        async fn trim(&self, of: &Key, through: u64) -> Result<()> {
            self.next().trim(of, through).await
        }

        async fn restore(&self, item: &Item, log: &[Entry]) -> Result<Commit> {
            self.next().restore(item, log).await
        }
    }

    nameplate::store_conformance!(full, async { fresh(Durability::Full).await });
    nameplate::store_conformance!(normal, async { fresh(Durability::Normal).await });
    nameplate::store_conformance!(several, async {
        let (first, time) = fresh(Durability::Full).await;
        let mut handles = vec![first];
        for _ in 0..2 {
            handles.push(open(&time, Durability::Full).await);
        }
        (Several { handles, calls: AtomicUsize::new(0) }, time)
    });
}

mod dns {
    use super::*;

    fn zone() -> DnsName {
        "example.com".parse().unwrap()
    }

    fn fresh() -> InMemoryDns {
        InMemoryDns::new([zone()])
    }

    nameplate::dns_conformance!(in_memory, async { (fresh(), zone()) });
    nameplate::dns_conformance!(shared, async {
        (Arc::new(fresh()) as Arc<dyn DnsProvider>, zone())
    });
    nameplate::dns_conformance!(boxed, async {
        (Box::new(fresh()) as Box<dyn DnsProvider>, zone())
    });
    nameplate::dns_conformance!(not_atomic, async {
        (fresh().with_capabilities(Capabilities::new(false, Ttl::MINUTE)), zone())
    });
    nameplate::dns_conformance!(zone_below_another, async {
        let zone: DnsName = "sub.example.com".parse().unwrap();
        let dns = InMemoryDns::new(["example.org".parse().unwrap(), zone.clone()]);
        (dns, zone)
    });
}

mod resolver {
    use super::*;

    /// A resolver that can be told what to see.
    struct Told(InMemoryResolver);

    #[async_trait]
    impl Publish for Told {
        async fn publish(&self, set: RecordSet) {
            self.0.set(set);
        }

        async fn withdraw(&self, name: &DnsName, record_type: RecordType) {
            self.0.remove(name, record_type);
        }
    }

    fn zone() -> DnsName {
        "example.com".parse().unwrap()
    }

    fn fresh() -> (InMemoryResolver, Told) {
        let resolver = InMemoryResolver::new();
        (resolver.clone(), Told(resolver))
    }

    nameplate::resolver_conformance!(in_memory, async {
        let (resolver, world) = fresh();
        (resolver, world, zone())
    });
    nameplate::resolver_conformance!(shared, async {
        let (resolver, world) = fresh();
        (Arc::new(resolver) as Arc<dyn Resolver>, world, zone())
    });
    nameplate::resolver_conformance!(boxed, async {
        let (resolver, world) = fresh();
        (Box::new(resolver) as Box<dyn Resolver>, world, zone())
    });
    nameplate::resolver_conformance!(vantages, async {
        let (resolver, world) = fresh();
        let both = [Arc::new(resolver.clone()) as Arc<dyn Resolver>, Arc::new(resolver)];
        (Vantages::new(both).unwrap(), world, zone())
    });
}

mod keys {
    use super::*;

    nameplate::keys_conformance!(in_memory, async { InMemoryKeys::new() });
    nameplate::keys_conformance!(rcgen, async { RcgenKeys });
    nameplate::keys_conformance!(shared, async { Arc::new(RcgenKeys) as Arc<dyn Keys> });
    nameplate::keys_conformance!(boxed, async { Box::new(RcgenKeys) as Box<dyn Keys> });
}

mod seal {
    use super::*;

    nameplate::seal_conformance!(in_memory, async {
        (InMemorySealer::new(), InMemorySealer::new())
    });
    nameplate::seal_conformance!(xchacha, async {
        (XChaChaSealer::new(&[1; 32]), XChaChaSealer::new(&[2; 32]))
    });
    nameplate::seal_conformance!(xchacha_with_an_earlier_key, async {
        (
            XChaChaSealer::new(&[1; 32]).with_previous(&[2; 32]),
            XChaChaSealer::new(&[2; 32]).with_previous(&[3; 32]),
        )
    });
    nameplate::seal_conformance!(shared, async {
        [1, 2].map(|key| Arc::new(XChaChaSealer::new(&[key; 32])) as Arc<dyn Sealer>).into()
    });
    nameplate::seal_conformance!(boxed, async {
        let [one, two] = [1, 2].map(|key| Box::new(XChaChaSealer::new(&[key; 32])));
        (one as Box<dyn Sealer>, two as Box<dyn Sealer>)
    });
}

mod mail {
    use super::*;

    struct Sent(InMemoryMailer);

    #[async_trait]
    impl Inbox for Sent {
        async fn messages(&self) -> Vec<Message> {
            self.0.sent()
        }
    }

    fn fresh() -> (InMemoryMailer, Sent) {
        let mailer = InMemoryMailer::new();
        (mailer.clone(), Sent(mailer))
    }

    nameplate::mail_conformance!(in_memory, async { fresh() });
    nameplate::mail_conformance!(shared, async {
        let (mailer, inbox) = fresh();
        (Arc::new(mailer) as Arc<dyn Mailer>, inbox)
    });
    nameplate::mail_conformance!(boxed, async {
        let (mailer, inbox) = fresh();
        (Box::new(mailer) as Box<dyn Mailer>, inbox)
    });
}

mod probe {
    use std::{collections::HashMap, sync::Mutex};

    use nameplate::{
        probe::{HttpProbe, Lab},
        testkit::EndlessTimer,
    };

    use super::{
        web::{self, Web},
        *,
    };

    struct Pages(InMemoryProbe);

    #[async_trait]
    impl Site for Pages {
        fn host(&self) -> DomainName {
            "shop.example.com".parse().unwrap()
        }

        async fn serve(&self, path: &str, status: u16, location: Option<&str>, body: &[u8]) {
            let mut response = Response::new(status, body);
            response.location = location.map(ToOwned::to_owned);
            self.0.set(Fetch::new(self.host(), path), Fetched::Response(response));
        }
    }

    fn fresh() -> (InMemoryProbe, Pages) {
        let probe = InMemoryProbe::new();
        (probe.clone(), Pages(probe))
    }

    nameplate::probe_conformance!(in_memory, async { fresh() });
    nameplate::probe_conformance!(in_memory_behind_another, async {
        let (probe, pages) = fresh();
        (InMemoryProbe::new().with_fallback(Arc::new(probe)), pages)
    });
    nameplate::probe_conformance!(shared, async {
        let (probe, site) = fresh();
        (Arc::new(probe) as Arc<dyn Probe>, site)
    });
    nameplate::probe_conformance!(boxed, async {
        let (probe, site) = fresh();
        (Box::new(probe) as Box<dyn Probe>, site)
    });

    /// A server on loopback, and the pages that it has.
    struct Loopback(Arc<Mutex<HashMap<String, Vec<u8>>>>);

    #[async_trait]
    impl Site for Loopback {
        fn host(&self) -> DomainName {
            "shop.example.com".parse().unwrap()
        }

        async fn serve(&self, path: &str, status: u16, location: Option<&str>, body: &[u8]) {
            let location = location.map(|to| format!("Location: {to}\r\n")).unwrap_or_default();
            let page = web::page(status, &location, body);
            self.0.lock().unwrap().insert(path.to_owned(), page);
        }
    }

    async fn loopback() -> (HttpProbe, Loopback) {
        let pages: Arc<Mutex<HashMap<_, _>>> = Arc::default();
        let served = Arc::clone(&pages);
        let web = Web::new(([127, 0, 0, 1], 0), move |request| {
            let page = served.lock().unwrap().get(web::path(request)).cloned();
            page.unwrap_or_else(|| web::page(404, "", b""))
        })
        .await;
        let site = Loopback(pages);
        let resolver = InMemoryResolver::new();
        let ttl = Ttl::from_secs(60).unwrap();
        let address = RecordData::from(web.ip());
        resolver.set(RecordSet::new(site.host().into(), ttl, [address]).unwrap());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let probe = HttpProbe::builder(resolver, provider)
            .with_timer(EndlessTimer)
            .with_lab(Lab::new([web.ip()], web.port(), web.port()))
            .build()
            .unwrap();
        (probe, site)
    }

    nameplate::probe_conformance!(http, loopback());
    nameplate::probe_conformance!(http_shared, async {
        let (probe, site) = loopback().await;
        (Arc::new(probe) as Arc<dyn Probe>, site)
    });
}

mod registrar {
    use super::*;

    fn fresh() -> (InMemoryRegistrar, Shop) {
        let registrar = InMemoryRegistrar::new();
        let [free, taken, unsupported] =
            ["free.example", "taken.example", "unsupported.example"].map(|n| n.parse().unwrap());
        let shop = Shop::new(free, taken, unsupported);
        registrar.take(shop.taken.clone());
        registrar.unsupport(shop.unsupported.clone());
        (registrar, shop)
    }

    nameplate::registrar_conformance!(in_memory, async { fresh() });
    nameplate::registrar_conformance!(slow, async {
        let (registrar, mut shop) = fresh();
        shop.pause = Duration::ZERO;
        let steps = [
            Event::Accepted,
            Event::ActionRequested,
            Event::Resumed,
            Event::Held,
            Event::Resumed,
            Event::Completed,
        ];
        registrar.script(shop.free.clone(), steps);
        (registrar, shop)
    });
    nameplate::registrar_conformance!(premium, async {
        let (registrar, shop) = fresh();
        let price = nameplate::registration::Currency::USD;
        let price = nameplate::registration::Money::new(250_000, price);
        registrar.set_premium(shop.free.clone(), price);
        registrar.set_balance(250_000);
        (registrar, shop)
    });
    nameplate::registrar_conformance!(shared, async {
        let (registrar, shop) = fresh();
        (Arc::new(registrar) as Arc<dyn Registrar>, shop)
    });
    nameplate::registrar_conformance!(boxed, async {
        let (registrar, shop) = fresh();
        (Box::new(registrar) as Box<dyn Registrar>, shop)
    });
}

mod ca {
    use super::*;

    /// DNS and web in memory.
    struct Around {
        resolver: InMemoryResolver,
        probe: InMemoryProbe,
        clock: ManualClock,
    }

    #[async_trait]
    impl Outside for Around {
        async fn publish(&self, name: &DomainName, publication: &Publication) {
            match publication {
                Publication::Dns01 { value } => {
                    let owner = DnsName::from(name).child("_acme-challenge").unwrap();
                    let lookup = Lookup::new(owner.clone(), RecordType::Txt, Mode::Authoritative);
                    let there = match self.resolver.lookup(&lookup).await.unwrap().outcome {
                        Outcome::Answer(records) => records,
                        _ => Vec::new(),
                    };
                    let data = there.into_iter().map(|record| record.data().clone());
                    let data = data.chain([RecordData::Txt(Txt::from_text(value))]);
                    self.resolver.set(RecordSet::new(owner, Ttl::MINUTE, data).unwrap());
                }
                Publication::Http01 { token, body } => {
                    let path = format!("/.well-known/acme-challenge/{token}");
                    self.probe.serve(Fetch::new(name.clone(), path), body.as_bytes());
                }
                other => panic!("not a publication of RFC 8555: {other:?}"),
            }
        }

        async fn pause(&self) {
            self.clock.advance(Duration::from_secs(1));
        }
    }

    fn fresh(keys: impl Keys, signer: impl Signer) -> (InMemoryCa, World) {
        let clock = clock();
        let around = Arc::new(Around {
            resolver: InMemoryResolver::new(),
            probe: InMemoryProbe::new(),
            clock: clock.clone(),
        });
        let ca = InMemoryCa::new(Arc::new(clock), Arc::new(signer))
            .with_resolver(Arc::new(around.resolver.clone()))
            .with_probe(Arc::new(around.probe.clone()));
        (ca, World::new(Arc::new(keys), around, "example.com".parse().unwrap()))
    }

    fn simple() -> (InMemoryCa, World) {
        fresh(InMemoryKeys::new(), UnsignedSigner)
    }

    nameplate::ca_conformance!(in_memory, async { simple() });
    nameplate::ca_conformance!(rcgen, async { fresh(RcgenKeys, RcgenSigner::new().unwrap()) });
    nameplate::ca_conformance!(slow, async {
        let (ca, world) = simple();
        (ca.with_processing_time(Duration::from_secs(5)), world)
    });
    nameplate::ca_conformance!(reusing_authorizations, async {
        let (ca, world) = simple();
        (ca.with_authorization_reuse(Duration::from_secs(86_400)), world)
    });
    nameplate::ca_conformance!(shared, async {
        let (ca, world) = simple();
        (Arc::new(ca) as Arc<dyn CertificateAuthority>, world)
    });
    nameplate::ca_conformance!(boxed, async {
        let (ca, world) = simple();
        (Box::new(ca) as Box<dyn CertificateAuthority>, world)
    });
}

mod list {
    use std::{
        collections::BTreeSet,
        fs,
        path::{Path, PathBuf},
    };

    fn sources(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries
            .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
            .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
            .collect()
    }

    /// Returns the public asynchronous functions of a source.
    fn cases(source: &str) -> BTreeSet<String> {
        let functions = syn::parse_file(source).unwrap().items.into_iter();
        functions
            .filter_map(|item| match item {
                syn::Item::Fn(function)
                    if function.sig.asyncness.is_some()
                        && matches!(function.vis, syn::Visibility::Public(_)) =>
                {
                    Some(function.sig.ident.to_string())
                }
                _ => None,
            })
            .collect()
    }

    /// Returns what a suite lists for a module.
    fn listed(sources: &str, module: &str) -> BTreeSet<String> {
        let start = format!("[$crate::conformance::{module}] $setup =>");
        let Some((_, rest)) = sources.split_once(&start) else { return BTreeSet::new() };
        let (_, rest) = rest.split_once(';').unwrap();
        let (list, _) = rest.split_once(')').unwrap();
        list.split(',').map(|case| case.trim().to_owned()).filter(|case| !case.is_empty()).collect()
    }

    #[test]
    fn every_case_is_in_its_suite() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/conformance");
        let files = sources(&folder);
        let all: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
        let mut count = 0;
        for file in files {
            let module = file.strip_prefix(&folder).unwrap().with_extension("");
            let parts: Vec<&str> = module
                .iter()
                .map(|part| part.to_str().unwrap())
                .filter(|part| *part != "mod")
                .collect();
            let cases = cases(&fs::read_to_string(&file).unwrap());
            assert_eq!(cases, listed(&all, &parts.join("::")), "{}", file.display());
            count += cases.len();
        }
        assert!(count > 150, "{count} cases were found");
    }
}

//! No secret leaves by the back door: not into the store, not into a message, not into `Debug`.
//!
//! A whole life is led with secrets that are known here, and everything that it leaves anywhere is
//! searched for them, in every form in which they might have been written.

#![expect(clippy::unwrap_used, reason = "a helper that fails must panic")]

#[path = "common/scratch.rs"]
mod scratch;

use std::{
    error::Error as StdError,
    fmt::{Debug, Write as _},
    fs,
    net::Ipv4Addr,
    panic,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use nameplate::{
    ca::{Account, Acme, CertificateAuthority, InMemoryCa, RcgenSigner},
    certificate::{Handle, Validation},
    clock::{ManualClock, Timestamp},
    dns::{DnsProvider, InMemoryDns, Rfc2136, TsigAlgorithm, TsigKey},
    domain::{Domain, Status, Targets},
    engine::{
        Onboarding, Policy,
        telemetry::{event, span as ours},
    },
    error::{ErrorKind, Result},
    id::{OsRandom, Random, TenantId},
    keys::{Keys, RcgenKeys},
    name::{ClaimPolicy, DnsName, DomainName},
    record::{RecordData, RecordFields, RecordSet, RecordType},
    resolver::InMemoryResolver,
    seal::{Context, Sealed, Sealer, SealingKeyId, XChaChaSealer},
    secret::Secret,
    store::{Durability, InMemoryStore, Sqlite, Store},
    testkit::EndlessTimer,
    transport::{CryptoProvider, ReqwestClient},
};
use scratch::Scratch;
use tracing::{Event, Metadata, Subscriber, field, span};

const TENANT: TenantId = TenantId::from_bytes([1; 16]);

/// Everything that this process traced: ours, and what is below us, down to the finest level.
static TRACED: Mutex<String> = Mutex::new(String::new());

/// Listens from the first look on. For the whole process: whether anybody listens is remembered for
/// each place in the code.
static LISTENING: LazyLock<()> =
    LazyLock::new(|| tracing::subscriber::set_global_default(Listener::default()).unwrap());

/// A subscriber that writes everything down.
#[derive(Debug, Default)]
struct Listener(AtomicU64);

/// Writes names and values of fields down, in both forms of `Debug`.
struct Fields<'a>(&'a mut String);

impl field::Visit for Fields<'_> {
    fn record_debug(&mut self, field: &field::Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?} {value:#?}").unwrap();
    }

    fn record_str(&mut self, field: &field::Field, value: &str) {
        write!(self.0, " {field}={value}").unwrap();
    }

    fn record_bytes(&mut self, field: &field::Field, value: &[u8]) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        let mut traced = TRACED.lock().unwrap();
        write!(traced, "\nspan {}", span.metadata().name()).unwrap();
        span.record(&mut Fields(&mut traced));
        span::Id::from_u64(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut Fields(&mut TRACED.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut traced = TRACED.lock().unwrap();
        write!(traced, "\nevent {}", event.metadata().target()).unwrap();
        event.record(&mut Fields(&mut traced));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Secrets by what they are called.
type Secrets = Vec<(String, Vec<u8>)>;

/// Keys that remember what they have made.
#[derive(Clone, Debug, Default)]
struct Watched(Arc<Mutex<Vec<Secret>>>);

impl Keys for Watched {
    fn generate(&self) -> Result<Secret> {
        let key = RcgenKeys.generate()?;
        self.0.lock().unwrap().push(key.clone());
        Ok(key)
    }

    fn public_key(&self, key: &Secret) -> Result<Vec<u8>> {
        RcgenKeys.public_key(key)
    }

    fn request(&self, key: &Secret, names: &[DomainName]) -> Result<Vec<u8>> {
        RcgenKeys.request(key, names)
    }
}

/// A leak that is put in by hand: it "seals" by writing the secret down in some form.
#[derive(Debug)]
struct Leaky(fn(&[u8]) -> String);

#[async_trait]
impl Sealer for Leaky {
    fn keys(&self) -> Vec<SealingKeyId> {
        vec![SealingKeyId::new("leaky").unwrap()]
    }

    async fn seal(&self, _: &Context, secret: &Secret) -> Result<Sealed> {
        let hidden = hex::encode(secret.expose().iter().map(|byte| byte ^ 85).collect::<Vec<_>>());
        Ok(Sealed::new(format!("leaky1.leaky.{hidden}.{}", (self.0)(secret.expose()))))
    }

    async fn open(&self, _: &Context, sealed: &Sealed) -> Result<Secret> {
        let hidden = hex::decode(sealed.as_str().split('.').nth(2).unwrap()).unwrap();
        Ok(Secret::new(hidden.iter().map(|byte| byte ^ 85).collect()))
    }
}

/// What was left somewhere.
#[derive(Default)]
struct Left(Vec<(String, Vec<u8>)>);

impl Left {
    fn keep(&mut self, place: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.0.push((place.into(), bytes.into()));
    }

    /// Keeps what was traced until now, also by others.
    fn traced(&mut self) {
        let traced = TRACED.lock().unwrap().clone();
        assert!(!traced.is_empty(), "nothing was traced");
        self.keep("what was traced", traced);
    }

    fn debug(&mut self, what: &str, value: &impl Debug) {
        self.keep(format!("`Debug` of {what}"), format!("{value:?} {value:#?}"));
    }

    /// Keeps what `unwrap` and `expect` put into the message of a panic.
    fn panic(&mut self, what: &str, value: &impl Debug) {
        let failed: Result<(), _> = std::hint::black_box(Err(value));
        let panicked = panic::catch_unwind(panic::AssertUnwindSafe(|| failed.unwrap()));
        let message = *panicked.unwrap_err().downcast::<String>().expect("a message");
        self.keep(format!("a panic with {what}"), message);
    }

    fn error(&mut self, what: &str, error: &(dyn StdError + 'static)) {
        let mut text = String::new();
        let mut next = Some(error);
        while let Some(error) = next {
            write!(text, "{error} {error:?} ").unwrap();
            next = error.source();
        }
        self.keep(format!("the error of {what}"), text);
    }

    /// Keeps the files of the store as they are now, with what is not in the main file yet.
    fn files(&mut self, folder: &Scratch) {
        for file in fs::read_dir(folder.path()).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let (place, bytes) = (format!("the file {name}"), fs::read(&path).unwrap());
            let last = self.0.iter().rev().find(|(kept, _)| *kept == place);
            if last.is_none_or(|(_, kept)| *kept != bytes) {
                self.keep(place, bytes);
            }
        }
    }

    /// Returns the first secret that is somewhere.
    fn leak(&self, secrets: &Secrets) -> Option<String> {
        let forms: Vec<_> = secrets
            .iter()
            .flat_map(|(name, bytes)| forms(bytes).map(move |(form, text)| (name, form, text)))
            .collect();
        self.0.iter().find_map(|(place, bytes)| {
            let text = latin(bytes);
            let folded = text.to_ascii_lowercase();
            // Text that is wrapped, and lists of numbers, however they are laid out.
            let dense: String = text
                .chars()
                .filter(|c| !c.is_ascii_whitespace())
                .collect::<String>()
                .replace("\\n", "");
            forms.iter().find_map(|(name, form, needle)| {
                let is_there = [&text, &folded, &dense].iter().any(|text| text.contains(needle));
                is_there.then(|| format!("{name} as {form} in {place}"))
            })
        })
    }
}

/// Text in which each character stands for a byte.
fn latin(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// The forms in which bytes may be written, also as a part of something longer.
fn forms(bytes: &[u8]) -> impl Iterator<Item = (&'static str, String)> {
    let mut forms = vec![
        ("bytes", latin(bytes)),
        ("hexadecimal", hex::encode(bytes)),
        ("numbers", list(bytes, |byte| byte.to_string())),
        ("bytes in hexadecimal", list(bytes, |byte| format!("0x{byte:02x}"))),
        ("digits in a list", list(bytes, |byte| format!("{byte:02x}"))),
        ("escaped bytes", bytes.escape_ascii().to_string()),
    ];
    // Three bytes make four characters: what is in the middle of something may begin at any of them.
    for skip in 0..3 {
        let rest = bytes.get(skip..).unwrap_or_default();
        let whole = rest.get(..rest.len() - rest.len() % 3).unwrap_or_default();
        forms.push(("base64", BASE64.encode(whole)));
        forms.push(("base64 for addresses", BASE64URL_NOPAD.encode(whole)));
    }
    forms.into_iter()
}

fn list(bytes: &[u8], form: impl Fn(&u8) -> String) -> String {
    bytes.iter().map(form).collect::<Vec<_>>().join(",")
}

/// The part of a private key that nobody may know: its public half is in it too.
fn private_part(key: &Secret) -> Vec<u8> {
    // An OCTET STRING of 32 bytes (RFC 5915 section 3).
    let der = key.expose();
    let at = der.windows(2).position(|pair| pair == [0x04, 0x20]).unwrap();
    der[at + 2..at + 34].to_vec()
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    OsRandom.fill(&mut bytes).unwrap();
    bytes
}

/// A platform on a file, and the world outside.
struct Platform {
    clock: ManualClock,
    dns: InMemoryDns,
    ca: InMemoryCa,
    keys: Watched,
    folder: Scratch,
    onboarding: Onboarding,
    left: Left,
}

impl Platform {
    async fn new(sealer: impl Sealer) -> Self {
        let clock = ManualClock::new(Timestamp::from_timestamp(1_800_000_000, 0).unwrap());
        let folder = Scratch::new();
        let store = Sqlite::builder(folder.file("store.db"))
            .with_clock(Arc::new(clock.clone()))
            .with_durability(Durability::Normal)
            .open()
            .await
            .unwrap();
        let zones = ["example.com", "acme.platform.test"].map(|zone| zone.parse().unwrap());
        let dns = InMemoryDns::new(zones);
        let ca = InMemoryCa::new(Arc::new(clock.clone()), Arc::new(RcgenSigner::new().unwrap()))
            .with_resolver(Arc::new(InMemoryResolver::over(Arc::new(dns.clone()))));
        let keys = Watched::default();
        let mut left = Left::default();
        let onboarding = onboarding(store, sealer, &dns, &ca, &keys, &mut left);
        Self { clock, dns, ca, keys, folder, onboarding, left }
    }

    /// Works for `hours`, and looks at what is on the disk after every step.
    async fn work(&mut self, hours: u64) {
        for _ in 0..hours.max(1) {
            self.onboarding.worker().step().await.unwrap();
            self.left.files(&self.folder);
            self.clock.advance(Duration::from_secs(3600));
        }
    }

    async fn look(&mut self, id: nameplate::id::DomainId) -> Domain {
        let domain = self.onboarding.get(&TENANT, id).await.unwrap();
        self.left.debug("a domain", &domain);
        if let Some(failure) = domain.last_failure() {
            self.left.keep("a failure", format!("{failure:?}"));
        }
        self.left.keep("what a domain waits for", domain.waiting_on().to_string());
        domain
    }

    fn secrets(&self) -> Secrets {
        let keys = self.keys.0.lock().unwrap();
        keys.iter().enumerate().map(|(at, key)| (format!("key {at}"), private_part(key))).collect()
    }
}

fn onboarding(
    store: impl Store,
    sealer: impl Sealer,
    dns: &InMemoryDns,
    ca: &InMemoryCa,
    keys: &Watched,
    left: &mut Left,
) -> Onboarding {
    let mut policy = Policy::new();
    policy.validation = Validation::Dns01Delegated;
    let builder = Onboarding::builder(store)
        .with_brand("platform")
        .with_targets(Targets::cname("edge.platform.test"))
        .with_resolver(InMemoryResolver::over(Arc::new(dns.clone())))
        .with_dns(dns.clone())
        .with_delegation_zone("acme.platform.test".parse().unwrap())
        .with_authority(ca.clone())
        .with_keys(keys.clone())
        .with_sealer(sealer)
        .with_timer(EndlessTimer)
        .with_claims(ClaimPolicy::new().with_allowed(["example.com".parse().unwrap()]))
        .with_policy(policy);
    left.debug("a builder", &builder);
    builder.build().unwrap()
}

/// From a name that is typed to its removal, with a renewal, records, and services that fail.
async fn life(sealer: impl Sealer) -> Platform {
    LazyLock::force(&LISTENING);
    let mut platform = Platform::new(sealer).await;
    let id =
        platform.onboarding.add(&TENANT, "shop.example.com".parse().unwrap()).await.unwrap().id();
    for step in platform.onboarding.instructions(&TENANT, id).await.unwrap() {
        let text = match step.record_type {
            RecordType::Txt => format!("\"{}\"", step.value),
            _ => step.value,
        };
        let data = RecordData::parse(step.record_type, &text).unwrap();
        platform.dns.set(RecordSet::new(step.name, step.ttl, [data]).unwrap()).unwrap();
    }
    // Each call to the authority fails once, in both ways.
    for kind in [ErrorKind::Unavailable, ErrorKind::Unknown] {
        platform.ca.fail_next(kind);
        platform.work(2).await;
        platform.ca.fail_next_after(kind);
        platform.dns.fail_next(ErrorKind::RateLimited);
        platform.work(2).await;
        platform.look(id).await;
    }
    platform.work(12).await;
    let domain = platform.look(id).await;
    assert_eq!(domain.status(), Status::Active, "{}", domain.waiting_on());

    let served = domain.certificate().unwrap();
    let edge = platform.onboarding.edge();
    let identity = edge.identity(domain.name()).await.unwrap().unwrap();
    platform.left.debug("an identity", &identity);
    platform.left.panic("an identity", &identity);
    platform.left.debug("an edge", &edge);
    platform.left.debug("a worker", &platform.onboarding.worker());
    platform.left.debug("an onboarding", &platform.onboarding);
    platform.left.debug("keys", &platform.keys.0.lock().unwrap().clone());

    let records = platform.onboarding.records(&TENANT, id);
    let wanted = RecordFields::new("A", "api", "192.0.2.7");
    records.create(&wanted).await.unwrap().apply().await.unwrap();

    platform.clock.set(served.renew_at);
    platform.ca.fail_next_after(ErrorKind::Unknown);
    platform.work(24).await;
    let renewed = platform.look(id).await;
    assert_ne!(renewed.certificate().unwrap().id, served.id);

    platform.onboarding.remove(&TENANT, id).await.unwrap();
    platform.work(30).await;
    let gone = platform.onboarding.get(&TENANT, id).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    platform.left.error("a domain that is gone", &gone);
    let notices = platform.onboarding.notices(&TENANT, id, 0).await.unwrap();
    assert!(notices.len() > 10);
    platform.left.debug("notices", &notices);
    platform.left.traced();
    platform
}

#[tokio::test]
async fn no_secret_is_left_anywhere_by_a_whole_life() {
    let sealing: [u8; 32] = random();
    let mut platform = life(XChaChaSealer::new(&sealing)).await;
    let mut secrets = platform.secrets();
    // The account's, that of the first certificate, and that of its renewal.
    assert!(secrets.len() >= 3, "{} keys", secrets.len());
    secrets.push(("the sealing key".to_owned(), sealing.to_vec()));
    platform.left.debug("a sealer", &XChaChaSealer::new(&sealing).with_previous(&random()));
    let files = |name: &str| {
        let of = |place: &&(String, Vec<u8>)| place.0.ends_with(name);
        platform.left.0.iter().filter(of).map(|(_, bytes)| latin(bytes)).collect::<String>()
    };
    assert!((files("store.db") + &files("store.db-wal")).contains("np1."), "nothing was sealed");
    assert!(!files("store.db-wal").is_empty(), "the log of the database was not seen");
    let traced = files("what was traced");
    for seen in
        [ours::STEP, ours::ROOT, ours::LOOK, ours::EFFECT, event::NOTICE, event::EFFECT_FAILED]
    {
        assert!(traced.contains(seen), "{seen} was not traced");
    }
    assert_eq!(platform.left.leak(&secrets), None);
}

#[tokio::test]
async fn a_secret_that_is_traced_is_found_in_whatever_form() {
    LazyLock::force(&LISTENING);
    let [field, message] = [(); 2].map(|()| random::<32>());
    let found = |secret: &[u8]| {
        let mut left = Left::default();
        left.traced();
        left.leak(&vec![("it".to_owned(), secret.to_vec())])
    };
    tracing::trace!(size = field.len(), "nothing yet");
    assert_eq!((found(&field), found(&message)), (None, None));
    let text = hex::encode(field);
    let _span = tracing::trace_span!("a span", text);
    assert_eq!(found(&field).as_deref(), Some("it as hexadecimal in what was traced"));
    tracing::trace!("in a message: {message:?}");
    assert_eq!(found(&message).as_deref(), Some("it as numbers in what was traced"));
}

#[tokio::test]
async fn a_leak_that_is_put_in_by_hand_is_found() {
    let leaks: [fn(&[u8]) -> String; 2] = [
        |secret| format!("{secret:?}"),
        // As PEM has it: in lines, in a JSON text.
        |secret| {
            let text = BASE64.encode(secret);
            text.as_bytes().chunks(64).map(|line| latin(line) + "\n").collect()
        },
    ];
    for (at, leak) in leaks.into_iter().enumerate() {
        let platform = life(Leaky(leak)).await;
        let found = platform.left.leak(&platform.secrets()).unwrap_or_default();
        assert!(found.contains("in the file store.db"), "leak {at}: {found:?}");
    }
}

#[test]
fn each_form_is_found_wherever_it_begins() {
    let secret = random::<32>();
    let secrets = vec![("it".to_owned(), secret.to_vec())];
    for before in 0..3 {
        let longer = [&vec![7; before], secret.as_slice(), b"after"].concat();
        for text in [
            longer.clone(),
            hex::encode(&longer).into_bytes(),
            hex::encode_upper(&longer).into_bytes(),
            BASE64.encode(&longer).into_bytes(),
            BASE64URL_NOPAD.encode(&longer).into_bytes(),
            format!("{longer:?}").into_bytes(),
            format!("{longer:#?}").into_bytes(),
            format!("{longer:02x?}").into_bytes(),
            format!("{longer:#04x?}").into_bytes(),
            format!("b\"{}\"", longer.escape_ascii()).into_bytes(),
            serde_json::to_vec(&longer).unwrap(),
        ] {
            let shown = latin(&text);
            let mut left = Left::default();
            left.keep("a text", text);
            assert!(left.leak(&secrets).is_some(), "{shown}");
        }
    }
}

/// Secrets that a platform puts into the settings of backends.
#[tokio::test]
async fn no_secret_of_a_backend_is_in_its_debug_form_its_errors_or_its_traces() {
    LazyLock::force(&LISTENING);
    let [tsig, eab, key, sealing] = [(); 4].map(|()| random::<32>());
    let mut left = Left::default();
    let name = |text: &str| text.parse::<DnsName>().unwrap();

    // Nobody listens at port 1 of this machine.
    let nobody = (Ipv4Addr::LOCALHOST, 1).into();
    let of_text = TsigKey::from_base64(
        name("key.platform.test"),
        TsigAlgorithm::HmacSha256,
        &BASE64.encode(&tsig),
    );
    let broken = format!("{}!", BASE64.encode(&tsig));
    let error = TsigKey::from_base64(name("k.test"), TsigAlgorithm::HmacSha512, &broken);
    left.error("a TSIG key", &error.unwrap_err());
    let tsig_key = of_text.unwrap();
    left.debug("a TSIG key", &tsig_key);
    let builder = Rfc2136::builder(nobody, tsig_key).with_zones([name("example.com")]);
    left.debug("a builder of RFC 2136", &builder);
    let provider = builder.build();
    left.debug("RFC 2136", &provider);
    let zone = name("example.com");
    let asked = provider.record_set(&zone, &zone, RecordType::Txt).await;
    left.error("RFC 2136", &asked.unwrap_err());

    let client = Arc::new(ReqwestClient::new(CryptoProvider::Ring).unwrap());
    let authority = Acme::builder("https://127.0.0.1:1/dir", CryptoProvider::Ring, client)
        .with_eab("kid", Secret::new(BASE64URL_NOPAD.encode(&eab).into_bytes()))
        .agreeing_to_terms();
    left.debug("a builder of ACME", &authority);
    let authority = authority.build().unwrap();
    left.debug("ACME", &authority);
    let private = RcgenKeys.generate().unwrap();
    left.error("ACME", &authority.enroll(&private).await.unwrap_err());
    let refused = authority.enroll(&Secret::new(key.to_vec())).await.unwrap_err();
    left.error("ACME with a broken key", &refused);
    left.debug("an account", &Account::new(private.clone(), Handle::new(b"handle".to_vec())));
    left.error("a broken key", &RcgenKeys.public_key(&Secret::new(key.to_vec())).unwrap_err());
    left.debug("a secret", &Secret::new(key.to_vec()));

    let context = Context::new(Some(TENANT), "key/1", "certificate key");
    let sealer = XChaChaSealer::new(&sealing);
    let sealed = sealer.seal(&context, &Secret::new(key.to_vec())).await.unwrap();
    left.debug("a sealed secret", &sealed);
    left.keep("a sealed secret", sealed.as_str());
    for (sealer, context) in [
        (XChaChaSealer::new(&random()), context.clone()),
        (sealer.clone(), context.with_revision(2)),
    ] {
        left.debug("a sealer", &sealer);
        left.error("a sealer", &sealer.open(&context, &sealed).await.unwrap_err());
    }
    let memory = InMemoryStore::new(Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH)));
    left.debug("a store", &memory);

    let secrets = [
        ("the TSIG key", tsig.to_vec()),
        ("the key of the external account", eab.to_vec()),
        ("a private key", private_part(&private)),
        ("what was sealed", key.to_vec()),
        ("the sealing key", sealing.to_vec()),
    ];
    let secrets = secrets.map(|(name, bytes)| (name.to_owned(), bytes)).to_vec();
    left.traced();
    assert_eq!(left.leak(&secrets), None);
    left.keep("a leak that is put in by hand", BASE64.encode(&tsig));
    assert!(left.leak(&secrets).is_some());
}

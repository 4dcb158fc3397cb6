//! Against the tokens by which a name is proved.

use std::{collections::BTreeSet, fs, path::Path};

use nameplate::{
    challenge::{Brand, Challenge, HttpProof, Method},
    clock::after,
    domain::{NewDomain, Status, Targets},
    engine::{BuildError, Onboarding, Policy},
    error::{Error, ErrorKind, Result},
    id::{Random, TenantId},
    name::{DnsName, DomainName},
    probe::Fetch,
    record::{DnsRecord, RecordData, RecordSet, RecordType, Ttl, Txt},
    resolver::{Answer, Outcome},
    testkit::{EndlessTimer, SeededRandom},
};
use syn::{BinOp, Expr, ExprBinary, ItemFn, spanned::Spanned, visit::Visit};

use crate::{
    common::{DAY, HOUR, MINUTE, OTHER, PROOF, TENANT, World, dns},
    dns_names::lied_to,
    platform::{look, proof, publish_texts, served_for, unpublish},
};

#[tokio::test]
async fn b01_the_token_of_another_tenant_proves_nothing() {
    let world = World::new();
    let owner = world.add("shop.example.com").await.id();
    let thief = world.add_with(&OTHER, "shop.example.com".parse().unwrap()).await.id();
    let (ours, theirs) = (proof(&world, &TENANT, owner).await, proof(&world, &OTHER, thief).await);
    assert_eq!(ours.name, theirs.name);
    publish_texts(&world, &ours, &[&ours.value]);
    assert_eq!(look(&world, &OTHER, thief).await, Status::Pending);
    assert!(look(&world, &TENANT, owner).await.holds());
    // With the thief's own, all would have been well.
    world.onboarding.remove(&TENANT, owner).await.unwrap();
    world.run_for(HOUR).await;
    publish_texts(&world, &ours, &[&theirs.value, &ours.value]);
    assert!(look(&world, &OTHER, thief).await.holds());
}

/// Names around one name, in both scopes.
const AROUND: [&str; 8] = [
    "example.com",
    "*.example.com",
    "shop.example.com",
    "*.shop.example.com",
    "a.shop.example.com",
    "other.example.com",
    "example.net",
    "shop.example.net",
];

#[tokio::test]
async fn b02_a_token_proves_no_other_name_and_no_other_scope() {
    for of in AROUND {
        let world = World::new();
        let mut claims = Vec::new();
        for text in AROUND {
            let id = world.add(text).await.id();
            claims.push((text, id, proof(&world, &TENANT, id).await));
        }
        let wanted = claims.iter().find(|(text, ..)| *text == of).unwrap().2.clone();
        // The one token wherever a token is looked for.
        for (_, _, at) in &claims {
            publish_texts(&world, at, &[&wanted.value]);
        }
        for (text, id, _) in &claims {
            let holds = look(&world, &TENANT, *id).await.holds();
            assert_eq!(holds, *text == of, "the token of {of} for {text}");
        }
    }
}

/// A claim by a method.
fn by(method: Method, text: &str) -> NewDomain {
    text.parse::<NewDomain>().unwrap().with_method(method)
}

#[tokio::test]
async fn b02_a_token_proves_nothing_by_another_method() {
    let mut kinds = Vec::new();
    for text in ["shop.example.com", "other.example.com", "*.example.com"] {
        for method in [Method::DnsTxt, Method::DnsCname, Method::Http] {
            if !(text.starts_with('*') && method == Method::Http) {
                kinds.push((text, method));
            }
        }
    }
    for wanted in 0..kinds.len() {
        let world = World::new();
        let mut claims = Vec::new();
        for (number, (text, method)) in (1..).zip(&kinds) {
            // One claim on a name is all that a tenant has.
            let tenant = TenantId::from_bytes([number; 16]);
            let domain = world.add_with(&tenant, by(*method, text)).await;
            claims.push((tenant, domain));
        }
        let (_, domain) = &claims[wanted];
        let token = domain.challenge().token.clone();
        // The token wherever one is looked for, in each of the ways.
        for (_, at) in &claims {
            let base = dns(at.name().as_str().trim_start_matches("*."));
            let text = RecordData::Txt(Txt::from_text(&format!("token={token}")));
            for label in ["_plat-challenge", "_plat-wildcard-challenge"] {
                let owner = base.child(label).unwrap();
                let set = RecordSet::new(owner.clone(), Ttl::MINUTE, [text.clone()]).unwrap();
                world.dns.set(set).unwrap();
                let label = format!("_{}", &token[..token.len().min(32)]);
                let data = RecordData::Cname(dns(PROOF));
                let alias = owner.child(&label).unwrap();
                world.dns.set(RecordSet::new(alias, Ttl::MINUTE, [data]).unwrap()).unwrap();
            }
            for path in claims.iter().filter_map(|(_, claim)| claim.challenge().path.clone()) {
                if !at.name().is_wildcard() {
                    world.pages.serve(Fetch::new(at.name().clone(), path), token.as_str());
                }
            }
        }
        for (number, (tenant, claim)) in claims.iter().enumerate() {
            let holds = look(&world, tenant, claim.id()).await.holds();
            assert_eq!(holds, number == wanted, "{:?} for {:?}", kinds[wanted], kinds[number]);
        }
    }
}

#[tokio::test]
async fn b03_an_expired_token_proves_nothing() {
    let ttl = Policy::new().claim_ttl;
    for (published_after, holds) in [(ttl - DAY * 20, true), (ttl + MINUTE, false)] {
        let world = World::new();
        let domain = world.add("shop.example.com").await;
        assert_eq!(domain.challenge().expires_at, after(domain.challenge().issued_at, ttl));
        world.run_for(published_after).await;
        world.publish(domain.id()).await;
        // The last look is planned before the end of the claim and made after it.
        world.run_for(DAY * 60).await;
        let now = world.get(domain.id()).await;
        assert_eq!(now.status().holds(), holds, "{}", now.waiting_on());
        assert_eq!(world.ca.orders(), usize::from(holds));
    }
}

/// Publishes what a challenge asks for, wherever that is.
fn publish(world: &World, challenge: &Challenge) {
    let value = challenge.value();
    let data = match challenge.method {
        Method::DnsTxt => RecordData::Txt(Txt::from_text(&value)),
        Method::DnsCname => RecordData::Cname(dns(&value)),
        _ => return world.pages.serve(Fetch::proof(&challenge.page().unwrap()), value),
    };
    let set = RecordSet::new(challenge.owner.clone(), Ttl::MINUTE, [data]).unwrap();
    world.dns.set(set).unwrap();
}

#[tokio::test]
async fn b03_a_page_is_good_for_29_days() {
    let ttl = Policy::new().token_ttl;
    assert_eq!(ttl, DAY * 29);
    for (published_after, is_good) in [(ttl - DAY * 3, true), (ttl + MINUTE, false)] {
        let world = World::new();
        let domain = world.add_with(&TENANT, by(Method::Http, "shop.example.com")).await;
        assert_eq!(domain.challenge().expires_at, after(domain.challenge().issued_at, ttl));
        world.run_for(published_after).await;
        publish(&world, domain.challenge());
        world.run_for(DAY * 20).await;
        assert_eq!(world.get(domain.id()).await.status().holds(), is_good);
        if !is_good {
            // Whoever asks gets another token, and the page there is none of it.
            assert_eq!(look(&world, &TENANT, domain.id()).await, Status::Pending);
            let next = world.get(domain.id()).await;
            assert_ne!(next.challenge().token, domain.challenge().token);
            publish(&world, next.challenge());
            assert!(look(&world, &TENANT, domain.id()).await.holds());
        }
    }
}

#[tokio::test]
async fn b03_a_token_from_before_the_last_one_proves_nothing() {
    for method in [Method::DnsTxt, Method::DnsCname, Method::Http] {
        for other in [method, Method::DnsTxt, Method::Http] {
            let world = World::new();
            let domain = world.add_with(&TENANT, by(method, "shop.example.com")).await;
            let id = domain.id();
            if method == other {
                world.onboarding.renew_token(&TENANT, id).await.unwrap();
            } else {
                world.onboarding.change_method(&TENANT, id, other).await.unwrap();
            }
            let next = world.get(id).await.challenge().clone();
            assert!(next.generation > domain.challenge().generation);
            assert_ne!(next.token, domain.challenge().token);
            publish(&world, domain.challenge());
            world.run_for(DAY).await;
            assert_eq!(look(&world, &TENANT, id).await, Status::Pending, "{method} to {other}");
            publish(&world, &next);
            assert!(look(&world, &TENANT, id).await.holds(), "{method} to {other}");
        }
    }
}

#[tokio::test]
async fn b04_a_token_is_of_no_use_after_the_release() {
    let world = World::new();
    let former = world.active("shop.example.com").await;
    let old = proof(&world, &TENANT, former.id()).await;
    world.onboarding.remove(&TENANT, former.id()).await.unwrap();
    world.run_for(HOUR).await;
    let next = world.add_with(&OTHER, "shop.example.com".parse().unwrap()).await.id();
    let new = proof(&world, &OTHER, next).await;
    assert_eq!(old.name, new.name);
    // The old record never went away.
    publish_texts(&world, &old, &[&old.value]);
    world.run_for(DAY).await;
    assert_eq!(look(&world, &OTHER, next).await, Status::Pending);
    publish_texts(&world, &old, &[&old.value, &new.value]);
    assert!(look(&world, &OTHER, next).await.holds());
}

/// No randomness at all.
#[derive(Debug)]
struct Empty;

impl Random for Empty {
    fn fill(&self, _: &mut [u8]) -> Result<()> {
        Err(Error::new(ErrorKind::Unavailable, "random", "fill", "none left"))
    }
}

#[tokio::test]
async fn b05_a_token_is_chance_and_nothing_else() {
    // The same chance, and all else different: the same token.
    let mut tokens = BTreeSet::new();
    for (tenant, text, wait) in [
        (TENANT, "shop.example.com", MINUTE),
        (OTHER, "other.example.com", DAY),
        (TenantId::from_bytes([0xff; 16]), "example.net", DAY * 400),
    ] {
        let world = World::new();
        world.run_for(wait).await;
        let domain = world.add_with(&tenant, text.parse().unwrap()).await;
        tokens.insert(domain.challenge().token.clone());
    }
    assert_eq!(tokens.len(), 1, "{tokens:?}");
    // Other chance: another token, every time. 256 bits of it.
    let world = World::new();
    for text in AROUND {
        assert!(
            tokens.insert(world.add(text).await.challenge().token.clone()) || text == AROUND[0]
        );
    }
    let random = SeededRandom::new(1);
    let drawn: BTreeSet<_> = (0..1000).map(|_| Challenge::draw_token(&random).unwrap()).collect();
    assert_eq!(drawn.len(), 1000);
    assert!(drawn.iter().all(|token| token.len() * 4 == 256));
    // Without chance there is no token, and no claim.
    assert_eq!(Challenge::draw_token(&Empty).unwrap_err().kind(), ErrorKind::Unavailable);
    // A value that somebody made up is not taken for one.
    let brand = Brand::new("plat").unwrap();
    for weak in ["", "secret", "0123456789abcdef", &"g".repeat(64), &"0".repeat(63)] {
        let host = "shop.example.com".parse().unwrap();
        let error = HttpProof::new(&brand, host, 1, weak).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{weak}");
        assert!(weak.is_empty() || !error.to_string().contains(weak), "{error}");
    }
}

#[tokio::test]
async fn b06_a_token_is_in_no_message_before_it_is_published() {
    let world = World::new();
    let domain = world.add("shop.example.com").await;
    let token = domain.challenge().token.clone();
    world.run_for(DAY).await;
    let onboarding = &world.onboarding;
    let again = onboarding.add(&TENANT, domain.name().clone().into()).await.unwrap_err();
    let stranger = onboarding.get(&OTHER, domain.id()).await.unwrap_err();
    let renew = onboarding.renew(&TENANT, domain.id()).await.unwrap_err();
    let page = HttpProof::new(
        &Brand::new("plat").unwrap(),
        domain.name().clone(),
        domain.challenge().generation,
        &token,
    )
    .unwrap();
    let domain = world.get(domain.id()).await;
    let notices = onboarding.notices(&TENANT, domain.id(), 0).await.unwrap();
    let timeline = onboarding.timeline(&TENANT, domain.id(), 0).await.unwrap();
    for (what, text) in [
        ("an error", format!("{again} {again:?} {stranger} {stranger:?} {renew} {renew:?}")),
        ("a notice", format!("{notices:?}")),
        ("what a webhook says", serde_json::to_string(&notices).unwrap()),
        ("the timeline", format!("{:?} {}", timeline.entries, timeline.entries.len())),
        ("`Debug` of a challenge", format!("{:?} {:#?}", domain.challenge(), domain.challenge())),
        ("`Debug` of a domain", format!("{domain:?}")),
        ("`Debug` of a page", format!("{page:?}")),
        ("the address of a page", page.url()),
    ] {
        assert!(!text.contains(&token), "{what} has the token: {text}");
    }
    // Who has to publish it is told.
    assert!(proof(&world, &TENANT, domain.id()).await.to_string().contains(&token));
}

/// Comparisons of values that are secret until they are published.
#[derive(Default)]
struct Comparisons {
    function: String,
    found: Vec<String>,
    /// The functions that compare in constant time.
    constant: BTreeSet<String>,
}

/// Returns a piece of source as it is written.
fn text(node: &impl Spanned) -> String {
    node.span().source_text().unwrap()
}

impl<'ast> Visit<'ast> for Comparisons {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let is_test = item.attrs.iter().any(|attribute| text(attribute).contains("test"));
        if !is_test {
            syn::visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.function = item.sig.ident.to_string();
        syn::visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function = item.sig.ident.to_string();
        syn::visit::visit_impl_item_fn(self, item);
    }

    fn visit_expr_binary(&mut self, item: &'ast ExprBinary) {
        let is_value = |side: &Expr| {
            let text = text(side);
            let names = ["token", "secret", "signature", "mac", "code_hash", "digest"];
            let named = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let is_named = named.into_iter().any(|word| names.contains(&word));
            is_named && !text.contains("len()")
        };
        if matches!(item.op, BinOp::Eq(_) | BinOp::Ne(_))
            && (is_value(&item.left) || is_value(&item.right))
        {
            self.found.push(format!("{}: {}", self.function, text(item)));
        }
        syn::visit::visit_expr_binary(self, item);
    }

    fn visit_expr_call(&mut self, item: &'ast syn::ExprCall) {
        if text(&*item.func).ends_with("constant_time_eq") {
            self.constant.insert(self.function.clone());
        }
        syn::visit::visit_expr_call(self, item);
    }
}

#[test]
fn b07_tokens_are_compared_in_constant_time_and_in_no_other_way() {
    fn sources(at: &Path, seen: &mut Comparisons) {
        if at.is_dir() {
            for entry in fs::read_dir(at).unwrap() {
                sources(&entry.unwrap().path(), seen);
            }
        } else if at.extension().is_some_and(|it| it == "rs") && !at.ends_with("tests.rs") {
            seen.visit_file(&syn::parse_file(&fs::read_to_string(at).unwrap()).unwrap());
        }
    }
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = Comparisons::default();
    for part in [
        "challenge.rs",
        "challenge",
        "webhook",
        "secret.rs",
        "engine/observe.rs",
        "engine/proof.rs",
        "engine/transfer.rs",
        "engine/mail.rs",
        "domain/title.rs",
        "probe",
    ] {
        sources(&src.join(part), &mut seen);
    }
    assert_eq!(seen.found, [""; 0]);
    for function in ["is_proved_by", "eq"] {
        assert!(seen.constant.contains(function), "{function}: {:?}", seen.constant);
    }
    // It goes through all bytes, and has no way out before the end.
    let secret = fs::read_to_string(src.join("secret.rs")).unwrap();
    let compare = syn::parse_file(&secret).unwrap().items.into_iter().find_map(|item| match item {
        syn::Item::Fn(item) if item.sig.ident == "constant_time_eq" => Some(item.block),
        _ => None,
    });
    let body = text(&compare.unwrap());
    assert!(body.contains("fold") && body.contains("black_box"), "{body}");
    for early in ["return", "if ", "any(", "all(", "?", "position", "break"] {
        assert!(!body.contains(early), "{early} in {body}");
    }
}

#[tokio::test]
async fn b08_nothing_but_the_token_is_the_token() {
    let world = World::new();
    let domain = world.add("shop.example.com").await;
    let at = proof(&world, &TENANT, domain.id()).await;
    let token = domain.challenge().token.clone();
    let (half, rest) = token.split_at(32);
    let other = Challenge::draw_token(&world.random).unwrap();
    for wrong in [
        String::new(),
        half.to_owned(),
        token[1..].to_owned(),
        token[..63].to_owned(),
        format!("{token}0"),
        format!("0{token}"),
        format!("{token}{token}"),
        token.to_uppercase(),
        format!(" {token}"),
        format!("{token} "),
        format!("{token}\t"),
        format!("{token}\n"),
        format!("{token}\0"),
        format!("{token}="),
        format!("{token}=="),
        format!("\"{token}\""),
        format!("'{token}'"),
        format!("{half} {rest}"),
        format!("{half}\u{200b}{rest}"),
        format!("token ={token}"),
        format!("token= {token}"),
        format!("token:{token}"),
        format!("tokens={token}"),
        format!("xtoken={token}"),
        format!("token=token={token}"),
        format!("token={other} token={token}"),
        format!("token={token} token={other}"),
        format!("token={token} TOKEN={token}"),
        format!("expiry=never token={token}"),
        format!("token={token}; expiry=never"),
        format!("token=\"{token}\""),
        format!("token={}", &token[..63]),
        format!("token={}", token.to_uppercase()),
        format!("token={token}\r"),
        format!("plat-challenge={token}"),
        data_encoding::BASE64.encode(token.as_bytes()),
        hex::encode(&token),
    ] {
        publish_texts(&world, &at, &[&wrong]);
        assert_eq!(look(&world, &TENANT, domain.id()).await, Status::Pending, "{wrong:?}");
    }
    // Many values around it do not hide it, and neither does how it is cut into strings.
    let strings = [half.as_bytes(), b"", rest.as_bytes()];
    let cut = RecordData::Txt(Txt::from_strings(strings).unwrap());
    let others = [&b"v=spf1 -all"[..], other.as_bytes(), b"token="];
    let mut data: Vec<_> = others.map(|it| RecordData::Txt(Txt::from_bytes(it))).into();
    data.insert(1, cut);
    world.dns.set(RecordSet::new(at.name.clone(), Ttl::MINUTE, data).unwrap()).unwrap();
    assert!(look(&world, &TENANT, domain.id()).await.holds());
}

#[tokio::test]
async fn b09_a_record_of_an_earlier_claim_proves_nothing_when_it_comes_back() {
    let world = World::new();
    let former = world.active("shop.example.com").await.id();
    let old = proof(&world, &TENANT, former).await;
    world.onboarding.remove(&TENANT, former).await.unwrap();
    unpublish(&world, &old);
    world.run_for(DAY * 60).await;
    // Another tenant owns the name now, and does not know what the record is good for.
    let owner = world.add_with(&OTHER, "shop.example.com".parse().unwrap()).await.id();
    let new = proof(&world, &OTHER, owner).await;
    let again = world.add("shop.example.com").await;
    publish_texts(&world, &new, &[&old.value, &new.value]);
    assert!(look(&world, &OTHER, owner).await.holds());
    assert_eq!(look(&world, &TENANT, again.id()).await, Status::Pending);
    publish_texts(&world, &new, &[&old.value]);
    world.run_for(DAY * 10).await;
    let lost = world.onboarding.get(&OTHER, owner).await.unwrap();
    assert_eq!(lost.status(), Status::Pending, "the old record is not theirs");
    assert_eq!(look(&world, &TENANT, again.id()).await, Status::Pending);
    assert_eq!(served_for(&world, "shop.example.com").await, None);
}

#[tokio::test]
async fn b10_a_wildcard_record_proves_nothing() {
    for wildcard in ["*.shop.example.com", "*._plat-challenge.shop.example.com", "*.example.com"] {
        let world = World::new();
        let id = world.add("shop.example.com").await.id();
        let alias = world.add_with(&OTHER, by(Method::DnsCname, "shop.example.com")).await.id();
        let (text, cname) = (proof(&world, &TENANT, id).await, proof(&world, &OTHER, alias).await);
        let name = dns(wildcard);
        let data = RecordData::Txt(Txt::from_text(&text.value));
        world.dns.set(RecordSet::new(name.clone(), Ttl::MINUTE, [data]).unwrap()).unwrap();
        world.run_for(DAY).await;
        assert_eq!(look(&world, &TENANT, id).await, Status::Pending, "{wildcard}");
        world.dns.remove(&name, RecordType::Txt);
        let data = RecordData::Cname(dns(&cname.value));
        world.dns.set(RecordSet::new(name.clone(), Ttl::MINUTE, [data]).unwrap()).unwrap();
        world.run_for(DAY).await;
        let looked = world.onboarding.check(&OTHER, alias).await.unwrap();
        assert_eq!(looked.status(), Status::Pending, "{wildcard}: {}", looked.waiting_on());

        // Written at the name itself it is what was asked for.
        world.dns.remove(&name, RecordType::Cname);
        world.publish_one(&cname);
        assert!(look(&world, &OTHER, alias).await.holds(), "{wildcard}");
    }
}

#[tokio::test]
async fn b11_a_server_that_answers_everything_proves_nothing() {
    let world = World::new();
    let id = world.add("shop.example.com").await.id();
    let at = proof(&world, &TENANT, id).await;
    let value = at.value.clone();
    let everything = lied_to(&world, move |lookup, answer| match lookup.record_type {
        RecordType::Txt => {
            let data = RecordData::Txt(Txt::from_text(&value));
            let record = DnsRecord::new(lookup.name.clone(), Ttl::MINUTE, data);
            Answer::new(Outcome::Answer(vec![record]))
        }
        _ => answer,
    });
    for _ in 0..3 {
        let looked = everything.check(&TENANT, id).await.unwrap();
        assert_eq!(looked.status(), Status::Pending, "{}", looked.waiting_on());
        assert!(looked.waiting_on().to_string().contains("wildcard"), "{}", looked.waiting_on());
    }
    publish_texts(&world, &at, &[&at.value]);
    assert!(look(&world, &TENANT, id).await.holds());
}

#[tokio::test]
async fn b12_a_token_counts_only_under_the_label_of_this_platform() {
    let world = World::new();
    let domain = world.add("shop.example.com").await;
    let at = proof(&world, &TENANT, domain.id()).await;
    assert_eq!(at.name, dns("_plat-challenge.shop.example.com"));
    // Where another service would have told the victim to put it.
    for elsewhere in [
        "shop.example.com",
        "_evil-challenge.shop.example.com",
        "_acme-challenge.shop.example.com",
        "_dnsauth.shop.example.com",
        "_dmarc.shop.example.com",
        "plat-challenge.shop.example.com",
        "_plat.shop.example.com",
        "_plat-challenge._plat-challenge.shop.example.com",
        "_plat-challenge.example.com",
        "_plat-challenge.www.shop.example.com",
    ] {
        let data = RecordData::Txt(Txt::from_text(&at.value));
        world.dns.set(RecordSet::new(dns(elsewhere), Ttl::MINUTE, [data]).unwrap()).unwrap();
        assert_eq!(look(&world, &TENANT, domain.id()).await, Status::Pending, "{elsewhere}");
    }
    publish_texts(&world, &at, &[&at.value]);
    assert!(look(&world, &TENANT, domain.id()).await.holds());
    // There is no label that everybody uses.
    let nameless = Onboarding::builder(world.store.clone())
        .with_targets(Targets::cname("edge.platform.test"))
        .with_resolver(world.resolver.clone())
        .with_authority(world.ca.clone())
        .with_keys(world.keys.clone())
        .with_sealer(world.sealer.clone())
        .with_timer(EndlessTimer)
        .build();
    assert_eq!(nameless.unwrap_err(), BuildError::Missing("a brand"));
}

#[tokio::test]
async fn b13_a_proof_of_a_host_is_none_of_the_wildcard_and_the_other_way_round() {
    let world = World::new();
    let host = world.add("example.com").await.id();
    let wildcard = world.add("*.example.com").await.id();
    let (one, all) = (proof(&world, &TENANT, host).await, proof(&world, &TENANT, wildcard).await);
    assert_eq!(one.name, dns("_plat-challenge.example.com"));
    assert_eq!(all.name, dns("_plat-wildcard-challenge.example.com"));
    publish_texts(&world, &one, &[&all.value]);
    publish_texts(&world, &all, &[&one.value]);
    for id in [host, wildcard] {
        assert_eq!(look(&world, &TENANT, id).await, Status::Pending);
    }
    publish_texts(&world, &one, &[&one.value, &all.value]);
    assert!(look(&world, &TENANT, host).await.holds());
    assert_eq!(look(&world, &TENANT, wildcard).await, Status::Pending);
    publish_texts(&world, &all, &[&all.value]);
    assert!(look(&world, &TENANT, wildcard).await.holds());
}

#[test]
fn b14_no_proof_is_at_a_name_that_may_be_a_host() {
    for brand in ["a", "acme", "plat", "x-1", "challenge", &"b".repeat(40)] {
        let brand = Brand::new(brand).unwrap();
        for text in AROUND {
            let claimed: DomainName = text.parse().unwrap();
            let owner = brand.owner(&claimed).unwrap();
            let label = owner.as_str().split('.').next().unwrap();
            assert!(label.starts_with('_') && label.ends_with("-challenge"), "{owner}");
            assert!(label.len() <= 63, "{owner}");
            assert!(owner.as_str().parse::<DomainName>().is_err(), "{owner}");
            assert_ne!(owner, DnsName::from(claimed.base()), "the apex");
        }
    }
    for wrong in ["", "_a", "a.b", "a_b", "A", "-a", "a-", "*", "a b", &"b".repeat(41)] {
        assert!(Brand::new(wrong).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn b14_instructions_name_a_label_with_an_underscore() {
    let world = World::new();
    for text in AROUND {
        let wanted: NewDomain = text.parse().unwrap();
        let id = world.add_with(&TENANT, wanted).await.id();
        let at = proof(&world, &TENANT, id).await;
        assert_eq!(at.record_type, RecordType::Txt);
        assert!(at.name.as_str().starts_with("_plat-"), "{at}");
        assert!(at.host.starts_with("_plat-"), "{at}");
    }
}

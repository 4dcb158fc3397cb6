use serde_json::{Value, json};

use super::*;
use crate::{
    challenge::{Brand, CompatLabel, LabelPolicy, Terms},
    error::Result,
};

const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);

fn name(text: &str) -> DomainName {
    text.parse().unwrap()
}

/// A challenge whose last moment is that of the fixtures.
fn challenge(host: &str, method: Method) -> Result<Challenge> {
    let terms = Terms::new(Brand::new("plat").unwrap(), DAY * 30, DAY * 30)
        .with_target("dcv.platform.example".parse().unwrap())
        .with_service("pki-validation")?;
    let now: Timestamp = "2026-06-19T10:05:27Z".parse().unwrap();
    terms.issue(&name(host), method, 1, &[9; 32], now)
}

fn emails(scope: &str) -> EmailView {
    let locals = ["admin", "administrator", "webmaster", "hostmaster", "postmaster"];
    let base = locals.map(|local| format!("{local}@{scope}")).to_vec();
    EmailView::new(name(scope), base, Vec::new())
}

fn view(host: &str, method: Method, state: State) -> ChallengeView {
    ChallengeView::new(&challenge(host, method).unwrap(), state, emails(host))
}

/// What a platform sends: its own number, and the view.
fn reply(id: u64, view: &ChallengeView) -> Value {
    #[derive(Serialize)]
    struct Reply<'a> {
        id: u64,
        #[serde(flatten)]
        view: &'a ChallengeView,
    }
    serde_json::to_value(Reply { id, view }).unwrap()
}

#[test]
fn a_reply_about_mail_lists_whom_it_goes_to_and_no_contact_of_a_registry() {
    let wanted = json!({
        "id": 715604,
        "validation_emails": {
            "name_scope": "example.net",
            "base_emails": [
                "admin@example.net", "administrator@example.net", "webmaster@example.net",
                "hostmaster@example.net", "postmaster@example.net",
            ],
            "whois_emails": [],
        },
    });
    let view = view("example.net", Method::Email, State::Issued);
    assert_eq!(reply(715604, &view), wanted);
}

#[test]
fn a_reply_about_a_txt_record_has_the_token_its_status_and_its_end() {
    let token = challenge("example.net", Method::DnsTxt).unwrap().token;
    let wanted = json!({
        "id": 715604,
        "dcv_token": {
            "token": token,
            "status": "pending",
            "expiration_date": "2026-07-19T10:05:27+00:00",
        },
    });
    assert_eq!(reply(715604, &view("example.net", Method::DnsTxt, State::Issued)), wanted);
}

#[test]
fn a_reply_about_a_cname_record_says_where_it_leads() {
    let token = challenge("example.net", Method::DnsCname).unwrap().token;
    assert_eq!(token.len(), 32);
    let wanted = json!({
        "id": 715604,
        "dcv_token": {
            "token": token,
            "status": "pending",
            "expiration_date": "2026-07-19T10:05:27+00:00",
            "verification_value": "dcv.platform.example",
        },
    });
    assert_eq!(reply(715604, &view("example.net", Method::DnsCname, State::Observed)), wanted);
}

#[test]
fn a_reply_about_a_page_says_where_it_is() {
    let view = view("example.net", Method::Http, State::Published);
    let reply = reply(902317, &view);
    let url = reply["dcv_token"]["http_token_url"].as_str().unwrap();
    assert!(url.starts_with("http://example.net/.well-known/pki-validation/"), "{url}");
    assert!(url.ends_with(".txt"), "{url}");
    assert_eq!(reply["dcv_token"].as_object().unwrap().len(), 4);
}

#[test]
fn a_token_is_active_while_the_name_is_held_by_it() {
    for state in State::ALL {
        let view = view("example.net", Method::DnsTxt, state);
        let ChallengeView::DcvToken(token) = view else { panic!("{view:?}") };
        let is_active = token.status == Some(TokenStatus::Active);
        assert_eq!(is_active, state == State::Accepted, "{state}");
    }
}

#[test]
fn replies_about_the_token_alone_are_parts_of_it() {
    let ChallengeView::DcvToken(view) = view("example.net", Method::DnsTxt, State::Accepted) else {
        panic!("a token");
    };
    let token = view.token.clone();
    let value = serde_json::to_value(view.clone().reissued()).unwrap();
    let wanted = json!({ "token": token, "expiration_date": "2026-07-19T10:05:27+00:00" });
    assert_eq!(value, wanted);
    let value = serde_json::to_value(view.looked_at()).unwrap();
    assert_eq!(value, json!({ "token": token, "status": "active" }));
}

#[test]
fn views_are_read_as_they_are_written() {
    for method in Method::ALL {
        let view = view("example.net", method, State::Issued);
        let text = serde_json::to_string(&view).unwrap();
        assert_eq!(serde_json::from_str::<ChallengeView>(&text).unwrap(), view);
    }
}

#[test]
fn a_host_is_shown_relative_to_its_domain() {
    let challenge = challenge("example.net", Method::DnsTxt).unwrap();
    let view = HostView::new(&name("example.net"), &challenge, State::Issued).unwrap();
    let wanted = json!({
        "name": "example.net",
        "status": "pending",
        "hostname": "_plat-challenge",
        "token": challenge.token,
    });
    assert_eq!(serde_json::to_value(&view).unwrap(), wanted);
    // What is told to publish is the proof.
    assert!(challenge.is_proved_by(view.token.as_bytes()));
    let held = HostView::new(&name("example.net"), &challenge, State::Accepted).unwrap();
    assert_eq!(held.status, HostStatus::Verified);
    let page = self::challenge("example.net", Method::Http).unwrap();
    assert_eq!(HostView::new(&name("example.net"), &page, State::Issued), None);
}

#[test]
fn a_host_label_of_the_published_api_is_shown_as_it_is() {
    let labels = LabelPolicy::Compat(CompatLabel::Nfverify);
    let terms = Terms::new(Brand::new("plat").unwrap(), DAY, DAY).with_labels(labels);
    let name = name("example.net");
    let challenge = terms.issue(&name, Method::DnsTxt, 1, &[9; 32], Timestamp::UNIX_EPOCH).unwrap();
    let view = HostView::new(&name, &challenge, State::Issued).unwrap();
    let digits = view.hostname.strip_prefix("nfverify").unwrap();
    assert_eq!((digits.len(), digits.parse::<u64>().is_ok()), (16, true));
}

fn read(value: Value) -> CompatRequest {
    serde_json::from_value(value).unwrap()
}

/// The request of the fixtures, changed.
fn request(change: Value) -> CompatRequest {
    let mut request = json!({
        "name": "example.net",
        "organization": { "id": 448812 },
        "validations": [{ "type": "ov" }, { "type": "ev" }],
        "dcv_method": "email",
    });
    for (field, value) in change.as_object().unwrap() {
        request[field] = value.clone();
    }
    read(request)
}

#[test]
fn a_request_is_taken_as_it_is_published() {
    let order = request(json!({})).validate().unwrap();
    assert_eq!(order.name, name("example.net"));
    assert_eq!((order.method, order.organization), (Method::Email, 448812));
    assert_eq!(order.validations, [ValidationType::Ov, ValidationType::Ev]);
    assert_eq!((order.locale, order.emails), (None, Vec::new()));
}

#[test]
fn mail_is_the_method_that_nobody_asked_for_here_and_only_here() {
    let request = CompatRequest::new("example.net", 1, [ValidationType::Dv]);
    assert_eq!(request.validate().unwrap().method, Method::Email);
    for method in Method::ALL {
        let mut request = request.clone();
        request.dcv_method = Some(method.compat_name().to_owned());
        assert_eq!(request.validate().unwrap().method, method);
        assert_eq!(Method::from_compat_name(method.compat_name()), Some(method));
    }
}

#[test]
fn www_goes_unless_it_is_kept_and_never_for_a_page() {
    for (method, keep, given, wanted) in [
        ("dns-txt-token", None, "www.example.net", "example.net"),
        ("dns-cname-token", Some("false"), "WWW.Example.net.", "example.net"),
        ("email", None, "www.shop.example.net", "shop.example.net"),
        ("dns-txt-token", Some("true"), "www.example.net", "www.example.net"),
        ("email", Some("true"), "www.example.net", "www.example.net"),
        ("http-token", None, "www.example.net", "www.example.net"),
        ("http-token", Some("false"), "www.example.net", "www.example.net"),
        // One `www` only, and only where it is a label of its own.
        ("dns-txt-token", None, "www.www.example.net", "www.example.net"),
        ("dns-txt-token", None, "www2.example.net", "www2.example.net"),
        // There, it is the name.
        ("dns-txt-token", None, "www.com", "www.com"),
        ("dns-txt-token", None, "www.co.uk", "www.co.uk"),
    ] {
        let mut change = json!({ "name": given, "dcv_method": method });
        if let Some(keep) = keep {
            change["keep_www"] = keep.into();
        }
        let order = request(change).validate().unwrap();
        assert_eq!(order.name.as_str(), wanted, "{method} {keep:?} {given}");
    }
}

#[test]
fn unknown_validations_are_kept_as_they_came() {
    let order =
        request(json!({ "validations": [{ "type": "verified_mark" }, { "type": "ev_cs" }] }))
            .validate()
            .unwrap();
    let wanted = [ValidationType::Unknown("verified_mark".into()), ValidationType::EvCs];
    assert_eq!(order.validations, wanted);
    for name in ["ov", "ev", "cs", "ev_cs", "ds", "dv", "other"] {
        let read: ValidationType = serde_json::from_value(json!(name)).unwrap();
        assert_eq!(matches!(read, ValidationType::Unknown(_)), name == "other");
        assert_eq!(serde_json::to_value(&read).unwrap(), json!(name));
    }
}

fn problems(request: &CompatRequest) -> Vec<(String, &'static str)> {
    let errors = request.validate().unwrap_err();
    errors.as_slice().iter().map(|error| (error.field.clone(), error.code.as_str())).collect()
}

#[test]
fn every_field_that_is_wrong_is_named_at_once() {
    let request = read(json!({
        "name": "exa mple.net",
        "validations": [{ "type": "ov" }, { "type": "o v" }, { "type": "ov" }],
        "dcv_method": "phone",
        "keep_www": "yes",
    }));
    let wanted = [
        ("/dcv_method", "invalid_dcv_method"),
        ("/keep_www", "malformed"),
        ("/name", "malformed"),
        ("/organization/id", "required"),
        ("/validations/1/type", "malformed"),
        ("/validations/2/type", "duplicate"),
    ];
    assert_eq!(problems(&request), wanted.map(|(field, code)| (field.to_owned(), code)));
    let missing =
        ["/name", "/organization/id", "/validations"].map(|it| (it.to_owned(), "required"));
    assert_eq!(problems(&read(json!({}))), missing);
}

#[test]
fn what_is_for_mail_is_refused_with_another_method() {
    let about_mail = json!({ "locale": "de", "email_array": ["admin@example.net"] });
    let order = request(about_mail.clone()).validate().unwrap();
    assert_eq!(order.locale.as_deref(), Some("de"));
    assert_eq!(order.emails, ["admin@example.net"]);
    for method in ["dns-txt-token", "dns-cname-token", "http-token"] {
        let mut request = request(about_mail.clone());
        request.dcv_method = Some(method.to_owned());
        let wanted = ["/locale", "/email_array"].map(|it| (it.to_owned(), "not_allowed"));
        assert_eq!(problems(&request), wanted, "{method}");
    }
}

#[test]
fn a_page_is_not_asked_for_a_wildcard() {
    let change = json!({ "name": "*.example.net", "dcv_method": "http-token" });
    assert_eq!(problems(&request(change)), [("/name".to_owned(), "not_allowed")]);
    let change = json!({ "name": "*.example.net", "dcv_method": "dns-txt-token" });
    assert!(request(change).validate().is_ok());
}

#[test]
fn there_is_an_end_to_what_is_listed_and_taken() {
    let many = vec![json!({ "type": "" }); 1000];
    assert_eq!(problems(&request(json!({ "validations": many }))).len(), 32);
    let many: Vec<_> = (0..101).map(|index| format!("{index}@example.net")).collect();
    let wanted = [("/email_array".to_owned(), "too_long")];
    assert_eq!(problems(&request(json!({ "email_array": many }))), wanted);
}

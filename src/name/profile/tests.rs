use super::*;

#[test]
fn northflank_takes_the_names_of_its_published_pattern() {
    for (name, taken) in [
        ("example.net", true),
        ("shop.example.net", true),
        ("EXAMPLE.net", true),
        ("xn--bcher-kva.example", true),
        ("12.example.net", true),
        ("x.example.net", false),
        ("shop.x.net", false),
        ("*.example.net", false),
    ] {
        let name: DomainName = name.parse().unwrap();
        assert_eq!(NameProfile::NORTHFLANK.takes_domain(&name), taken, "{name}");
    }
}

#[test]
fn northflank_takes_the_subdomains_of_its_published_pattern() {
    for (text, taken) in [
        ("*", true),
        ("*.shop", true),
        ("*!", true),
        ("@", true),
        ("www", true),
        ("a.b-c.d0", true),
        ("", false),
        ("@.www", false),
        ("WWW", false),
        ("-www", false),
        ("www-", false),
        ("a..b", false),
        ("_dmarc", false),
        ("www.", false),
    ] {
        assert_eq!(NameProfile::NORTHFLANK.takes_subdomain(text), taken, "{text}");
    }
}

#[test]
fn profiles_state_their_rules_and_where_they_are_published() {
    let names: std::collections::BTreeSet<_> = NameProfile::ALL.map(NameProfile::as_str).into();
    assert_eq!(names.len(), NameProfile::ALL.len());
    for profile in NameProfile::ALL {
        assert!(Regex::new(profile.domain_pattern()).is_ok());
        assert!(Regex::new(profile.subdomain_pattern()).is_ok());
        assert!(!profile.source().is_empty());
        assert_eq!(profile.to_string(), profile.as_str());
    }
}

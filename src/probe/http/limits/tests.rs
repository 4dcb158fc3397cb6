use super::*;

/// A field with the numbers of its range.
type Row = (&'static str, fn(&mut ProbeLimits, u64), u64, u64, u64);

const ROWS: &[Row] = &[
    ("connect", |l, n| l.connect = Duration::from_millis(n), 3_000, 100, 60_000),
    ("tls", |l, n| l.tls = Duration::from_millis(n), 5_000, 100, 60_000),
    ("first_byte", |l, n| l.first_byte = Duration::from_millis(n), 5_000, 100, 60_000),
    ("total", |l, n| l.total = Duration::from_millis(n), 10_000, 100, 60_000),
    ("head_bytes", |l, n| l.head_bytes = n as usize, 16_384, 1_024, 65_536),
    ("fields", |l, n| l.fields = n as usize, 100, 16, 256),
    ("interim", |l, n| l.interim = n as usize, 5, 0, 10),
    ("body_bytes", |l, n| l.body_bytes = n as usize, 1_024, 128, 1_024),
    ("redirects", |l, n| l.redirects = n as usize, 10, 0, 10),
    ("chain", |l, n| l.chain = n as usize, 8, 0, 8),
    ("per_address", |l, n| l.per_address = n as usize, 4, 1, 64),
    ("per_domain", |l, n| l.per_domain = n as usize, 4, 1, 64),
];

#[test]
fn every_limit_has_its_default_and_both_ends_of_its_range() {
    for (name, set, default, least, most) in ROWS {
        let with = |number| {
            let mut limits = ProbeLimits::default();
            set(&mut limits, number);
            limits
        };
        assert_eq!(with(*default), ProbeLimits::default(), "{name}");
        for good in [*least, *most] {
            assert!(with(good).check().is_ok(), "{name}: {good}");
        }
        let below = least.checked_sub(1);
        for bad in below.into_iter().chain([most + 1]) {
            let error = with(bad).check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.message().contains(&format!("`{name}`")), "{error}");
        }
    }
}

#[test]
fn the_documentation_has_a_row_for_every_limit() {
    let source = include_str!("../limits.rs");
    for (name, ..) in ROWS {
        assert!(source.contains(&format!("/// | `{name}` |")), "{name}");
        assert!(source.contains(&format!("    pub {name}: ")), "{name}");
    }
    assert_eq!(source.matches("    pub ").count(), ROWS.len());
}

//! The list of names that the benchmark and the count of allocations share.

/// What an entry of the list is like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Class {
    /// Letters, digits and hyphens; one in twenty with upper case, one in ten with a final dot.
    Ascii,
    /// With labels as people write them: `bücher.de`.
    Unicode,
    /// With labels as DNS has them: `xn--bcher-kva.de`.
    Encoded,
    /// `*.` before a name in ASCII.
    Wildcard,
    /// Typed wrongly, or no host name.
    Invalid,
}

/// Chance that is the same in every run: SplitMix64.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    /// Returns a number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        let index = self.below(from.len());
        from.get(index).copied().unwrap_or_default()
    }
}

const SUFFIXES: [&str; 24] = [
    "com",
    "com",
    "com",
    "com",
    "com",
    "com",
    "net",
    "org",
    "de",
    "de",
    "io",
    "app",
    "dev",
    "fr",
    "nl",
    "co.uk",
    "co.uk",
    "com.au",
    "co.jp",
    "com.br",
    "shop",
    "github.io",
    "netlify.app",
    "cloud",
];

const WORDS: [&str; 28] = [
    "shop", "blog", "acme", "garden", "book", "store", "north", "river", "cloud", "data", "studio",
    "photo", "market", "coffee", "green", "digital", "design", "travel", "music", "health", "labs",
    "online", "works", "group", "house", "media", "tech", "24",
];

const FOREIGN: [&str; 18] = [
    "bücher",
    "café",
    "müller",
    "straße",
    "señor",
    "pâtisserie",
    "łódź",
    "ελληνικά",
    "пример",
    "магазин",
    "例え",
    "公司",
    "食狮",
    "한국어",
    "मुंबई",
    "ไทย",
    "Übermut",
    "ação",
];

/// From the left to the right: no Latin letter may be beside it in a label.
const LEFTWARD: [&str; 4] = ["שלום", "ישראל", "موقع", "مثال"];

/// Returns labels of an ASCII name in front of its suffix.
fn labels(chance: &mut Chance) -> String {
    let mut name = String::new();
    for _ in 0..1 + chance.below(3) {
        for index in 0..1 + chance.below(3) + chance.below(4) / 3 {
            if index > 0 && chance.below(2) == 0 {
                name.push('-');
            }
            name.push_str(chance.pick(&WORDS));
        }
        name.push('.');
    }
    name
}

fn ascii(chance: &mut Chance) -> String {
    let mut name = labels(chance) + chance.pick(&SUFFIXES);
    if chance.below(20) == 0 {
        name.make_ascii_uppercase();
    }
    if chance.below(10) == 0 {
        name.push('.');
    }
    name
}

fn unicode(chance: &mut Chance) -> String {
    if chance.below(10) == 0 {
        return format!("{}.{}", chance.pick(&LEFTWARD), chance.pick(&SUFFIXES[..15]));
    }
    let front = if chance.below(2) == 0 { "www.".to_owned() } else { String::new() };
    let joined = format!("{}-{}", chance.pick(&FOREIGN), chance.pick(&WORDS));
    let label = if chance.below(2) == 0 { &joined } else { chance.pick(&FOREIGN) };
    format!("{front}{label}.{}", chance.pick(&SUFFIXES[..15]))
}

fn invalid(chance: &mut Chance) -> String {
    let name = labels(chance) + "com";
    match chance.below(20) {
        0 => name.replacen('.', " .", 1),
        1 => name.replacen('.', "..", 1),
        2 => format!("_dmarc.{name}"),
        3 => format!("-{name}"),
        4 => name.replacen('.', "-.", 1),
        5 => format!("https://{name}"),
        6 => format!("{name}/index.html"),
        7 => format!("{name}:443"),
        8 => format!("joe@{name}"),
        9 => format!("{}.{name}", "a".repeat(64)),
        10 => name.repeat(12),
        11 => format!("192.0.2.{}", chance.below(256)),
        12 => format!("2001:db8::{:x}", chance.below(65_536)),
        13 => format!("www.*.{name}"),
        14 => format!("xn--{name}"),
        15 => format!("ab--{name}"),
        16 => format!("a\u{5d0}.{name}"),
        17 => format!("a\u{200d}b.{name}"),
        18 => chance.pick(&WORDS).to_owned(),
        _ => format!("{name}.{}", chance.below(1000)),
    }
}

/// Returns `count` entries: 72 % ASCII, 8 % Unicode, 5 % encoded, 5 % wildcards, 10 % invalid.
pub(crate) fn list(count: usize) -> Vec<(Class, String)> {
    let mut chance = Chance(20_261_122);
    let entry = |_| match chance.below(100) {
        0..72 => (Class::Ascii, ascii(&mut chance)),
        72..80 => (Class::Unicode, unicode(&mut chance)),
        80..85 => {
            let name = unicode(&mut chance);
            (Class::Encoded, idna::domain_to_ascii(&name).unwrap_or(name))
        }
        85..90 => (Class::Wildcard, format!("*.{}", ascii(&mut chance))),
        _ => (Class::Invalid, invalid(&mut chance)),
    };
    (0..count).map(entry).collect()
}

/// Returns texts that cost much to refuse or to take, each of about `bytes` bytes, with their names.
pub(crate) fn hostile(bytes: usize) -> Vec<(&'static str, String)> {
    let filled = |unit: &str, end: &str| {
        let mut text = unit.repeat(bytes.saturating_sub(end.len()) / unit.len());
        text.push_str(end);
        text
    };
    // A different character each time, as punycode costs most then.
    let run = |from: u32, end: &str| {
        let mut text = String::new();
        for code in from.. {
            let Some(c) = char::from_u32(code) else { continue };
            if text.len() + c.len_utf8() + end.len() > bytes {
                break;
            }
            text.push(c);
        }
        text + end
    };
    let in_labels = |text: String, len: usize| {
        let mut cut = String::new();
        for (index, c) in text.chars().enumerate() {
            if index > 0 && index % len == 0 {
                cut.push('.');
            }
            cut.push(c);
        }
        cut.truncate(cut.floor_char_boundary(bytes));
        cut
    };
    vec![
        ("one label of letters", filled("a", ".com")),
        ("labels of one letter", filled("a.", "com")),
        ("labels of 63 letters", filled(&format!("{}.", "a".repeat(63)), "com")),
        ("capitals", filled("A", ".com")),
        ("dots", filled(".", "com")),
        ("ideographic full stops", filled("\u{3002}", "com")),
        ("control characters", filled("\u{1b}", ".com")),
        ("umlauts", filled("ü", ".com")),
        ("umlauts of two characters", filled("u\u{308}", ".com")),
        ("umlauts in labels of 50", in_labels("ü".repeat(bytes), 50)),
        ("Hangul of three characters", filled("\u{1112}\u{1161}\u{11ab}", ".com")),
        ("combining marks", filled("\u{301}", ".com")),
        ("marks out of order", filled("\u{301}\u{323}\u{345}\u{334}", ".com")),
        ("marks after a letter", format!("a{}", filled("\u{323}\u{301}", ".com"))),
        ("soft hyphens", filled("\u{ad}", "ü.com")),
        ("variation selectors", filled("\u{fe0f}", "ü.com")),
        ("joiners", filled("\u{200d}", "ü.com")),
        ("joiners after a virama", filled("\u{915}\u{94d}\u{200d}", ".com")),
        ("one character to eighteen", filled("\u{fdfa}", ".com")),
        ("fullwidth letters", filled("ａ", ".com")),
        ("right to left", filled("א", ".com")),
        ("right to left, last label wrong", filled("א.", "1a.com")),
        ("right to left in labels of 40", in_labels("א".repeat(bytes), 40)),
        ("Arabic with digits of both kinds", filled("ب\u{660}1", ".com")),
        ("ideographs, all different", run(0x4e00, ".com")),
        ("ideographs, all different, in labels of 50", in_labels(run(0x4e00, ".com"), 50)),
        ("ideographs beyond 16 bits in labels of 15", in_labels(run(0x2_0000, ".com"), 15)),
        ("Cyrillic in labels of 58", in_labels(run(0x430, ".com"), 58)),
        ("punycode of nothing", filled("xn--a.", "com")),
        ("punycode in one label", format!("xn--{}", filled("a", ".com"))),
        ("punycode of digits in one label", format!("xn--{}", filled("9", ".com"))),
        ("punycode in labels of 63", filled(&format!("xn--{}.", "a".repeat(59)), "com")),
        ("valid punycode", filled("xn--bcher-kva.", "com")),
        ("valid punycode, last label wrong", filled("xn--bcher-kva.", "xn--a.com")),
        ("valid right to left punycode, last label wrong", filled("xn--4dbcd.", "1a.com")),
        ("joiners between letters", filled("ü\u{200c}", ".com")),
        ("ligatures", filled("ﬃ", ".com")),
        ("unassigned", filled("\u{378}", ".com")),
        ("a scheme", format!("https://{}", filled("a.", "com"))),
        ("digits and dots", filled("1.", "1")),
        ("brackets and colons", format!("[{}", filled("0:", "0]"))),
        ("hyphens", filled("-", ".com")),
        ("a wildcard and umlauts", format!("*.{}", filled("ü.", "com"))),
    ]
}

//! What the documents say of each type: the one place where that stands as data.

use super::RecordType;

/// What a type of record is for, what its data consist of, and which document says so.
///
/// ```
/// use nameplate::record::RecordType;
///
/// let reference = RecordType::Mx.reference();
/// assert_eq!(reference.document(), "RFC 1035 section 3.3.9, RFC 7505");
/// assert_eq!(reference.parts()[0], ("preference", "0 to 65535; the lowest is tried first"));
/// assert_eq!(reference.example(), "10 mail.example.com.");
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TypeReference {
    purpose: &'static str,
    document: &'static str,
    parts: &'static [(&'static str, &'static str)],
    example: &'static str,
}

impl TypeReference {
    /// Returns what the type is for, as one phrase.
    pub const fn purpose(self) -> &'static str {
        self.purpose
    }

    /// Returns the document that defines the data, with its section.
    pub const fn document(self) -> &'static str {
        self.document
    }

    /// Returns the fields of the data in the order of the presentation text, and what each may be.
    pub const fn parts(self) -> &'static [(&'static str, &'static str)] {
        self.parts
    }

    /// Returns data in canonical presentation text.
    pub const fn example(self) -> &'static str {
        self.example
    }
}

const TARGET: (&str, &str) = ("target", "a name");
const PRIORITY: (&str, &str) = ("priority", "0 to 65535; 0 makes an alias of the target");
const SVC_TARGET: (&str, &str) = ("target", "a name; `.` is the owner itself");
const SVC_PARAMS: (&str, &str) = (
    "parameters",
    "`alpn`, `no-default-alpn`, `port`, `ipv4hint`, `ech`, `ipv6hint`, `mandatory` and others, each at most once",
);
const VALUE: (&str, &str) = ("value", "printable text, kept as given");

impl RecordType {
    /// Returns what the documents say of the type.
    pub const fn reference(self) -> TypeReference {
        match self {
            Self::A => TypeReference {
                purpose: "an IPv4 address",
                document: "RFC 1035 section 3.4.1",
                parts: &[("address", "four numbers from 0 to 255")],
                example: "192.0.2.44",
            },
            Self::Ns => TypeReference {
                purpose: "a name server of the zone, or of one below it",
                document: "RFC 1035 section 3.3.11",
                parts: &[TARGET],
                example: "ns1.example.net.",
            },
            Self::Cname => TypeReference {
                purpose: "the name that this one is an alias of",
                document: "RFC 1035 section 3.3.1",
                parts: &[TARGET],
                example: "edge.example.net.",
            },
            Self::Soa => TypeReference {
                purpose: "the start of a zone",
                document: "RFC 1035 section 3.3.13",
                parts: &[
                    ("mname", "the name of the primary server"),
                    ("rname", "the mailbox of who is responsible, as a name"),
                    ("serial", "0 to 4294967295"),
                    ("refresh", "seconds, 0 to 4294967295"),
                    ("retry", "seconds, 0 to 4294967295"),
                    ("expire", "seconds, 0 to 4294967295"),
                    (
                        "minimum",
                        "seconds, 0 to 4294967295; TTL of negative answers, RFC 2308 section 4",
                    ),
                ],
                example: "ns1.example.net. hostmaster.example.com. 2026112201 7200 3600 1209600 300",
            },
            Self::Ptr => TypeReference {
                purpose: "a name, most often that of an address",
                document: "RFC 1035 section 3.3.12",
                parts: &[TARGET],
                example: "host.example.com.",
            },
            Self::Mx => TypeReference {
                purpose: "a host that takes mail",
                document: "RFC 1035 section 3.3.9, RFC 7505",
                parts: &[
                    ("preference", "0 to 65535; the lowest is tried first"),
                    ("exchange", "the name of a host; `.` with preference 0 means no mail at all"),
                ],
                example: "10 mail.example.com.",
            },
            Self::Txt => TypeReference {
                purpose: "text",
                document: "RFC 1035 section 3.3.14",
                parts: &[("text", "one or more strings of at most 255 octets, read as one")],
                example: "\"v=spf1 -all\"",
            },
            Self::Aaaa => TypeReference {
                purpose: "an IPv6 address",
                document: "RFC 3596 section 2.2",
                parts: &[("address", "an IPv6 address, written as RFC 5952 has it")],
                example: "2001:db8::44",
            },
            Self::Loc => TypeReference {
                purpose: "a place on Earth",
                document: "RFC 1876 section 3",
                parts: &[
                    ("latitude", "degrees, minutes, seconds, `N` or `S`"),
                    ("longitude", "degrees, minutes, seconds, `E` or `W`"),
                    ("altitude", "meters, -100000.00 to 42849672.95"),
                    ("size, precisions", "meters, 0 to 90000000.00"),
                ],
                example: "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m",
            },
            Self::Srv => TypeReference {
                purpose: "the host and port of a service",
                document: "RFC 2782",
                parts: &[
                    ("priority", "0 to 65535; the lowest is tried first"),
                    ("weight", "0 to 65535; share among those of one priority"),
                    ("port", "0 to 65535"),
                    ("target", "the name of a host; `.` means that there is no such service"),
                ],
                example: "20 50 5061 sip.example.com.",
            },
            Self::Naptr => TypeReference {
                purpose: "a rule that rewrites a name",
                document: "RFC 3403 section 4.1",
                parts: &[
                    ("order", "0 to 65535"),
                    ("preference", "0 to 65535"),
                    ("flags", "letters and digits, in quotes"),
                    ("services", "text of at most 255 octets"),
                    ("regexp", "text of at most 255 octets"),
                    ("replacement", "a name; `.` if there is a regexp"),
                ],
                example: "100 10 \"S\" \"SIP+D2U\" \"\" _sip._udp.example.com.",
            },
            Self::Dname => TypeReference {
                purpose: "the name that everything below this one is an alias of",
                document: "RFC 6672 section 2.1",
                parts: &[TARGET],
                example: "example.net.",
            },
            Self::Ds => TypeReference {
                purpose: "the digest of a key of a delegated zone",
                document: "RFC 4034 section 5.1",
                parts: &[
                    ("key tag", "0 to 65535"),
                    ("algorithm", "0 to 255"),
                    ("digest type", "0 to 255"),
                    ("digest", "hex digits"),
                ],
                example: "60485 5 1 2bb183af5f22588179a53b0a98631fad1a292118",
            },
            Self::Sshfp => TypeReference {
                purpose: "the fingerprint of an SSH host key",
                document: "RFC 4255 section 3.1",
                parts: &[
                    ("algorithm", "0 to 255"),
                    ("fingerprint type", "0 to 255"),
                    ("fingerprint", "hex digits"),
                ],
                example: "2 1 123456789abcdef67890123456789abcdef67890",
            },
            Self::Tlsa => TypeReference {
                purpose: "the certificate or key that a TLS server has",
                document: "RFC 6698 section 2.1",
                parts: &[
                    ("usage", "0 to 255"),
                    ("selector", "0 to 255"),
                    ("matching type", "0 to 255"),
                    ("data", "hex digits"),
                ],
                example: "3 1 1 d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971",
            },
            Self::Svcb => TypeReference {
                purpose: "where and how a service is reached",
                document: "RFC 9460 section 2",
                parts: &[PRIORITY, SVC_TARGET, SVC_PARAMS],
                example: "1 svc.example.com. alpn=\"h2\" port=8443",
            },
            Self::Https => TypeReference {
                purpose: "where and how a web site is reached",
                document: "RFC 9460 section 9",
                parts: &[PRIORITY, SVC_TARGET, SVC_PARAMS],
                example: "1 . alpn=\"h2,h3\"",
            },
            Self::Caa => TypeReference {
                purpose: "which certificate authorities may issue",
                document: "RFC 8659 section 4.1",
                parts: &[
                    ("flags", "0 to 255; 128 is critical"),
                    ("tag", "1 to 255 letters and digits"),
                    ("value", "text"),
                ],
                example: "0 issue \"letsencrypt.org\"",
            },
            Self::Alias => TypeReference {
                purpose: "a name whose addresses the server answers with",
                document: "no RFC; as several servers have it",
                parts: &[TARGET],
                example: "edge.example.net.",
            },
            Self::Flatten => TypeReference {
                purpose: "a name whose addresses the provider answers with",
                document: "the published APIs",
                parts: &[TARGET],
                example: "edge.example.net.",
            },
            Self::PullZone => TypeReference {
                purpose: "a pull zone of the provider's network",
                document: "the published APIs",
                parts: &[VALUE],
                example: "shop",
            },
            Self::Redirect => TypeReference {
                purpose: "the address of a web page to go to",
                document: "the published APIs",
                parts: &[VALUE],
                example: "https://www.example.com/",
            },
            Self::Script => TypeReference {
                purpose: "a script that the provider answers with",
                document: "the published APIs",
                parts: &[VALUE],
                example: "geo-router",
            },
            Self::Unknown(_) => TypeReference {
                purpose: "a type that has no name here",
                document: "RFC 3597 section 5",
                parts: &[
                    ("mark", "`\\#`"),
                    ("length", "0 to 65535 octets"),
                    ("data", "hex digits"),
                ],
                example: "\\# 3 abcdef",
            },
        }
    }
}

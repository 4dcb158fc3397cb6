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
            Self::Dname => TypeReference {
                purpose: "the name that everything below this one is an alias of",
                document: "RFC 6672 section 2.1",
                parts: &[TARGET],
                example: "example.net.",
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

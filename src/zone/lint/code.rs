//! The list of findings: code, severity, rule and advice.

use std::fmt;

use serde::{Serialize, Serializer};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Severity {
    /// Servers refuse it, or what it is for does not work.
    Error,
    /// It is legal, and wrong in practice or soon.
    Warning,
}

impl Severity {
    /// Returns the stable name, for APIs and metrics labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Severity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Writes the enum, so that a code is listed once: here.
macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident = $severity:ident $text:literal, $advice:literal;)*) => {
        /// What is wrong in a zone, one code for each rule.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[non_exhaustive]
        pub enum LintCode {
            $($(#[$doc])* $code,)*
        }

        impl LintCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$code,)*];

            /// Returns the stable code, for APIs and metrics labels.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$code => $text,)*
                }
            }

            /// Returns how bad it is.
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$code => Severity::$severity,)*
                }
            }

            /// Returns what to do, in one sentence.
            pub const fn advice(self) -> &'static str {
                match self {
                    $(Self::$code => $advice,)*
                }
            }
        }
    };
}

codes! {
    /// An A or AAAA record has an address that the Internet does not route: private (RFC 1918,
    /// 4193), for documentation (RFC 5737, 3849, 9637), loopback, link-local, unspecified, or
    /// otherwise not global in the registries of RFC 6890.
    AddressNotPublic = Warning "address_not_public",
        "use an address that visitors can reach";
    /// A chain of more than eight aliases: resolvers give up after about ten, and RFC 1034 section
    /// 3.6.2 asks to point at the last name.
    AliasChain = Warning "alias_chain",
        "point the first alias at the last name";
    /// Aliases lead back to where they started, RFC 1034 section 3.6.2.
    AliasLoop = Error "alias_loop",
        "point one of the aliases at a name that has data of its own";
    /// An ALIAS or Flatten record stands beside A or AAAA records, which it makes itself.
    AliasWithAddress = Error "alias_with_address",
        "keep either the alias or the addresses";
    /// Names below a DNAME do not exist, RFC 6672 section 2.4.
    BelowDname = Error "below_dname",
        "remove the records below the DNAME, or the DNAME";
    /// The value of an `issue` or `issuewild` property cannot be read, which forbids every
    /// authority to issue (RFC 8659 section 4.2).
    CaaMalformed = Warning "caa_malformed",
        "write the domain of the authority, or `;` to forbid all of them";
    /// A property that is critical, and that no authority knows: nobody may issue (RFC 8659 section
    /// 4.1).
    CaaUnknownCritical = Warning "caa_unknown_critical",
        "set the flags to 0, or use a tag that authorities know";
    /// The apex of a zone has a SOA, so it cannot have a CNAME: RFC 1034 section 3.6.2, RFC 1912
    /// section 2.4.
    CnameAtApex = Error "cname_at_apex",
        "use address records, or the alias type of the provider";
    /// A name is an alias of one other, RFC 2181 section 10.1.
    CnameMultiple = Error "cname_multiple",
        "keep one CNAME";
    /// A name with a CNAME has no other data, RFC 1034 section 3.6.2, but for those of DNSSEC: RFC
    /// 2181 section 10.1 and RFC 4035 section 2.5.
    CnameWithOtherData = Error "cname_with_other_data",
        "keep either the CNAME or the other records";
    /// A digest is not as long as its type calls for, so that nothing matches it: SSHFP (RFC 4255
    /// section 3.1.2, RFC 6594; BIND refuses it) and TLSA (RFC 6698 section 2.1.3).
    DigestLength = Error "digest_length",
        "give the whole digest in hexadecimal";
    /// Several texts at `_dmarc` are DMARC policies: then none applies (RFC 7489 section 6.6.3).
    DmarcMultiple = Error "dmarc_multiple",
        "keep one policy";
    /// What a DNAME at a wildcard does is not defined, RFC 4592 section 4.4.
    DnameAtWildcard = Warning "dname_at_wildcard",
        "give each name a DNAME of its own";
    /// An owner has at most one DNAME, RFC 6672 section 2.4.
    DnameMultiple = Error "dname_multiple",
        "keep one DNAME";
    /// A DNAME stands beside NS records only at the apex, RFC 6672 section 2.3.
    DnameWithNs = Error "dname_with_ns",
        "keep either the DNAME or the delegation";
    /// A DS record belongs to the zone above, RFC 4035 section 2.4.
    DsAtApex = Error "ds_at_apex",
        "give the DS record to the registrar, or put it into the zone above";
    /// A DS record belongs to a delegation, RFC 4035 section 2.4.
    DsWithoutNs = Warning "ds_without_ns",
        "add the NS records of the delegation, or remove the DS record";
    /// The same record twice, which is one record: RFC 2181 section 5.
    Duplicate = Warning "duplicate",
        "keep one of them";
    /// A name server is below the zone that it is to serve, and has no address here: nobody can
    /// find it (RFC 1034 section 4.2.1, RFC 9471 section 3).
    GlueMissing = Error "glue_missing",
        "add the A and AAAA records of the name server";
    /// The owner of addresses or mail, or the target of NS, MX, SRV or SOA, is no host name: labels
    /// of letters, digits and inner hyphens (RFC 952, RFC 1123 section 2.1, RFC 2181 section 11).
    /// BIND refuses such a zone unless told otherwise.
    HostName = Warning "host_name",
        "use letters, digits and hyphens";
    /// A rule that cannot be carried out: its substitution is malformed (RFC 3402 section 3.2; BIND
    /// refuses it), or there is a replacement beside it (RFC 3403 section 4.1).
    NaptrMalformed = Error "naptr_malformed",
        "write the substitution as `!expression!replacement!`, or leave it empty and name a host";
    /// Name servers of a wildcard mean nothing, RFC 4592 section 4.2.
    NsAtWildcard = Error "ns_at_wildcard",
        "delegate each name";
    /// A zone has name servers, RFC 1034 section 4.2.1.
    NsMissing = Error "ns_missing",
        "add the NS records of the zone";
    /// The MX that says that no mail is accepted has preference 0, RFC 7505 section 3.
    NullMxPreference = Warning "null_mx_preference",
        "set the preference to 0";
    /// MX records beside the one that says that no mail is accepted, RFC 7505 section 3.
    NullMxWithOthers = Error "null_mx_with_others",
        "keep either the null MX or the other MX records";
    /// What stands below a delegation, or beside it, is not answered from this zone, but for the
    /// addresses of name servers: RFC 1034 section 4.2.1, RFC 2181 section 6.
    Occluded = Warning "occluded",
        "move the records into the zone that is delegated";
    /// The owner is not in the zone, RFC 1035 section 5.2.
    OutsideZone = Error "outside_zone",
        "put the record into its own zone; a name that lacks its final dot may be meant";
    /// A service is looked for at names with an underscore: SRV (RFC 2782), TLSA (RFC 6698 section
    /// 3), DMARC policies (RFC 7489 section 6.1) and DKIM keys (RFC 6376 section 3.6.2.1).
    ServiceName = Warning "service_name",
        "put it where it is looked for, as at `_dmarc` or `_443._tcp`";
    /// A name server is below another delegation, and its address is not known here: resolvers need
    /// another way to it (RFC 9471 section 3.2).
    SiblingGlueMissing = Warning "sibling_glue_missing",
        "add the A and AAAA records of the name server";
    /// A SOA is at the apex, RFC 1035 section 5.2.
    SoaBelowApex = Error "soa_below_apex",
        "remove it, or delegate the name to a zone of its own";
    /// A zone has a SOA, RFC 1035 section 5.2.
    SoaMissing = Error "soa_missing",
        "add the SOA record of the zone";
    /// A zone has one SOA, RFC 1035 section 5.2.
    SoaMultiple = Error "soa_multiple",
        "keep one SOA";
    /// Several texts at a name are SPF records: then checks end in an error (RFC 7208 sections 3.2
    /// and 4.5).
    SpfMultiple = Error "spf_multiple",
        "join them to one record";
    /// Several records of which one is in AliasMode: the others are ignored, or one of the aliases
    /// is taken at random (RFC 9460 sections 2.4.1 and 2.4.2).
    SvcbAliasBesideOthers = Warning "svcb_alias_beside_others",
        "keep either one record of priority 0 or those of other priorities";
    /// Parameters of a record in AliasMode are ignored, RFC 9460 section 2.4.2.
    SvcbAliasParams = Warning "svcb_alias_params",
        "put the parameters at the target, or set the priority to 1";
    /// A host is meant, and an IP address stands there as if it were a name: RFC 1035 section 3.3.9
    /// and 3.3.11, RFC 2782.
    TargetAddress = Error "target_is_address",
        "use the name of a host, and give that name the address";
    /// The target of NS, MX or SRV is an alias, which it must not be: RFC 2181 section 10.3, RFC
    /// 2782.
    TargetAlias = Error "target_is_alias",
        "use the name that the alias leads to";
    /// The target of NS, MX or SRV is in this zone and has no address, RFC 2181 section 10.3.
    TargetWithoutAddress = Error "target_without_address",
        "add the A and AAAA records of the target";
    /// A text starts and ends with a quote: most likely quotes were given where none are expected.
    TextQuoted = Warning "text_quoted",
        "leave out the quotes";
    /// The records of a set have different TTLs, RFC 2181 section 5.2.
    TtlDiffers = Warning "ttl_differs",
        "give all records of the set one TTL";
    /// A TTL above one week, which resolvers cut (RFC 8767 section 4, BIND's `max-cache-ttl`), and
    /// for which a mistake stays.
    TtlLong = Warning "ttl_long",
        "use one day or less";
    /// A TTL of zero: no resolver keeps the record (RFC 1035 section 3.2.1), so that each visit
    /// asks.
    TtlZero = Warning "ttl_zero",
        "use at least 60 seconds";
}

impl LintCode {
    /// Returns whether the rule can be judged only with the whole zone, rather than with the records of
    /// one name.
    pub const fn needs_the_zone(self) -> bool {
        matches!(
            self,
            Self::AliasChain
                | Self::AliasLoop
                | Self::BelowDname
                | Self::DsWithoutNs
                | Self::GlueMissing
                | Self::NsMissing
                | Self::Occluded
                | Self::SiblingGlueMissing
                | Self::SoaMissing
                | Self::TargetAlias
                | Self::TargetWithoutAddress
        )
    }
}

impl fmt::Display for LintCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for LintCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

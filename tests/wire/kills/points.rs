//! The points at which a worker can be killed: before and after each call that it makes.

/// The calls to what is plugged in. Nobody mails anything here, and a registrar is asked by nobody yet.
const CALLS: [&str; 24] = [
    // An account is made when there is none: at first, and when the authority has forgotten it.
    "ca.enroll",
    "ca.certificate",
    "ca.finalize",
    "ca.open_order",
    "ca.progress",
    "ca.respond",
    "dns.arrange",
    "dns.publish",
    "dns.record_set",
    "dns.unpublish",
    "dns.zone_of",
    "resolver.lookup",
    "sealer.open",
    "sealer.seal",
    "store.commit",
    "store.entries",
    "store.extend",
    "store.find",
    "store.get",
    "store.lease",
    "store.list",
    "store.now",
    "store.restore",
    "store.trim",
];

/// What workers do not come by in minutes: an operator does it, who has a worker's process do so.
const CHORES: [&str; 2] = ["store.restore", "store.trim"];

/// Returns every point, as a tape names it.
pub(super) fn all() -> impl Iterator<Item = String> {
    CALLS.iter().flat_map(|call| ["before", "after"].map(|moment| format!("{moment} {call}")))
}

/// Returns whether an operator has to come for a point to be passed.
pub(super) fn is_a_chore(point: &str) -> bool {
    CHORES.iter().any(|chore| point.ends_with(chore))
}

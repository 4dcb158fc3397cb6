//! What reading a name allocates: the name, and nothing for a text that is none.

#[path = "../benches/names/list.rs"]
mod list;

use std::{alloc::System, hint::black_box};

use list::Class;
use nameplate::name::{ClaimPolicy, DnsName, DomainName};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn allocations<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let region = Region::new(ALLOCATOR);
    let done = black_box(work());
    let change = region.change();
    (done, change.allocations + change.reallocations)
}

/// One test, since all threads share the counters.
#[test]
fn a_name_takes_one_allocation_and_a_refusal_none() {
    let list = list::list(20_000);
    let policy = ClaimPolicy::new();
    let mut refused = 0;
    for (class, text) in &list {
        let (name, count) = allocations(|| text.parse::<DomainName>());
        match name {
            Ok(name) => {
                assert_eq!(count, 1, "{text}");
                let (_, count) = allocations(|| name.registrable().is_some());
                assert_eq!(count, 0, "{text}");
                let (admitted, count) = allocations(|| policy.admit(&name).is_ok());
                assert!(count == 0 || !admitted, "{text}");
            }
            Err(error) => {
                assert_eq!(count, 0, "{text}: {error}");
                refused += 1;
            }
        }
        let (name, count) = allocations(|| text.parse::<DnsName>());
        if matches!(class, Class::Ascii | Class::Encoded | Class::Wildcard) {
            assert!(name.is_ok());
            assert_eq!(count, 1, "{text}");
        }
    }
    assert!(refused > 1500, "{refused}");
    for bytes in [60, 250, 1015, 4096] {
        for (what, text) in list::hostile(bytes) {
            let (_, count) = allocations(|| text.parse::<DomainName>().is_ok());
            // The idna crate has room for 253 characters, 8 labels and 17 marks in a row before it
            // allocates; what is longer than the limit does not get so far.
            let limit = if bytes > 1015 { 0 } else { 16 };
            assert!(count <= limit, "{what}, {bytes}: {count}");
        }
    }
}

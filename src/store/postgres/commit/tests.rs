use std::mem::size_of_val;

use crate::{
    error::ErrorKind,
    id::OperationId,
    store::{
        Batch, Body, Expect, Header, Key, Kind, LeaseRequest, Write,
        postgres::{PostgresBuilder, Shared},
    },
};

/// A store whose server is not there.
fn nowhere() -> Shared {
    PostgresBuilder::of_url("postgres://user@127.0.0.1:1/database").shared().unwrap()
}

/// Futures are boxed and copied with every call.
#[test]
fn what_a_call_keeps_while_it_waits_is_small() {
    let (shared, batch) = (nowhere(), Batch::new(OperationId::from_bytes([1; 16])));
    let wanted = LeaseRequest::new([Kind::Domain], 1, std::time::Duration::from_secs(1));
    let sizes = [
        ("commit", size_of_val(&shared.commit(&batch)), 10_000),
        ("get", size_of_val(&shared.get(&[])), 4_000),
        ("lease", size_of_val(&shared.lease(&wanted)), 5_000),
    ];
    for (call, size, most) in sizes {
        assert!(size <= most, "{call}: {size} bytes; {sizes:?}");
    }
}

#[tokio::test]
async fn a_batch_that_no_message_holds_is_refused_before_anything_is_sent() {
    let mut shared = nowhere();
    let key = Key::new(Kind::Domain, "one");
    let body = Body::new("x".repeat(1000));
    let put = Write::Put { key, expect: Expect::Absent, header: Header::default(), body };
    let batch = Batch::new(OperationId::from_bytes([1; 16])).with(put);
    shared.largest = 1000;
    let error = shared.commit(&batch).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(error.message().contains("no message of more than 1000"), "{error}");
}

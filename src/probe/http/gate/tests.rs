use std::{pin::pin, task::Poll};

use super::*;

async fn is_ready<F: Future>(mut future: std::pin::Pin<&mut F>) -> bool {
    std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_ready())).await
}

#[tokio::test]
async fn places_are_counted_for_each_key() {
    let gate = Gate::new(2);
    let first = gate.enter("a").await;
    let _second = gate.enter("a").await;
    let _other = gate.enter("b").await;
    let mut third = pin!(gate.enter("a"));
    assert!(!is_ready(third.as_mut()).await);
    drop(first);
    assert!(is_ready(third).await);
}

#[tokio::test]
async fn nothing_is_kept_of_who_has_left() {
    let gate = Gate::new(1);
    for key in 0..1000 {
        drop(gate.enter(key).await);
    }
    assert_eq!(gate.rooms.lock().unwrap().len(), 1);
}

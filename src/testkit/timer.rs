//! A timer that never rings.

use std::{future::pending, time::Duration};

use async_trait::async_trait;

use crate::clock::Timer;

/// A timer that never rings, for tests in which no call is to run into its deadline.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to add")]
pub struct EndlessTimer;

#[async_trait]
impl Timer for EndlessTimer {
    async fn sleep(&self, _: Duration) {
        pending().await
    }
}

//! Waiting for several things at once, without a runtime.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use crate::clock::Timer;

/// A future in a box.
pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Drives all futures and returns what they gave, in their order.
pub(crate) async fn all<T>(futures: Vec<Boxed<'_, T>>) -> Vec<T> {
    let mut slots: Vec<(Option<Boxed<'_, T>>, Option<T>)> =
        futures.into_iter().map(|future| (Some(future), None)).collect();
    poll_fn(|context| {
        let mut waiting = false;
        for (future, done) in &mut slots {
            let Some(running) = future else { continue };
            match running.as_mut().poll(context) {
                Poll::Ready(value) => {
                    *done = Some(value);
                    *future = None;
                }
                Poll::Pending => waiting = true,
            }
        }
        if waiting { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    slots.into_iter().filter_map(|(_, done)| done).collect()
}

/// What came first.
pub(crate) enum First<A, B> {
    /// The left one.
    Left(A),
    /// The right one.
    Right(B),
}

/// Drives two futures until one is done; the left one if both are.
pub(crate) async fn first<A, B>(
    left: impl Future<Output = A> + Send,
    right: impl Future<Output = B> + Send,
) -> First<A, B> {
    let mut left = pin!(left);
    let mut right = pin!(right);
    poll_fn(|context| {
        if let Poll::Ready(value) = left.as_mut().poll(context) {
            return Poll::Ready(First::Left(value));
        }
        match right.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(First::Right(value)),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Drives a future for at most `limit`; `None` if it took longer. It is dropped then.
///
/// What is done at once needs no clock: the time begins when there is something to wait for.
pub(crate) async fn within<T>(
    timer: &dyn Timer,
    limit: Duration,
    future: impl Future<Output = T> + Send,
) -> Option<T> {
    let mut future = pin!(future);
    let mut end = None;
    poll_fn(|context| {
        if let Poll::Ready(value) = future.as_mut().poll(context) {
            return Poll::Ready(Some(value));
        }
        let end = end.get_or_insert_with(|| timer.sleep(limit));
        end.as_mut().poll(context).map(|()| None)
    })
    .await
}

/// Drives a future that may panic; `None` if it did. It is dropped then, and may panic once more: also
/// when nobody waits for it any more.
///
/// What it shares with others must be whole whenever it can panic: it is, since nothing of ours is
/// locked while a backend is called.
pub(crate) const fn caught<T>(future: Boxed<'_, T>) -> Caught<'_, T> {
    Caught(Some(future))
}

/// A future out of which nothing panics.
pub(crate) struct Caught<'a, T>(Option<Boxed<'a, T>>);

impl<T> Caught<'_, T> {
    fn end(&mut self) {
        let ended = self.0.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(ended)));
    }
}

impl<T> Future for Caught<'_, T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let Some(running) = &mut self.0 else { return Poll::Ready(None) };
        let polled = catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(context)));
        if let Ok(Poll::Pending) = polled {
            return Poll::Pending;
        }
        self.end();
        Poll::Ready(match polled {
            Ok(Poll::Ready(value)) => Some(value),
            _ => None,
        })
    }
}

impl<T> Drop for Caught<'_, T> {
    fn drop(&mut self) {
        self.end();
    }
}

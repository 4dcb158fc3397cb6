use std::net::Ipv4Addr;

use async_trait::async_trait;
use tokio::time::Instant;

use super::*;
use crate::clock::TokioTimer;

/// A timer by which nobody ever has waited long enough.
#[derive(Debug)]
struct Endless;

#[async_trait]
impl Timer for Endless {
    async fn sleep(&self, _: Duration) {
        std::future::pending().await
    }
}

fn server(number: u32) -> SocketAddr {
    (Ipv4Addr::from_bits(number), 53).into()
}

impl Lanes {
    fn open(&self, to: SocketAddr) -> Room {
        match self.enter(to) {
            Entrance::Open(room) => room,
            Entrance::Full(_) => panic!("the lane to {to} is full"),
        }
    }

    fn full(&self, to: SocketAddr) -> Queue {
        match self.enter(to) {
            Entrance::Open(_) => panic!("there is room in the lane to {to}"),
            Entrance::Full(queue) => queue,
        }
    }
}

#[tokio::test]
async fn a_lane_has_its_room_and_who_leaves_gives_it_to_the_first_who_waits() {
    let lanes = Lanes::new(2);
    let (one, _other) = (lanes.open(server(1)), lanes.open(server(1)));
    let first = tokio::spawn(lanes.full(server(1)).wait(&Endless));
    tokio::task::yield_now().await;
    let second = tokio::spawn(lanes.full(server(1)).wait(&Endless));
    tokio::task::yield_now().await;
    drop(one);
    let room = first.await.unwrap();
    assert!(room._permit.is_some());
    assert!(!second.is_finished());
    // Who comes now does not pass by.
    lanes.full(server(1));
    drop(room);
    second.await.unwrap();
    lanes.open(server(1));
    // Another server has a lane of its own.
    lanes.open(server(2));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_silent_server_for_good() {
    let lanes = Lanes::new(1);
    let _silent = lanes.open(server(1));
    let start = Instant::now();
    let queues: Vec<_> = (0..1000).map(|_| lanes.full(server(1))).collect();
    let waiting: Vec<_> =
        queues.into_iter().map(|queue| tokio::spawn(queue.wait(&TokioTimer))).collect();
    for (before, waiting) in waiting.into_iter().enumerate() {
        waiting.await.unwrap();
        let millis = start.elapsed().as_millis();
        assert!((before..before + 3).contains(&usize::try_from(millis).unwrap()), "{millis} ms");
    }
    // They are gone: whoever comes now is the first.
    let start = Instant::now();
    lanes.full(server(1)).wait(&TokioTimer).await;
    assert!(start.elapsed() < Duration::from_millis(3));
}

#[test]
fn lanes_are_bounded_and_empty_ones_make_room() {
    let lanes = Lanes::new(1);
    let count = || lanes.known.lock().unwrap().len();
    let most = u32::try_from(Lanes::MAX).unwrap();
    let rooms: Vec<_> = (0..most).map(|number| lanes.open(server(number))).collect();
    assert_eq!(count(), Lanes::MAX);
    // Nobody is kept back by that.
    let beyond = [lanes.open(server(most)), lanes.open(server(most))];
    assert_eq!(count(), Lanes::MAX);
    lanes.full(server(0));
    drop((rooms, beyond));
    lanes.open(server(most));
    assert_eq!(count(), 1);
}

//! The workers, and what is done to them.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, Command},
    time::Duration,
};

use tokio::time::{Instant, timeout};

use super::{
    super::{
        outage::Slot,
        plan::Fault,
        platform::LEASE,
        points,
        worker::{Role, Said, command},
    },
    Siege,
};

/// How often a point is waited for.
const TRIES: u32 = 8;

/// How long a point is waited for at first; each time that much longer.
const WAIT: Duration = Duration::from_secs(6);

/// What is still to be done to some process at one point.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) point: String,
    pub(super) fault: Fault,
    pub(super) tries: u32,
}

/// A worker.
pub(super) struct Process {
    number: usize,
    pub(super) child: Child,
    input: ChildStdin,
    /// Its way to the database.
    slot: Option<Slot>,
    pub(super) target: Option<Target>,
    started: Instant,
    /// What happens to it next, and when.
    next: (Next, Instant),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// A fault, wherever it is.
    Fault(Fault),
    /// It can write again.
    Recover,
    /// It goes on.
    Resume,
    /// Nothing.
    Rest,
}

impl Siege {
    /// Returns whether something is yet to happen to a worker that enrolls.
    pub(super) fn awaits_enrollment(&self) -> bool {
        let is_one = |target: &&Target| target.point.ends_with("ca.enroll");
        // What was missed once is made to happen again, on a walk.
        let is_next = |target: &&Target| target.tries == 0 || !self.is_walking();
        let is_next = self.targets.iter().filter(is_one).any(|target| is_next(&target));
        let mut besieged = self.processes.iter().filter_map(|process| process.target.as_ref());
        is_next || besieged.any(|target| is_one(&target))
    }

    /// Starts a worker that something is going to happen to.
    pub(super) fn start_besieged(&mut self) {
        let target = self.targets.pop_front();
        let at = target.as_ref().map(|target| {
            // What happens once in the life of a store, or was waited for in vain, happens at once.
            let is_rare = target.tries > 0
                || target.point.ends_with("enroll")
                || points::is_a_chore(&target.point);
            let passes = if is_rare { 0 } else { self.dice.below(3) };
            (target.point.clone(), usize::try_from(passes).unwrap())
        });
        // Who is held up does little else.
        let drags = target.as_ref().is_some_and(|target| target.point.ends_with("store.extend"));
        let next = match &target {
            Some(target) => (Next::Fault(Fault::Kill), WAIT * (target.tries + 1)),
            None => {
                let choice = self.dice.below(self.plan.anywhere.len() as u64);
                let fault = self.plan.anywhere.get(usize::try_from(choice).unwrap());
                let wait = Duration::from_millis(300 + self.dice.below(2500));
                (Next::Fault(fault.copied().unwrap_or(Fault::Kill)), wait)
            }
        };
        let tenants = Some(self.dice.draw());
        // A write that is too long is an error then, and not the end of the process.
        let script = Some("trap '' XFSZ; exec \"$@\"".to_owned());
        let slot = self.free_slot();
        let through = slot.as_ref().map(Slot::address);
        let role = Role { at, drags, tenants, through, script };
        self.start(&role, slot, target, (next.0, Instant::now() + next.1));
    }

    /// Returns a way to the database that nobody uses, if there is a database.
    fn free_slot(&self) -> Option<Slot> {
        let is_free = |slot: &&Slot| {
            let used = self.processes.iter().filter_map(|process| process.slot.as_ref());
            !used.map(Slot::address).any(|address| address == slot.address())
        };
        self.slots.iter().find(is_free).cloned()
    }

    pub(super) fn start(
        &mut self,
        role: &Role,
        slot: Option<Slot>,
        target: Option<Target>,
        next: (Next, Instant),
    ) {
        let mut child = command(&self.place, role).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        self.started += 1;
        let number = self.started;
        let say = self.say.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(io::Result::ok) {
                if let Some(said) = Said::read(&line) {
                    let _ = say.send((number, Some(said)));
                }
            }
            let _ = say.send((number, None));
        });
        if let Some(slot) = &slot {
            *slot.process.lock().unwrap() = Some(child.id());
        }
        self.processes.push(Process {
            number,
            child,
            input,
            slot,
            target,
            started: Instant::now(),
            next,
        });
    }

    /// Takes note of what processes say, for a while.
    pub(super) async fn listen(&mut self, wait: Duration) {
        let Ok(Some(first)) = timeout(wait, self.said.recv()).await else { return };
        let mut next = Some(first);
        while let Some((number, said)) = next {
            self.heard(number, said);
            next = self.said.try_recv().ok();
        }
    }

    fn heard(&mut self, number: usize, said: Option<Said>) {
        let place = self.processes.iter().position(|process| process.number == number);
        match said {
            Some(Said::Started) => {
                // What happens to it is counted from here, however long it took to start.
                let Some(place) = place else { return };
                let process = &mut self.processes[place];
                process.next.1 += process.started.elapsed();
            }
            Some(Said::Failed(why)) => {
                self.failed.insert(why);
            }
            Some(Said::Wrong(what)) => panic!("a tenant was told: {what}"),
            Some(Said::Passed(point)) => self.found(point),
            Some(Said::Halted) => {
                let Some(place) = place else { return };
                let Some(target) = self.processes[place].target.take() else { return };
                self.hit(place, &target.point, target.fault);
            }
            Some(Said::Refused(why)) => {
                // One that is stopped in the middle of a commit holds up all that write.
                let is_stopped = |process: &Process| process.next.0 == Next::Resume;
                let is_locked = why.contains("locked") && self.processes.iter().any(is_stopped);
                assert!(is_locked || self.outages.is_some(), "a worker cannot start: {why}");
                let Some(place) = place else { return };
                let mut process = self.processes.remove(place);
                process.child.kill().unwrap();
                process.child.wait().unwrap();
                self.targets.extend(process.target);
                // As a service manager does, which tries again after a while.
                self.start_at = Instant::now() + Duration::from_millis(200);
            }
            None => {
                let Some(place) = place else { return };
                let status = self.processes[place].child.wait().unwrap();
                panic!("a worker ended by itself: {status}");
            }
        }
    }

    /// Plans what is to happen at a point that was not known yet.
    fn found(&mut self, point: String) {
        if !self.points.insert(point.clone()) || point.ends_with("ca.enroll") {
            return;
        }
        assert!(points::all().any(|known| known == point), "{point} is missing in the list");
        for fault in self.plan.at_points.clone() {
            // It waits for its turn already.
            if fault == Fault::Kill && self.plan.walks {
                continue;
            }
            // One stop at least, whatever chance says: without it a run shows nothing of stops.
            let is_planned = fault != Fault::Stop
                || self.dice.below(self.plan.stop_each) == 0
                || !self.plans_a_stop;
            self.plans_a_stop |= fault == Fault::Stop;
            if is_planned {
                let target = Target { point: point.clone(), fault, tries: 0 };
                match &mut self.later {
                    Some(later) => later.push(target),
                    None => self.targets.push_back(target),
                }
            }
        }
    }

    /// Does what is due to the processes.
    pub(super) fn strike(&mut self) {
        let now = Instant::now();
        for place in (0..self.processes.len()).rev() {
            let process = &mut self.processes[place];
            if process.next.1 > now {
                continue;
            }
            if let Some(mut target) = process.target.take() {
                target.tries += 1;
                match target.tries {
                    TRIES => self.missed.push(target),
                    // Nobody else may make the account meanwhile, for it is made once.
                    _ if target.point.ends_with("ca.enroll") && self.later.is_none() => {
                        self.targets.push_front(target);
                    }
                    _ => self.targets.push_back(target),
                }
            }
            let process = &mut self.processes[place];
            match process.next.0 {
                Next::Fault(fault) => self.hit(place, "anywhere", fault),
                Next::Recover => {
                    let _ = self.place.note("fault", process.child.id(), "is over");
                    limit(&process.child, "unlimited");
                    self.kill_soon(place);
                }
                Next::Resume => {
                    let _ = self.place.note("fault", process.child.id(), "is over");
                    signal(&process.child, "CONT");
                    // A kill may have come in between.
                    let _ = writeln!(process.input, "go");
                    self.kill_soon(place);
                }
                Next::Rest => process.next.1 = now + Duration::from_secs(3600),
            }
        }
    }

    fn kill_soon(&mut self, place: usize) {
        let wait = Duration::from_millis(500 + self.dice.below(1500));
        self.processes[place].next = (Next::Fault(Fault::Kill), Instant::now() + wait);
    }

    /// Lets something happen to a process.
    fn hit(&mut self, place: usize, point: &str, fault: Fault) {
        *self.faults.entry((point.to_owned(), fault)).or_default() += 1;
        let process = self.processes[place].child.id();
        self.place.note("fault", process, &format!("{fault:?} {point}")).unwrap();
        match fault {
            Fault::Kill => {
                let mut process = self.processes.remove(place);
                process.child.kill().unwrap();
                process.child.wait().unwrap();
            }
            Fault::Stop => {
                let process = &mut self.processes[place];
                signal(&process.child, "STOP");
                self.stopped.insert(process.child.id());
                process.next = (Next::Resume, Instant::now() + LEASE + Duration::from_millis(500));
            }
            Fault::Disk => {
                let process = &mut self.processes[place];
                limit(&process.child, "0:unlimited");
                let wait = Duration::from_millis(300 + self.dice.below(1200));
                process.next = (Next::Recover, Instant::now() + wait);
            }
        }
    }
}

impl Drop for Siege {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }
}

/// Sends a signal by its name.
fn signal(child: &Child, name: &str) {
    let script = format!("kill -{name} {}", child.id());
    assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success(), "{script}");
}

/// Limits how long the files are that a process may write.
fn limit(child: &Child, bytes: &str) {
    let mut command = Command::new("prlimit");
    command.args(["--pid", &child.id().to_string(), &format!("--fsize={bytes}")]);
    assert!(command.status().unwrap().success(), "{command:?}");
}

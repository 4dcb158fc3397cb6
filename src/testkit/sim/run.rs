//! One history: processes that are scheduled one poll at a time, and people who do things.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use super::{
    Profile,
    core::{Boxed, Core, Order},
    coverage::Occurrence,
    fault::FaultKind,
    invariant::{Breach, Invariant},
    people,
    plan::{Plan, Planned},
    rest,
    shift::{Bell, Shift},
    world::World,
};
use crate::clock::{Clock, Timestamp, between};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// Most polls of a history: whatever takes more goes in circles.
const POLLS: usize = 400_000;

/// Most steps in a row of a worker that finds nothing although something is due.
const EMPTY_STEPS: u32 = 200;

/// Whether a task is to be polled.
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What a task is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Job {
    /// Somebody's call, or what the network carries.
    Call,
    /// A worker that runs until it is told to stop.
    Run,
    /// One step of a worker.
    Step,
}

struct Task {
    /// The process that ends with it; `None` for what the network carries.
    process: Option<usize>,
    job: Job,
    future: Boxed,
    flag: Arc<Flag>,
    waker: Waker,
}

/// A process, as far as the scheduler knows it.
#[derive(Clone, Copy, Debug, Default)]
struct Process {
    /// Until when it is gone; the end of time is until the storm is over.
    dead_until: Option<Duration>,
    stopped_until: Option<Duration>,
    /// Before when it takes no further step, or its worker does not run again.
    idle_until: Duration,
}

/// A history under way.
pub(super) struct Run<'a> {
    plan: &'a Plan,
    world: World,
    core: Core,
    tasks: Vec<Task>,
    processes: Vec<Process>,
    deeds: std::vec::IntoIter<Planned>,
    next: Option<Planned>,
    polls: usize,
    empty: u32,
    /// Whether workers run, as opposed to being asked for one step after the other.
    is_running: bool,
}

impl<'a> Run<'a> {
    pub(super) fn new(plan: &'a Plan, world: World, dropped: &BTreeSet<u64>) -> Self {
        let kept = (0_u64..).zip(&plan.deeds);
        let kept = kept.filter(|(number, _)| !dropped.contains(number)).map(|(_, deed)| *deed);
        let mut deeds = kept.collect::<Vec<_>>().into_iter();
        let next = deeds.next();
        Self {
            core: world.core.clone(),
            processes: vec![Process::default(); plan.processes],
            plan,
            world,
            tasks: Vec::new(),
            deeds,
            next,
            polls: 0,
            empty: 0,
            is_running: plan.pace.is_some(),
        }
    }

    /// Runs the history to its end, or to the first broken promise.
    pub(super) fn run(&mut self) {
        for active in &self.plan.faults {
            if matches!(active.kind, FaultKind::Skew | FaultKind::NewerRows | FaultKind::ZoneGone) {
                self.core.with(|state| state.coverage.fault(active.kind));
            }
        }
        self.until(self.plan.storm);
        self.core.note(|| "the storm is over".to_owned());
        self.calm();
        let now = self.now();
        self.until(now + SECOND * 1200);
        self.retire();
        self.order(people::mend(&self.world));
        if self.plan.profile == Profile::Claims {
            for hours in [1, 3, 9] {
                self.until(now + HOUR * hours);
                self.order(people::ask_again(&self.world));
            }
        }
        self.until(now + DAY);
        self.order(people::ask_again(&self.world));
        self.until(now + DAY * 5 / 2);
        self.check(rest::at_rest);
        self.order(people::leave(&self.world));
        self.until(now + DAY * 7 / 2);
        self.check(rest::all_gone);
    }

    fn check(&self, check: fn(&World) -> Option<Breach>) {
        if !self.is_over()
            && let Some(breach) = check(&self.world)
        {
            self.core.breach(breach);
        }
    }

    fn now(&self) -> Duration {
        self.core.with(|state| state.now)
    }

    fn is_over(&self) -> bool {
        self.core.with(|state| state.breach.is_some())
    }

    /// Ends all faults: whoever is dead or stopped comes back.
    fn calm(&mut self) {
        self.core.with(|state| state.weather.calm());
        for process in &mut self.processes {
            *process = Process::default();
        }
        self.next = None;
        self.deeds = Vec::new().into_iter();
        people::bring_back(&self.world);
    }

    /// Lets people do something right now.
    fn order(&mut self, futures: Vec<Boxed>) {
        for future in futures {
            self.spawn(None, Job::Call, future);
        }
    }

    fn take_deed(&mut self) -> Option<Planned> {
        std::mem::replace(&mut self.next, self.deeds.next())
    }

    /// Runs until a time, or until a promise is broken.
    fn until(&mut self, end: Duration) {
        while !self.is_over() {
            let now = self.now();
            while let Some(planned) = self.next.filter(|planned| planned.at <= now) {
                self.take_deed();
                self.start(planned);
            }
            self.obey();
            if self.work() {
                continue;
            }
            let Some(next) = self.next_event().filter(|at| *at <= end) else {
                return self.core.advance_to(end.max(now));
            };
            self.core.advance_to(next);
        }
    }

    /// Does what calls have asked for.
    fn obey(&mut self) {
        let (orders, spawned) = self
            .core
            .with(|state| (std::mem::take(&mut state.orders), std::mem::take(&mut state.spawned)));
        for future in spawned {
            self.spawn(None, Job::Call, future);
        }
        let now = self.now();
        for order in orders {
            match order {
                Order::Kill(process, back) => {
                    self.tasks.retain(|task| task.process != Some(process));
                    self.core.with(|state| state.shifts.remove(&process));
                    let alone = (0..self.processes.len())
                        .filter(|other| *other != process)
                        .all(|other| self.is_dead(other, now));
                    if let Some(process) = self.processes.get_mut(process) {
                        let back = back.or_else(|| alone.then_some(SECOND * 60));
                        let until = back.map_or(Duration::MAX, |back| now.saturating_add(back));
                        *process = Process { dead_until: Some(until), ..Process::default() };
                    }
                }
                Order::Retire(process, back) => self.ring(process, back),
                Order::Stop(process, time) => {
                    self.halt(Some(process), now.saturating_add(time));
                    if let Some(process) = self.processes.get_mut(process) {
                        process.stopped_until = Some(now.saturating_add(time));
                    }
                }
                Order::Suspend(time) => {
                    self.halt(None, now.saturating_add(time));
                    for process in &mut self.processes {
                        process.stopped_until = Some(now.saturating_add(time));
                    }
                }
            }
        }
    }

    fn is_dead(&self, process: usize, now: Duration) -> bool {
        let until = self.processes.get(process).and_then(|process| process.dead_until);
        until.is_some_and(|until| now < until)
    }

    fn is_stopped(&self, process: usize, now: Duration) -> bool {
        let until = self.processes.get(process).and_then(|process| process.stopped_until);
        until.is_some_and(|until| now < until)
    }

    /// Returns whether a process is there and running.
    fn runs(&self, process: usize, now: Duration) -> bool {
        !self.is_dead(process, now) && !self.is_stopped(process, now)
    }

    /// Returns whether the worker of a process is at work.
    fn works(&self, process: usize) -> bool {
        let mut tasks = self.tasks.iter();
        tasks.any(|task| task.job != Job::Call && task.process == Some(process))
    }

    /// Returns whether a worker may take a step, or run.
    fn may_step(&self, process: usize, now: Duration) -> bool {
        let is_idle = self.processes.get(process).is_some_and(|process| process.idle_until <= now);
        is_idle && self.runs(process, now) && !self.works(process)
    }

    /// Returns when the store's clock shows the time at which something is due.
    fn due(&self, now: Duration) -> Option<Duration> {
        let due: Timestamp = self.world.store.model().next_due()?;
        Some(now.saturating_add(between(self.core.clock().now(), due)))
    }

    /// Polls one task that can go on, or lets one worker take a step. Says whether there was one.
    fn work(&mut self) -> bool {
        let now = self.now();
        if self.is_running {
            for process in 0..self.processes.len() {
                if self.may_step(process, now) {
                    self.run_worker(process);
                }
            }
        }
        let mut ready: Vec<usize> = Vec::new();
        for (number, task) in self.tasks.iter().enumerate() {
            let runs = task.process.is_none_or(|process| self.runs(process, now));
            if runs && task.flag.0.load(Ordering::Relaxed) {
                ready.push(number);
            }
        }
        let is_due = self.due(now).is_some_and(|due| due <= now);
        let mut workers = Vec::new();
        if is_due && !self.is_running {
            workers.extend((0..self.processes.len()).filter(|one| self.may_step(*one, now)));
        }
        let choices = ready.len() + workers.len();
        if choices == 0 {
            return false;
        }
        self.polls += 1;
        if self.polls > POLLS {
            let message = format!("{POLLS} polls, and it goes on");
            self.core.breach(Breach::new(Invariant::ComesToRest, message));
            return false;
        }
        let choice = self.core.with(|state| state.dice.index(choices));
        match ready.get(choice) {
            Some(task) => self.poll(*task),
            None => {
                if let Some(worker) = workers.get(choice - ready.len()) {
                    self.step(*worker);
                }
            }
        }
        true
    }

    fn poll(&mut self, number: usize) {
        let Some(task) = self.tasks.get_mut(number) else { return };
        task.flag.0.store(false, Ordering::Relaxed);
        let waker = task.waker.clone();
        if let Poll::Ready(()) = task.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            let task = self.tasks.swap_remove(number);
            match (task.job, task.process) {
                (Job::Step, Some(process)) => self.pause(process),
                (Job::Run, Some(process)) => self.stopped(process),
                _ => {}
            }
        }
    }

    fn step(&mut self, process: usize) {
        let Some(onboarding) = self.world.process(process) else { return };
        let mut tasks = self.tasks.iter();
        let others = tasks.any(|task| task.job == Job::Step && task.process != Some(process));
        if others {
            self.core.with(|state| state.coverage.fault(FaultKind::TwoEngines));
        }
        let worker = onboarding.worker();
        let core = self.core.clone();
        let report = self.world.report(process);
        let step = async move {
            match worker.step().await {
                Ok(step) => report.store(step.leased == 0, Ordering::Relaxed),
                Err(error) => {
                    core.note(|| format!("p{process} step: {error}"));
                    report.store(true, Ordering::Relaxed);
                }
            }
        };
        self.world.report(process).store(false, Ordering::Relaxed);
        let number = self.tasks.len();
        self.spawn(Some(process), Job::Step, Box::pin(step));
        self.poll(number);
    }

    /// Lets the worker of a process run until it is told to stop.
    fn run_worker(&mut self, process: usize) {
        let Some(onboarding) = self.world.process(process) else { return };
        let bell = Bell::default();
        let run = onboarding.worker().run(bell.clone().heard());
        let shift = Shift { bell, ..Shift::default() };
        self.core.with(|state| state.shifts.insert(process, shift));
        self.spawn(Some(process), Job::Run, Box::pin(run));
    }

    /// Tells a worker to stop, and when to be back.
    fn ring(&self, process: usize, back: Duration) {
        let clock = self.core.clock().now();
        let model = self.world.store.model();
        let bell = self.core.with(|state| {
            let now = state.now;
            let shift = state.shifts.get_mut(&process).filter(|shift| shift.told.is_none())?;
            shift.told = Some((now, now.saturating_add(back)));
            shift.was_busy = shift.leased.iter().any(|(key, token)| {
                model.rows.get(key).is_some_and(|row| row.is_leased(*token, clock))
            });
            Some(shift.bell.clone())
        });
        drop(model);
        if let Some(bell) = bell {
            self.core.note(|| format!("p{process} is told to stop"));
            bell.ring();
        }
    }

    /// Looks at what a worker has left that was told to stop.
    fn stopped(&mut self, process: usize) {
        self.core.note(|| format!("p{process} has stopped"));
        let clock = self.core.clock().now();
        let model = self.world.store.model();
        let pace = self.plan.pace;
        let (back, breach) = self.core.with(|state| {
            let Some(shift) = state.shifts.remove(&process) else { return (None, None) };
            if shift.was_busy {
                let how = match shift.gave_back {
                    true => Occurrence::HandedOver,
                    false => Occurrence::Finished,
                };
                state.coverage.occurred(how);
            }
            let lingers = pace.and_then(|pace| shift.lingers(pace, state.now));
            let left = shift.leaves(&model, clock).filter(|_| !state.truth.jumped);
            (shift.told.map(|(_, back)| back), lingers.or(left))
        });
        drop(model);
        if let Some(breach) = breach {
            self.core.breach(breach);
        }
        if let Some(process) = self.processes.get_mut(process) {
            process.idle_until = back.unwrap_or_default();
        }
    }

    /// Takes note that a process, or all of them, stand still until then.
    fn halt(&self, process: Option<usize>, until: Duration) {
        self.core.with(|state| {
            state.truth.outbox.halted = state.truth.outbox.halted.max(until);
            for (number, shift) in &mut state.shifts {
                if process.is_none_or(|process| process == *number) {
                    shift.hindered = shift.hindered.max(Some(until));
                }
            }
        });
    }

    /// Tells all workers to stop. From then on they are asked for one step after the other.
    fn retire(&mut self) {
        let Some(pace) = self.plan.pace.filter(|_| self.is_running) else { return };
        self.is_running = false;
        for process in 0..self.processes.len() {
            self.ring(process, Duration::ZERO);
        }
        self.until(self.now() + pace.drain + MINUTE);
        let lingers = self.tasks.iter().any(|task| task.job == Job::Run);
        if lingers && !self.is_over() {
            let message = "a worker was told to stop, and goes on";
            self.core.breach(Breach::new(Invariant::StopsCleanly, message));
        }
    }

    /// Lets a worker that found nothing wait.
    fn pause(&mut self, process: usize) {
        let now = self.now();
        if self.world.report(process).swap(false, Ordering::Relaxed) {
            let is_calm = self.core.with(|state| state.weather.is_calm());
            // What finds nothing in a storm may have been kept from it.
            self.empty = if is_calm { self.empty + 1 } else { 0 };
            let wait = if is_calm { SECOND } else { SECOND * 30 };
            if let Some(process) = self.processes.get_mut(process) {
                process.idle_until = now.saturating_add(wait);
            }
            if self.empty > EMPTY_STEPS {
                let message = "something is due, and no worker finds it";
                self.core.breach(Breach::new(Invariant::NothingStuck, message));
            }
        } else {
            self.empty = 0;
        }
    }

    fn spawn(&mut self, process: Option<usize>, job: Job, future: Boxed) {
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        let waker = Waker::from(flag.clone());
        self.tasks.push(Task { process, job, future, flag, waker });
    }

    /// Lets a person do something, through a process that is there.
    fn start(&mut self, planned: Planned) {
        let now = self.now();
        let count = self.processes.len();
        let process = (0..count)
            .map(|offset| (planned.process + offset) % count)
            .find(|process| !self.is_dead(*process, now));
        self.core.note(|| format!("{planned}"));
        // What happens in zones needs no process.
        let future = people::act(&self.world, process.unwrap_or_default(), planned.deed);
        if let (Some(process), Some(future)) = (process, future) {
            self.spawn(Some(process), Job::Call, future);
        }
    }

    /// Returns when something happens next.
    fn next_event(&self) -> Option<Duration> {
        let now = self.now();
        let mut times: Vec<Duration> = Vec::new();
        times.extend(self.core.next_timer());
        times.extend(self.next.map(|planned| planned.at));
        let due = self.due(now);
        for (number, process) in self.processes.iter().enumerate() {
            let busy = self.tasks.iter().any(|task| task.process == Some(number));
            times.extend(process.dead_until.filter(|at| *at > now && *at < Duration::MAX));
            times.extend(process.stopped_until.filter(|at| *at > now && busy));
            let works = self.works(number);
            if self.is_running && !works {
                times.push(process.idle_until);
            }
            if let Some(due) = due
                && !works
                && !self.is_running
                && !self.is_dead(number, now)
            {
                let stopped = process.stopped_until.unwrap_or_default();
                times.push(due.max(process.idle_until).max(stopped));
            }
        }
        times.into_iter().filter(|at| *at > now).min()
    }
}

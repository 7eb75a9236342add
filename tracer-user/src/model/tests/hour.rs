//! An hour of ordinary life on a node where nothing is wrong: nobody may be alarmed, and nothing may pile up.
//!
//! Everything here is what healthy programs do that looks a little like a fault. The traffic is made up, with a seed, so
//! that each run is the same.

use super::*;
use crate::event::made::{figures, gone, joins};
use crate::event::{BootNs, CgroupId, Counted};
use crate::model::{Termination, Verdict};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

/// xorshift64*: the same numbers everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n
    }

    fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// What happens in one container.
struct Place {
    made: Made,
    first: Task,
    next: u32,
    events: Vec<Event>,
    dice: Dice,
}

impl Place {
    fn new(number: u32, pid_1: &str, seed: u64) -> Self {
        let made = Made { number };
        let name = format!("{pid_1}-{number}");
        let events = made.found(&name, None, Some(10_000), pid_1);
        let dice = Dice(seed.wrapping_mul(1_000) + u64::from(number) + 1);
        Self { made, first: made.task(1, pid_1), next: 10, events, dice }
    }

    /// A child from `start` to `end` that is reaped some time later. It runs a program if that is not its parent's.
    fn child(&mut self, parent: Task, comm: &str, start: u64, end: u64, (status, late): (u32, u64)) -> Task {
        self.next += 1;
        let forked = Task { start: at(start).0, ..self.made.task(self.next, parent.comm.as_str()) };
        let task = Task { comm: comm.into(), ..forked };
        self.events.push(fork(start, forked, parent));
        if comm != parent.comm.as_str() {
            self.events.push(Event(
                at(start),
                What::Exec(Execed { task, parent, filename: format!("/bin/{comm}"), interpreter: None }),
            ));
        }
        self.events.extend([exit(end, task, parent, status), reaped(end + late, task)]);
        task
    }

    /// A child that stays.
    fn server(&mut self, parent: Task, comm: &str) -> Task {
        self.next += 1;
        let task = Task { start: at(2).0, ..self.made.task(self.next, comm) };
        self.events.push(fork(2, task, parent));
        task
    }

    fn signal(&mut self, ms: u64, which: Signal, target: Task, sender: Task) {
        let sent = signal(ms, which, target, sender, Handler::Function);
        self.events.push(if which == Signal::KILL { kills(ms, target, sender) } else { sent });
    }

    /// An exec probe every few seconds, which fails now and then, and now and then takes too long and is killed.
    fn probes(&mut self, every: u64) {
        let mut now = 3_000 + self.dice.below(every);
        while now < HOUR {
            self.next += 1;
            let task = Task { start: at(now).0, ..self.made.task(self.next, "probe") };
            self.events.extend(joins(now, task));
            let hangs = self.dice.one_in(40);
            let took = if hangs { 1_000 } else { self.dice.between(10, 300) };
            if hangs {
                self.events.push(signal(now + took, Signal::KILL, task, Made::runc(), Handler::Default));
            }
            let status = if hangs { 9 } else { code(u32::from(self.dice.one_in(5))) };
            self.events.push(exit(now + took, task, Made::runc(), status));
            self.events.push(reaped(now + took + self.dice.between(1, 40), task));
            now += every;
        }
    }
}

/// A shell that does one thing after another, some of which fail, and sleeps.
fn cron(place: &mut Place) {
    let (shell, mut now) = (place.first, 2_000);
    // at first it waits for a database
    while now < 5 * MINUTE {
        place.child(shell, "pg_isready", now, now + 10, (code(2), 1));
        place.child(shell, "sleep", now + 12, now + 1_012, (0, 1));
        now += 1_015;
    }
    while now < HOUR {
        let took = place.dice.between(5, 3_000);
        let status = code(u32::from(place.dice.one_in(2)));
        place.child(shell, "job", now, now + took, (status, 1));
        // $(command), ( … ), a pipe
        let subshell = code(u32::from(place.dice.one_in(2)));
        place.child(shell, "sh", now + took + 1, now + took + 3, (subshell, 1));
        let pause = [5_000, 10_000, 60_000][usize::try_from(place.dice.below(3)).unwrap_or(0)];
        place.child(shell, "sleep", now + took + 4, now + took + 4 + pause, (0, 1));
        now += took + pause + 6;
    }
}

/// Workers that end after so many requests, and are replaced; one that hangs is killed by the master.
fn recycles(place: &mut Place, comm: &str, status: u32) {
    let master = place.first;
    for slot in 0..4 {
        let mut now = 1_000 + slot;
        while now < HOUR {
            let life = place.dice.between(5_000, 120_000);
            let hangs = place.dice.one_in(10);
            let end = if hangs { 9 } else { status };
            let late = place.dice.between(1, 900);
            let worker = place.child(master, comm, now, now + life, (end, late));
            if hangs {
                place.signal(now + life - 1, Signal::KILL, worker, master);
            }
            now += life + place.dice.between(0, 900);
        }
    }
}

/// Reloads: new workers first, then the old ones are told to end. Logs are rotated as well.
fn reloads(place: &mut Place) {
    let master = place.first;
    let mut now = 1_000;
    while now < HOUR {
        let until = now + 5 * MINUTE;
        for n in 0..4 {
            let worker = place.child(master, "nginx", now + n, until + 50 + n, (0, 5));
            place.signal(until + 10 + n, Signal::QUIT, worker, master);
        }
        place.signal(until, Signal::HUP, master, Made::runc());
        place.signal(until + 2 * MINUTE, Signal::USR1, master, Made::runc());
        now = until;
    }
}

/// Parallel compilers, of which some fail; each is reaped when make comes to it.
fn builds(place: &mut Place) {
    let make = place.first;
    for slot in 0..8 {
        let mut now = 1_000 + slot * 7;
        while now < HOUR {
            let took = place.dice.between(20, 15_000);
            let status = code(if place.dice.one_in(4) { 2 } else { 0 });
            let late = place.dice.between(1, 400);
            place.child(make, "cc1", now, now + took, (status, late));
            now += took + place.dice.between(1, 500);
        }
    }
}

/// Jobs that end with a failure now and then, reaped when the runner looks again.
fn jobs(place: &mut Place) {
    let mut now = 1_000;
    while now < HOUR {
        let took = place.dice.between(5, 1_900);
        let status = if place.dice.one_in(3) { code(1) } else { 0 };
        let late = place.dice.between(1, 3_500);
        place.child(place.first, "python3", now, now + took, (status, late));
        now += place.dice.between(200, 3_000);
    }
}

/// Some at once, waited for in the order in which they were started: the first takes the longest.
fn batches(place: &mut Place) {
    let mut now = 1_000;
    while now < HOUR {
        for n in 1..=6 {
            place.child(place.first, "resize", now + n, now + n * 1_000, (0, 50_000 - n * 1_000));
        }
        place.child(place.first, "resize", now, now + 50_000, (0, 1));
        now += 55_000;
    }
}

/// Daemons that fork twice; PID 1 looks for orphans every four seconds.
fn orphans(place: &mut Place) {
    let mut now = 1_000;
    while now < HOUR {
        for n in 0..5 {
            let launcher = place.child(place.first, "launcher", now + n, now + n + 5, (0, 1));
            let end = now + 100 + n;
            let late = 4_000 - end % 4_000;
            let helper = place.child(launcher, "helper", now + n + 2, end, (0, late));
            // it exits as PID 1's
            let as_orphan = exit(end, helper, place.first, 0);
            let last = place.events.len() - 2;
            place.events[last] = as_orphan;
        }
        now += 7_000;
    }
}

/// Sessions: most end well, some are refused.
fn sessions(place: &mut Place, comm: &str, refused: u32) {
    place.server(place.first, comm);
    let mut now = 1_000;
    while now < HOUR {
        let took = place.dice.between(2, 200);
        place.child(place.first, comm, now, now + took, (code(refused), 2));
        now += place.dice.between(500, 5_000);
    }
}

/// Supervisors below an init, with a service that ends and is started again now and then.
fn supervises(place: &mut Place) {
    let supervise = place.server(place.first, "s6-supervise");
    let mut now = 3_000;
    while now < HOUR {
        let life = place.dice.between(20_000, 10 * MINUTE);
        place.child(supervise, "service", now, now + life, (code(1), 2));
        place.child(supervise, "finish", now + life + 3, now + life + 20, (0, 2));
        now += life + 1_000;
    }
}

/// Signals that the kernel only counts, and those that a program handles all the time.
fn signals(place: &mut Place) {
    let worker = place.server(place.first, "go");
    for second in 1..HOUR / 1_000 {
        let cgroup = CgroupId(u64::from(place.made.number));
        let counted = Counted { cgroup, child: 10, urgent: 400, other: 2 };
        place.events.push(Event(at(second * 1_000), What::Counted(counted)));
        if second.is_multiple_of(20) {
            place.signal(second * 1_000, Signal::USR1, place.first, Made::runc());
            place.signal(second * 1_000 + 5, Signal::USR2, worker, place.first);
        }
    }
}

/// Containers that come, do their work, and are stopped as they should be. Returns how many.
fn come_and_go(number: u32, seed: u64, events: &mut Vec<Event>) -> usize {
    let mut dice = Dice(seed + 77);
    let (mut now, mut lives) = (5_000, 0);
    while now < HOUR - 2 * MINUTE {
        let made = Made { number: number + u32::try_from(lives).unwrap_or(0) };
        let app = made.task(1, "app");
        let life = dice.between(5_000, MINUTE);
        let took = dice.between(5, 8_000);
        events.extend(
            made.found("job", Some("batch/job"), Some(10_000), "app")
                .into_iter()
                .map(|Event(_, what)| Event(at(now), what)),
        );
        events.push(figures(now + 10, made, 5, Some(1_000)));
        let end = now + life + took;
        events.push(signal(now + life, Signal::TERM, app, Made::runc(), Handler::Function));
        events.push(exit(end, app, Made::runc(), 0));
        events.extend([reaped(end + 15, app), gone(end + 40, made)]);
        now = end + dice.between(1_000, 20_000);
        lives += 1;
    }
    lives
}

fn hour(seed: u64) -> (Vec<Event>, usize) {
    type Life = fn(&mut Place);
    let lives: [(&str, Life); 14] = [
        ("sh", cron),
        ("gunicorn", |place| recycles(place, "gunicorn", 0)),
        ("apache2", |place| recycles(place, "apache2", 0)),
        ("celery", |place| recycles(place, "celery", code(155))),
        ("uwsgi", |place| recycles(place, "uwsgi", code(17))),
        ("nginx", reloads),
        ("make", builds),
        ("python3", jobs),
        ("batch", batches),
        ("node", orphans),
        ("postgres", |place| sessions(place, "postgres", 1)),
        ("sshd", |place| sessions(place, "sshd", 255)),
        ("s6-svscan", supervises),
        ("redis-server", signals),
    ];
    let mut events = Vec::new();
    for (number, (pid_1, live)) in (2..).zip(lives) {
        let mut place = Place::new(number, pid_1, seed);
        live(&mut place);
        place.probes(5_000 + u64::from(number) * 500);
        events.append(&mut place.events);
    }
    let ended = come_and_go(100, seed, &mut events);
    events.sort_by_key(|event| event.0);
    (events, ended)
}

/// How much the model remembers of what is there, roughly. Of what has ended it remembers a fixed number.
fn size(node: &Node) -> usize {
    let there: usize = node
        .containers()
        .filter(|(_, container)| container.gone.is_none())
        .map(|entry| format!("{entry:?}").len())
        .sum();
    there + format!("{:?}{:?}", node.processes(), node.timers).len()
}

#[test]
fn nobody_is_alarmed_in_an_hour_of_ordinary_life() {
    for seed in 1..=3 {
        let (events, ended) = hour(seed);
        assert!(events.len() > 50_000, "an hour is long: {} events", events.len());
        let (mut node, mut after) = (Node::new(), Vec::new());
        let mut next_look = BootNs(0);
        for event in &events {
            node.apply(event);
            node.take_changes();
            node.take_wants();
            if event.0 >= next_look {
                after.push(size(&node));
                next_look = event.0.plus_ms(20 * MINUTE);
            }
        }
        node.tick(at(HOUR + 10 * MINUTE));
        node.conclude();
        let conditions: Vec<_> = node.conditions().map(|(_, condition)| condition.explanation.clone()).collect();
        assert_eq!(conditions, Vec::<String>::new(), "seed {seed}");
        let verdicts: Vec<_> = node.terminations().map(|end| end.verdict).collect();
        assert_eq!(verdicts, vec![Verdict::Graceful; ended], "seed {seed}: {:#?}", not_graceful(&node));
        assert!(node.processes().len() < 100, "seed {seed}: {} processes", node.processes().len());
        let [_, early, .., late] = after.as_slice() else { panic!("{after:?}") };
        assert!(late < &(early * 2), "seed {seed}: it grows: {after:?}");
    }
}

fn not_graceful(node: &Node) -> Vec<&Termination> {
    node.terminations().map(|end| &**end).filter(|end| end.verdict != Verdict::Graceful).collect()
}

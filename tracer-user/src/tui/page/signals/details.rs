//! One change in plain words.

use crate::event::{BootNs, Handler, SendResult, TaskKey};
use crate::model::{Change, ContainerRef, DeliverNews, News, Outcome, ProcessNews, Receipt, Role, SignalNews};
use crate::output::glyphs::Glyphs;
use crate::output::line::safe;
use crate::output::pod;
use crate::output::si_code;
use crate::output::words::{self, Detail};
use crate::signal::{Signal, SignalSet};
use crate::tui::scene::Scene;

/// What a line is about, and the line.
pub(super) type Told = (&'static str, String);

/// All there is to say of a change.
pub(super) fn details(change: &Change, scene: &Scene<'_>, glyphs: &Glyphs) -> Vec<Told> {
    match &change.news {
        News::Signal(news) => signal(change.at, news, scene, glyphs),
        News::Deliver(news) => deliver(news, glyphs),
        News::Exit(news) => vec![
            (
                "What",
                format!("{}{} ended", words::process(&news.process, glyphs), within(news.container.as_ref(), glyphs)),
            ),
            ("How", words::exit(news.status)),
        ],
        News::Exec(news) => process("runs a new program", news, glyphs),
        News::Fork(news) => process("was created", news, glyphs),
        News::Zombie(news) => {
            let process = words::process(&news.process, glyphs);
            let age = words::duration(news.age_ms);
            let reaped = if news.reaped { "was reaped after" } else { "ended and was not reaped for" };
            let mut told =
                vec![("What", format!("{process}{} {reaped} {age}", within(news.container.as_ref(), glyphs)))];
            told.extend(news.parent.as_ref().map(|parent| ("Parent", words::process(parent, glyphs))));
            told
        }
        News::Container(news) => {
            let mut told = vec![
                ("What", format!("{} is {}", words::full_container(&news.name, 80, glyphs), news.state)),
                ("Id", safe(&news.name.id, glyphs).into_owned()),
            ];
            told.extend(news.image.as_ref().map(|image| ("Image", safe(image, glyphs).into_owned())));
            told.extend(news.stop_signal.map(|signal| ("Stop", format!("stop signal {signal}"))));
            told.extend(news.grace_ms.map(|ms| ("Grace", words::duration(ms))));
            told
        }
        News::Stopping(news) => {
            vec![("What", format!("{} is being stopped", words::full_container(&news.container, 80, glyphs)))]
        }
        News::Termination(news) => {
            let cause = news.cause.map(|cause| format!(", {cause}")).unwrap_or_default();
            let mut told = vec![
                (
                    "What",
                    format!("{} ended: {}{cause}", words::full_container(&news.container, 80, glyphs), news.verdict),
                ),
                ("Why", safe(&news.explanation, glyphs).into_owned()),
            ];
            told.extend(news.fix.as_ref().map(|fix| ("Fix", safe(fix, glyphs).into_owned())));
            told
        }
        News::Condition(news) => {
            let mut told = vec![
                ("What", format!("{}{}", news.kind, within(news.container.as_ref(), glyphs))),
                ("Why", safe(&news.explanation, glyphs).into_owned()),
            ];
            told.extend(news.fix.as_ref().map(|fix| ("Fix", safe(fix, glyphs).into_owned())));
            told
        }
        News::Pod(news) => {
            let ends = news.containers.iter();
            let ends = ends.map(|end| format!("{}: {}", safe(end.container.own(), glyphs), end.verdict));
            vec![("What", pod::ended(news, glyphs)), ("Ends", ends.collect::<Vec<_>>().join(", "))]
        }
        News::Restarted(news) => {
            let container = words::full_container(&news.container, 80, glyphs);
            vec![("What", format!("{container} {}", pod::restarted(news, glyphs)))]
        }
        News::Foreseen(_) => Vec::new(),
        News::Lost(lost) => vec![(
            "What",
            format!(
                "{} events found no room on their way from the kernel: verdicts about here may be wrong",
                lost.total()
            ),
        )],
    }
}

fn within(container: Option<&ContainerRef>, glyphs: &Glyphs) -> String {
    container.map(|container| format!(" in {}", words::full_container(container, 60, glyphs))).unwrap_or_default()
}

fn process(what: &str, news: &ProcessNews, glyphs: &Glyphs) -> Vec<Told> {
    let process = words::process(&news.process, glyphs);
    let mut told = vec![("What", format!("{process}{} {what}", within(news.container.as_ref(), glyphs)))];
    told.extend(news.filename.as_ref().map(|filename| ("Program", safe(filename, glyphs).into_owned())));
    if news.joined {
        told.push(("From", "it came from outside: an exec, a probe or a hook".to_owned()));
    } else {
        told.extend(news.process.ppid.map(|ppid| ("Parent", ppid.to_string())));
    }
    told
}

fn signal(at: BootNs, news: &SignalNews, scene: &Scene<'_>, glyphs: &Glyphs) -> Vec<Told> {
    let target = words::process(&news.target, glyphs);
    let number = news.signal.number();
    let mut told = vec![
        ("What", format!("{} ({number}) to {target}{}", news.signal, within(news.container.as_ref(), glyphs))),
        ("Fate", fate(news)),
    ];
    told.extend(later(at, news, scene).map(|later| ("Later", later.to_owned())));
    told.push(("From", sender(news, glyphs)));
    told.push(("Call", format!("{}, {}", si_code::name(news.signal, news.code), call(news.code))));
    told.push(("Handler", handler(news.handler).to_owned()));
    told.push(("Blocks", set(news.mask)));
    if let Some(caught) = news.caught {
        told.push(("Handles", set(caught)));
    }
    told
}

fn fate(news: &SignalNews) -> String {
    let why = match (news.outcome, news.signal) {
        (Outcome::Dropped, Signal::KILL | Signal::STOP) => {
            "dropped by the kernel: from inside its own pid namespace nothing ends or stops an init"
        }
        (Outcome::Dropped, _) => {
            "dropped by the kernel: it is init of its pid namespace and has no handler for it; it will never know"
        }
        (Outcome::Ignored, _) if news.handler == Handler::Ignore => "thrown away: it set SIG_IGN for it",
        (Outcome::Ignored, _) => "thrown away: it was exiting already",
        (Outcome::Caught, _) => "caught: it has a handler, which runs as soon as it runs",
        (Outcome::Blocked, _) => "blocked: it waits in the queue until it is taken (sigwait, signalfd) or unblocked",
        (Outcome::Default, signal) if signal.default_is_stop() => "the default action: it is stopped",
        (Outcome::Default, Signal::KILL) => "it dies: nothing catches SIGKILL",
        (Outcome::Default, _) => "the default action: it dies by it",
        (Outcome::Noise, _) => "nothing: its default action is to be ignored",
    };
    let queue = match news.result {
        SendResult::AlreadyPending => "; one was pending already, so this one adds nothing",
        SendResult::Overflow => "; its queue was full, and it was lost",
        SendResult::InfoLost => "; who sent it did not fit into the queue",
        SendResult::Queued | SendResult::Ignored => "",
    };
    format!("{why}{queue}")
}

/// What became of it since, as far as the model still knows.
fn later(at: BootNs, news: &SignalNews, scene: &Scene<'_>) -> Option<&'static str> {
    let key = TaskKey { pid: news.target.pid, start: news.target.start };
    let received = &scene.node.processes().get(key)?.received;
    let receipt: &Receipt = received.iter().find(|receipt| receipt.at == at && receipt.signal == news.signal)?;
    match (receipt.outcome, news.outcome) {
        (Outcome::Dropped, Outcome::Dropped) => None,
        (Outcome::Dropped, _) => Some("dropped when it was taken from the queue: an init without a handler"),
        (Outcome::Blocked, _) if receipt.taken => Some("taken by a wait: sigwait, sigtimedwait or signalfd"),
        (Outcome::Blocked, _) => Some("still waiting to be taken"),
        (Outcome::Caught, _) if receipt.delivered => Some("its handler ran"),
        _ => None,
    }
}

fn sender(news: &SignalNews, glyphs: &Glyphs) -> String {
    let who = words::sender(&news.sender, news.role, &[], Detail::Pids, glyphs);
    let role = match news.role {
        Role::Runtime => ", a container runtime",
        Role::Kernel | Role::Own => "",
        Role::Inside => ", of the same container",
        Role::Host => ", outside of the container and no container runtime",
    };
    let line: Vec<_> = news
        .ancestors
        .iter()
        .map(|ancestor| format!("{} {}", safe(&ancestor.comm.to_string(), glyphs), ancestor.pid))
        .collect();
    let line = if line.is_empty() { String::new() } else { format!("; started by {}", line.join(", by ")) };
    format!("{who}{role}{line}")
}

/// What the code says of how it was sent.
const fn call(code: i32) -> &'static str {
    match code {
        0 => "by kill()",
        -1 => "by sigqueue()",
        -2 => "by a timer",
        -6 => "by tgkill(), to one thread: raise(), pthread_kill()",
        code if code > 0 => "by the kernel",
        _ => "by a process",
    }
}

const fn handler(handler: Handler) -> &'static str {
    match handler {
        Handler::Default => "none: the default action (SIG_DFL)",
        Handler::Ignore => "it ignores the signal (SIG_IGN)",
        Handler::Function => "a function of the program",
        Handler::Unknown => "could not be read",
    }
}

fn set(signals: SignalSet) -> String {
    if signals.is_empty() {
        return "nothing".to_owned();
    }
    let count = signals.iter().count();
    if count > 40 {
        return format!("{count} signals, nearly all there are");
    }
    signals.iter().map(|signal| signal.to_string()).collect::<Vec<_>>().join(" ")
}

fn deliver(news: &DeliverNews, glyphs: &Glyphs) -> Vec<Told> {
    let target = words::process(&news.target, glyphs);
    let fate = match news.handler {
        _ if news.dropped => "dropped at this moment: it is init of its pid namespace and has no handler for it",
        Handler::Function => "its handler runs",
        Handler::Default => "the default action follows",
        Handler::Ignore => "it is ignored",
        Handler::Unknown => "what it met could not be read",
    };
    let mut told = vec![
        ("What", format!("{target}{} took {} from the queue", within(news.container.as_ref(), glyphs), news.signal)),
        ("Fate", fate.to_owned()),
    ];
    told.extend(
        news.latency.map(|ns| ("After", format!("{}.{:03} ms in the queue", ns / 1_000_000, ns / 1_000 % 1_000))),
    );
    told
}

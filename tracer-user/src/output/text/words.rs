//! Phrases: how a process, a container, a sender, an exit or a time is put into words.

use crate::event::{Ancestor, Foreseen, Foresight, Handler, SendResult};
use crate::model::{ContainerName, ExitStatus, Outcome, Party, PreStop, Role, SignalNews};
use crate::signal::Signal;

use super::glyphs::Glyphs;
use super::line::{fit, fit_middle, safe, width};

/// `4123 (PID 1)`, `4130 (ns 7)`, or `4130` where the namespace's number is the same or unknown.
pub(crate) fn pids(party: &Party) -> String {
    match party.ns_pid {
        _ if party.is_init => format!("{} (PID 1)", party.pid),
        Some(ns_pid) if ns_pid != party.pid => format!("{} (ns {ns_pid})", party.pid),
        _ => party.pid.to_string(),
    }
}

/// `SIGTERM would be dropped: sh (PID 1) has no handler …`. Not safe for a terminal.
pub(crate) fn foreseen(told: &Foresight) -> String {
    let Foresight { task: _, signal, foreseen, why, fix: _, notes } = told;
    let would = match foreseen {
        Foreseen::Dropped => "would be dropped",
        Foreseen::Ignored => "would be ignored",
        Foreseen::Blocked => "would stay blocked",
        Foreseen::Default => "would meet the default action",
        Foreseen::Caught => "would be caught",
        Foreseen::Taken => "would be taken",
        Foreseen::Unknown => "would meet what cannot be foreseen",
    };
    let sentences: Vec<&str> = std::iter::once(why).chain(notes).map(String::as_str).collect();
    format!("{signal} {would}: {}", sentences.join(" "))
}

/// The name, made safe.
pub(crate) fn comm(party: &Party, glyphs: &Glyphs) -> String {
    match safe(&party.comm.to_string(), glyphs) {
        name if name.is_empty() => "?".to_owned(),
        name => name.into_owned(),
    }
}

/// `sh 4123 (PID 1)`.
pub(crate) fn process(party: &Party, glyphs: &Glyphs) -> String {
    format!("{} {}", comm(party, glyphs), pids(party))
}

/// The same in `limit` columns: first the namespace's number gives way, then the name; being PID 1 and the host's
/// pid are told to the last.
pub(crate) fn short_process(party: &Party, limit: usize, glyphs: &Glyphs) -> String {
    let (name, pids) = (comm(party, glyphs), pids(party));
    let name_wanted = if party.is_init { 4 } else { width(&name) };
    let pids = if limit < name_wanted + 1 + width(&pids) { party.pid.to_string() } else { pids };
    let room = limit.saturating_sub(width(&pids) + 1);
    format!("{} {pids}", fit(&name, room.max(2), glyphs))
}

/// `sleep 4200 (ns 40)`; a hook that kubelet runs itself is called as in the pod's spec.
pub(crate) fn hook(hook: &PreStop, glyphs: &Glyphs) -> String {
    hook.process.as_ref().map_or_else(|| hook.kind.in_pod_spec().to_owned(), |party| process(party, glyphs))
}

/// `pod/name`, `name` or the short id, in `limit` columns. The pod's name gives way before the container's does.
pub(crate) fn container(container: &ContainerName, limit: usize, glyphs: &Glyphs) -> String {
    let own = safe(container.own(), glyphs);
    let Some(pod) = &container.pod else {
        let own = container.service.as_deref().map_or(own, |service| safe(service, glyphs));
        return fit(&own, limit, glyphs).into_owned();
    };
    let pod = safe(&pod.name, glyphs);
    let room = limit.saturating_sub(width(&own) + 1);
    if room < 4 {
        return fit(&own, limit, glyphs).into_owned();
    }
    format!("{}/{own}", fit_middle(&pod, room, glyphs))
}

/// The same with the pod's namespace before it, for headers.
pub(crate) fn full_container(name: &ContainerName, limit: usize, glyphs: &Glyphs) -> String {
    let Some(pod) = name.pod.as_ref().filter(|pod| !pod.namespace.is_empty()) else {
        return container(name, limit, glyphs);
    };
    let namespace = safe(&pod.namespace, glyphs);
    let rest = container(name, limit.saturating_sub(width(&namespace) + 1), glyphs);
    fit(&format!("{namespace}/{rest}"), limit, glyphs).into_owned()
}

/// How much is said about a sender.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    Name,
    Pids,
    Ancestors,
}

/// `runc 900, started by containerd-shim`, `the kernel`, `itself`, `kill 999 (host)`.
pub(crate) fn sender(party: &Party, role: Role, ancestors: &[Ancestor], detail: Detail, glyphs: &Glyphs) -> String {
    let mut text = match role {
        Role::Kernel if detail == Detail::Name => return "kernel".to_owned(),
        Role::Kernel => return "the kernel".to_owned(),
        Role::Own => return "itself".to_owned(),
        _ if detail == Detail::Name => comm(party, glyphs),
        _ => process(party, glyphs),
    };
    if role == Role::Host {
        match &party.container {
            Some(other) => {
                text.push_str(" in ");
                text.push_str(&container(other, 28, glyphs));
            }
            None => text.push_str(" (host)"),
        }
    }
    if detail == Detail::Ancestors {
        // who started a runtime's shim concerns nobody; who started a stranger may be the answer
        let told = if role == Role::Runtime { 1 } else { ancestors.len() };
        for (index, ancestor) in ancestors.iter().take(told).enumerate() {
            text.push_str(if index == 0 { ", started by " } else { ", " });
            text.push_str(&safe(&ancestor.comm.to_string(), glyphs));
        }
    }
    text
}

/// Why a signal met its outcome, where the outcome alone does not say it.
pub(crate) fn why(news: &SignalNews) -> &'static str {
    match (news.outcome, news.result) {
        (_, SendResult::Overflow) => "its queue is full: lost",
        (Outcome::Dropped, _) if matches!(news.signal, Signal::KILL | Signal::STOP) => "PID 1 is immune from inside",
        (Outcome::Dropped, _) => "PID 1 has no handler",
        (Outcome::Ignored, _) if news.handler == Handler::Ignore => "it ignores this signal",
        (Outcome::Ignored, _) => "it was exiting already",
        (_, SendResult::AlreadyPending) => "one is pending already",
        (Outcome::Blocked, _) => "waits to be taken",
        (Outcome::Default, _) if news.signal.default_is_stop() => "stops it",
        (Outcome::Caught | Outcome::Default | Outcome::Noise, _) => "",
    }
}

/// `exited with code 143`, `killed by SIGTERM (Kubernetes shows 143)`: the two look alike elsewhere.
pub(crate) fn exit(status: ExitStatus) -> String {
    let dumped = if status.core_dumped() { ", core dumped" } else { "" };
    match (status.code(), status.signal()) {
        (Some(code), _) => {
            // A code above 128 looks like a death by signal where only the code is shown.
            let signal = code.checked_sub(128).and_then(Signal::new);
            match signal {
                Some(signal) if code < 128 + 32 => format!("exited with code {code} (not killed by {signal})"),
                _ => format!("exited with code {code}"),
            }
        }
        (None, Some(signal)) => {
            format!("killed by {signal} (Kubernetes shows {}){dumped}", 128 + u32::from(signal.number()))
        }
        (None, None) => format!("ended with wait status {:#x}", status.raw),
    }
}

/// What the exit word does not say, in short: `shown as 143`, or nothing.
pub(crate) fn exit_remark(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (None, Some(signal)) => format!("shown as {}", 128 + u32::from(signal.number())),
        _ => String::new(),
    }
}

/// The same in a word of at most eight columns: `exit 143`, `SIGTERM`.
pub(crate) fn exit_word(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(signal)) => signal.to_string().chars().take(8).collect(),
        (None, None) => "ended".to_owned(),
    }
}

/// Milliseconds for people: `284 ms`, `1.23 s`, `30.1 s`, `30 s`, `2 min 5 s`.
pub(crate) fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        _ if ms.is_multiple_of(1_000) && ms < 120_000 => format!("{} s", ms / 1_000),
        1_000..10_000 => format!("{}.{:02} s", ms / 1_000, ms % 1_000 / 10),
        10_000..120_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        120_000..7_200_000 => format!("{} min {} s", ms / 60_000, ms / 1_000 % 60),
        _ => format!("{} h {} min", ms / 3_600_000, ms / 60_000 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::super::glyphs::UNICODE;
    use super::*;
    use crate::output::fixtures;

    #[test]
    fn a_death_by_signal_is_told_from_a_code_that_looks_like_it() {
        for (status, expect) in [
            (fixtures::exited(143), "exited with code 143 (not killed by SIGTERM)"),
            (fixtures::killed_by(Signal::TERM), "killed by SIGTERM (Kubernetes shows 143)"),
            (fixtures::exited(137), "exited with code 137 (not killed by SIGKILL)"),
            (fixtures::killed_by(Signal::KILL), "killed by SIGKILL (Kubernetes shows 137)"),
            (fixtures::exited(0), "exited with code 0"),
            (fixtures::exited(255), "exited with code 255"),
            (ExitStatus { raw: 0x8b }, "killed by SIGSEGV (Kubernetes shows 139), core dumped"),
            (ExitStatus { raw: 0x7f }, "ended with wait status 0x7f"),
        ] {
            assert_eq!(exit(status), expect);
        }
    }

    #[test]
    fn durations() {
        for (ms, expect) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_000, "1 s"),
            (1_239, "1.23 s"),
            (30_000, "30 s"),
            (30_199, "30.1 s"),
            (125_400, "2 min 5 s"),
            (7_260_000, "2 h 1 min"),
        ] {
            assert_eq!(duration(ms), expect);
        }
    }

    #[test]
    fn the_containers_own_name_survives_a_long_pod_name() {
        let name = fixtures::container();
        assert_eq!(container(&name, 40, &UNICODE), "web-7d9f8b6c5-x2x4k/app");
        assert_eq!(container(&name, 16, &UNICODE), "web-7d9f8b6…/app");
        assert_eq!(container(&name, 6, &UNICODE), "app");
        assert_eq!(full_container(&name, 60, &UNICODE), "shop/web-7d9f8b6c5-x2x4k/app");
        assert_eq!(container(&fixtures::nameless(), 16, &UNICODE), "0123456789ab");
    }
}

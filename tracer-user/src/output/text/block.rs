//! What takes more than a line: the end of a container, and conditions.

use crate::model::{Condition, Deleted, Outcome, PreStop, Termination, Verdict};
use crate::output::Clock;
use crate::signal::Signal;

use super::figures::figures;
use super::glyphs::Glyphs;
use super::line::{Line, Paint, safe, width, wrap};
use super::picture;
use super::words::{self, Detail};

/// Columns of the words at the left: `Grace`, `Verdict`.
const LABEL: usize = 11;
/// What is less apart is the same moment, ms: one runtime tells the containers of a pod one after another.
const BEHIND_MS: u64 = 100;
/// Sentences are not made longer than is comfortable to read.
const PROSE: usize = 100;

/// The end of a container.
pub(crate) fn termination(news: &Termination, clock: Clock, limit: usize, glyphs: &Glyphs) -> Vec<Line> {
    let mut lines = vec![header(news, clock, limit, glyphs), Line::default()];
    let picture = picture::draw(news, limit, glyphs);
    if !picture.is_empty() {
        lines.extend(picture);
        lines.push(Line::default());
    }

    prose(&mut lines, ("Why", Paint::Bold), Paint::Plain, &news.explanation, limit, glyphs);
    if let Some(fix) = &news.fix {
        prose(&mut lines, ("Fix", Paint::Good), Paint::Plain, fix, limit, glyphs);
    }
    for hint in &news.hints {
        prose(&mut lines, ("Note", Paint::Warn), Paint::Plain, &hint.text, limit, glyphs);
    }
    if !news.certain {
        let text = "not all that happened in this container was seen, so this may be wrong";
        prose(&mut lines, ("Caution", Paint::Bad), Paint::Plain, text, limit, glyphs);
    }
    for (label, text) in facts(news, glyphs) {
        prose(&mut lines, (label, Paint::Dim), Paint::Dim, &text, limit, glyphs);
    }
    lines.push(Line::default());
    lines
}

/// `━━ ✖ SIGTERM DROPPED ━━ shop/web/app ━━━━━━━━ 14:03:07 → 14:03:37 ━━`
pub(crate) fn header(news: &Termination, clock: Clock, limit: usize, glyphs: &Glyphs) -> Line {
    let (title, glyph, paint, rule_paint) = title(news, glyphs);
    let rule = |n: usize| glyphs.rule.to_string().repeat(n);
    // Seconds do where it took some: the picture tells the rest.
    let from = clock.time_of_day(news.started).to_string();
    let seconds = |at| clock.time_of_day(at).to_string().chars().take(8).collect::<String>();
    let times = match news.ended.map(seconds) {
        Some(to) if !from.starts_with(&to) => format!(" {} {} {to} ", seconds(news.started), glyphs.arrow),
        _ => format!(" {from} "),
    };
    let title = format!(" {glyph} {title}{} ", if news.certain { "" } else { " (uncertain)" });

    let mut line = Line::default();
    line.push(rule_paint, &rule(2));
    line.push(paint, &title);
    line.push(rule_paint, &rule(2));
    let room = limit.saturating_sub(line.width() + width(&times) + 6);
    line.push(Paint::Bold, &format!(" {} ", words::full_container(&news.container, room, glyphs)));
    line.push(rule_paint, &rule(limit.saturating_sub(line.width() + width(&times) + 2)));
    line.push(Paint::Plain, &times);
    line.push(rule_paint, &rule(2));
    line.cut(limit, glyphs);
    line
}

/// What it comes down to, with the real signal's name.
pub(crate) fn title(news: &Termination, glyphs: &Glyphs) -> (String, char, Paint, Paint) {
    let signal = news.stop_signal.unwrap_or(Signal::TERM);
    let text = match news.verdict {
        Verdict::Graceful => "STOPPED GRACEFULLY".to_owned(),
        Verdict::SigtermDropped => format!("{signal} DROPPED"),
        Verdict::SigtermIgnored => format!("{signal} IGNORED"),
        Verdict::SigtermBlocked => format!("{signal} BLOCKED, NEVER TAKEN"),
        Verdict::NotForwarded => format!("{signal} NOT FORWARDED"),
        Verdict::TooSlow => "TOO SLOW".to_owned(),
        Verdict::DefaultAction => format!("DIED BY {signal}"),
        Verdict::OomKilled => "OUT OF MEMORY".to_owned(),
        Verdict::Killed => "KILLED".to_owned(),
        Verdict::Crashed => match news.exit.and_then(crate::model::ExitStatus::signal) {
            Some(fault) => format!("CRASHED: {fault}"),
            None => "CRASHED".to_owned(),
        },
        Verdict::Exited => "EXITED BY ITSELF".to_owned(),
    };
    match news.verdict {
        Verdict::Graceful => (text, glyphs.good, Paint::GoodHeader, Paint::Good),
        Verdict::TooSlow | Verdict::DefaultAction => (text, glyphs.warn, Paint::WarnHeader, Paint::Warn),
        Verdict::Exited if news.exit.is_some_and(|status| status.code() == Some(0)) => {
            (text, glyphs.good, Paint::NoteHeader, Paint::Note)
        }
        Verdict::Exited => (text, glyphs.warn, Paint::NoteHeader, Paint::Note),
        Verdict::SigtermDropped
        | Verdict::SigtermIgnored
        | Verdict::SigtermBlocked
        | Verdict::NotForwarded
        | Verdict::OomKilled
        | Verdict::Killed
        | Verdict::Crashed => (text, glyphs.bad, Paint::BadHeader, Paint::Bad),
    }
}

/// The figures below the sentences.
pub(crate) fn facts(news: &Termination, glyphs: &Glyphs) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Some(sender) = &news.sender {
        let who = words::sender(&sender.party, sender.role, &sender.ancestors, Detail::Ancestors, glyphs);
        let what = news.stop_signal.map_or_else(|| "SIGKILL".to_owned(), |signal| signal.to_string());
        let outcome = match news.outcome {
            Some(Outcome::Blocked) if news.taken => ": taken",
            Some(Outcome::Blocked) => ": blocked",
            Some(Outcome::Dropped) => ": dropped",
            Some(Outcome::Ignored) => ": ignored",
            Some(Outcome::Caught) => ": caught",
            Some(Outcome::Default | Outcome::Noise) | None => "",
        };
        facts.push(("Sent", format!("{what} by {who}{outcome}")));
    }
    if let (Some(kill), Some(_)) = (&news.kill, news.stop_signal) {
        let who = words::sender(&kill.sender.party, kill.sender.role, &[], Detail::Pids, glyphs);
        facts.push((
            "Killed",
            format!("SIGKILL by {who} after {}", words::duration(kill.at.ms_since(news.axis_start()))),
        ));
    }
    if let Some(hook) = &news.pre_stop {
        facts.push(("preStop", pre_stop(hook, news, glyphs)));
    }
    facts.extend(news.deletion.map(|deletion| ("Deleted", deleted(deletion, news.stop_signal))));
    facts.extend(behind_the_pod(news).map(|text| ("Pod", text)));
    // Without a stop there is no grace period to be used up.
    if news.stop_signal.is_some() || news.pre_stop.is_some() {
        facts.push(("Grace", grace(news, glyphs)));
    }
    facts.push(("Exit", news.exit.map_or_else(|| "not seen".to_owned(), words::exit)));
    let cause = news.cause.map(|cause| format!(", {cause}")).unwrap_or_default();
    facts.push(("Verdict", format!("{}{cause}", news.verdict)));
    facts.push(("More", more(news)));
    facts
}

/// Where it is explained at length, with what is told beside it: `tracer explain graceful too-early`.
fn more(news: &Termination) -> String {
    let hints = news.hints.iter().map(|hint| hint.kind.slug());
    let words: Vec<_> = std::iter::once(news.verdict.slug()).chain(hints).collect();
    format!("tracer explain {}", words.join(" "))
}

/// `sleep 4200 (ns 40) ran for 2 s and exited with code 0`
fn pre_stop(hook: &PreStop, news: &Termination, glyphs: &Glyphs) -> String {
    let end = hook.ended.or(news.exited).unwrap_or(hook.started);
    let took = words::duration(end.ms_since(hook.started));
    let Some(process) = &hook.process else {
        return format!(
            "{} by kubelet itself for about {took}, worked out from when it went on",
            hook.kind.in_pod_spec()
        );
    };
    let how = match (hook.exit, hook.ended) {
        (Some(status), _) if status.signal().is_some() => format!("was {}", words::exit(status)),
        (Some(status), _) => words::exit(status),
        (None, Some(_)) => "ended".to_owned(),
        (None, None) => "was still running".to_owned(),
    };
    format!("{} ran for {took} and {how}", words::process(process, glyphs))
}

/// `4 s (± 1 s) before SIGTERM, with 30 s to end`
fn deleted(deletion: Deleted, signal: Option<Signal>) -> String {
    let Deleted { requested: _, grace_ms, until_signal_ms, imprecise } = deletion;
    let grace = words::duration(grace_ms);
    let Some(until) = until_signal_ms else { return format!("its pod, with {grace} to end") };
    let before = match until / 1_000 {
        _ if imprecise => format!("heard {}", words::duration(until)),
        0 => "at most 1 s".to_owned(),
        seconds => format!("{seconds} s (± 1 s)"),
    };
    format!("its pod, {before} before {}, with {grace} to end", signal.unwrap_or(Signal::KILL))
}

/// How long after its pod a container was told to stop, where that is to be seen.
fn behind_the_pod(news: &Termination) -> Option<String> {
    if news.deletion.is_some() {
        return None; // it begins even before
    }
    let behind = news.started.ms_since(news.pod_started?);
    let text = format!("the picture begins with the pod's stop, {} before this container's", words::duration(behind));
    (behind >= BEHIND_MS).then_some(text)
}

/// `30.0 s of 30 s used (100 %), according to Docker`
pub(crate) fn grace(news: &Termination, glyphs: &Glyphs) -> String {
    let used = words::duration(news.grace.used_ms);
    let Some(budget) = news.grace.budget_ms else { return format!("{used} used; how much was granted is not known") };
    let source = match news.grace.source.as_deref() {
        None => String::new(),
        Some("default") => ", nobody set it: the runtime's default".to_owned(),
        Some("observed") => ", as observed: SIGKILL came then".to_owned(),
        Some("cri") => ", according to the runtime (CRI)".to_owned(),
        Some("docker") => ", according to Docker".to_owned(),
        Some(source) => format!(", according to {}", safe(source, glyphs)),
    };
    let percent = news.grace.used_ms.saturating_mul(100).checked_div(budget).unwrap_or(100);
    let percent = if percent == 0 && news.grace.used_ms > 0 { "under 1".to_owned() } else { percent.to_string() };
    format!("{used} of {} used ({percent} %){source}", words::duration(budget))
}

/// A labelled paragraph. A line break in the text is one on the screen; any other control character is escaped.
pub(crate) fn prose(
    lines: &mut Vec<Line>,
    (label, label_paint): (&str, Paint),
    paint: Paint,
    text: &str,
    limit: usize,
    glyphs: &Glyphs,
) {
    let room = limit.min(PROSE).saturating_sub(LABEL);
    let wrapped = text.split('\n').flat_map(|paragraph| wrap(&safe(paragraph, glyphs), room));
    for (index, text) in wrapped.enumerate() {
        let mut line = Line::default();
        line.push(Paint::Plain, "  ");
        if index == 0 {
            line.push(label_paint, label);
        }
        line.pad_to(LABEL);
        line.push(paint, &text);
        lines.push(line);
    }
}

/// Something wrong that is not the end of a container.
pub(crate) fn condition(news: &Condition, time: &str, limit: usize, glyphs: &Glyphs) -> Vec<Line> {
    let title = format!(" {} {} ", glyphs.warn, news.kind.slug().to_uppercase().replace('-', " "));
    let rule = |n: usize| glyphs.thin_rule.to_string().repeat(n);
    let mut header = Line::default();
    header.push(Paint::Warn, &rule(2));
    header.push(Paint::WarnHeader, &title);
    header.push(Paint::Warn, &rule(2));
    if let Some(container) = &news.container {
        let room = limit.saturating_sub(header.width() + time.len() + 8);
        header.push(Paint::Bold, &format!(" {} ", words::full_container(container, room, glyphs)));
    }
    header.push(Paint::Warn, &rule(limit.saturating_sub(header.width() + time.len() + 4)));
    header.push(Paint::Plain, &format!(" {time} "));
    header.push(Paint::Warn, &rule(2));
    header.cut(limit, glyphs);

    let mut lines = vec![header];
    prose(&mut lines, ("Why", Paint::Bold), Paint::Plain, &news.explanation, limit, glyphs);
    if let Some(fix) = &news.fix {
        prose(&mut lines, ("Fix", Paint::Good), Paint::Plain, fix, limit, glyphs);
    }
    if !news.figures.is_empty() {
        let figures = figures(news).into_iter().map(|(label, text)| format!("{label} {}", safe(&text, glyphs)));
        let text = figures.collect::<Vec<_>>().join(&format!(" {} ", glyphs.dot));
        prose(&mut lines, ("Figures", Paint::Dim), Paint::Dim, &text, limit, glyphs);
    }
    let more = format!("tracer explain {}", news.kind);
    prose(&mut lines, ("More", Paint::Dim), Paint::Dim, &more, limit, glyphs);
    lines.push(Line::default());
    lines
}

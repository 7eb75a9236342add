//! Lines about pods: all of it has ended, or one of its containers was restarted in it.

use std::io::Write;

use crate::event::BootNs;
use crate::model::{PodNews, RestartNews, Role, Termination};

use super::glyphs::Glyphs;
use super::line::{Line, Paint, fit_middle, safe, wrap};
use super::{TIME, Text, words};

/// Columns of a name within a sentence.
const LONGEST: usize = 48;

/// `pod shop/web: 2 containers ended in 5.1 s; slowest app (sigterm-dropped)`
pub(crate) fn ended(news: &PodNews, glyphs: &Glyphs) -> String {
    let name = match &news.name {
        Some(pod) => pod.friendly(),
        None => news.uid.clone(),
    };
    let name = safe(&name, glyphs);
    let count = news.containers.len();
    let took = words::duration(news.ended.ms_since(news.started));
    let text = format!("pod {}: {count} containers ended in {took}", fit_middle(&name, LONGEST, glyphs));
    let Some(slowest) = news.slowest() else { return text };
    let container = safe(slowest.container.own(), glyphs);
    let container = fit_middle(&container, LONGEST, glyphs);
    format!("{text}; slowest {container} ({})", slowest.verdict)
}

/// `restarted in place (restart 3): kubelet stopped the one before …`
pub(crate) fn restarted(news: &RestartNews, glyphs: &Glyphs) -> String {
    let mut text = format!("restarted in place (restart {})", news.restarts);
    if let Some(before) = &news.before {
        text.push_str(": ");
        text.push_str(&reason(before, glyphs));
    }
    text
}

impl<W: Write> Text<W> {
    /// What became of a pod.
    pub(super) fn pod(&self, at: BootNs, news: &PodNews, glyphs: &Glyphs) -> Vec<Line> {
        let text = ended(news, glyphs);
        let mut first = Line::default();
        first.push(Paint::Dim, &self.clock.time_of_day(at).to_string());
        first.pad_to(TIME);
        self.wrapped(first, Paint::Bold, &text)
    }

    /// `shop/web/app restarted in place (restart 3): kubelet stopped the one before …`
    pub(super) fn restarted(&self, at: BootNs, news: &RestartNews, glyphs: &Glyphs) -> Vec<Line> {
        self.wrapped(self.begin(at, Some(&news.container), glyphs), Paint::Warn, &restarted(news, glyphs))
    }

    /// Text behind the beginning of a line, over as many lines as it takes.
    fn wrapped(&self, first: Line, paint: Paint, text: &str) -> Vec<Line> {
        let left = first.width();
        let mut first = Some(first);
        let lines = wrap(text, self.width.saturating_sub(left).max(20)).into_iter().map(|text| {
            let mut line = first.take().unwrap_or_default();
            if line.width() < left {
                line.pad_to(left);
            }
            line.push(paint, &text);
            line
        });
        lines.collect()
    }
}

fn reason(before: &Termination, glyphs: &Glyphs) -> String {
    let by_runtime = before.sender.as_ref().is_some_and(|sender| sender.role == Role::Runtime);
    if !by_runtime {
        let how = before.exit.map_or_else(|| "ended".to_owned(), words::exit);
        return format!("the one before {how} ({})", before.verdict);
    }
    let describe = before.container.pod.as_ref().map_or_else(String::new, |pod| {
        format!(": kubectl describe pod -n {} {}", safe(&pod.namespace, glyphs), safe(&pod.name, glyphs))
    });
    format!(
        "kubelet stopped the one before ({}), as after a failed liveness or startup probe; look for Unhealthy and Killing events{describe}",
        before.verdict
    )
}

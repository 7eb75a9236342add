//! The course of a check: start, wait until it is ready, stop.

use std::cell::Cell;

use tokio::time::Instant;

use crate::check::ready::{Attempt, NotReady, RETRY};
use crate::check::screen::Stage;
use crate::check::settle::{self, Sample, Settling};
use crate::check::{Log, ReadyBy, ReadyWhen, Subject};
use crate::commands::is_broken_pipe;
use crate::live::{End, Pipeline, Session};

use super::options::Args;

/// How far a check came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It was stopped, and ended.
    Stopped,
    /// It ended before it was ready.
    EndedBefore,
    /// It could not be checked.
    Failed(String),
    /// Ctrl-C.
    Interrupted,
}

/// A check that goes on.
pub(super) struct Course<'a> {
    pub(super) args: &'a Args,
    pub(super) when: ReadyWhen,
    pub(super) subject: Subject,
    pub(super) session: Session,
    pub(super) log: Log,
    pub(super) ready: Option<(ReadyBy, u64)>,
    pub(super) stage: &'a Cell<Stage>,
}

impl Course<'_> {
    pub(super) async fn run(&mut self) -> anyhow::Result<Progress> {
        let stop = self.args.stop();
        if let Some(described) = self.subject.described(stop) {
            self.session.describe(described)?;
        }
        match keep_on(&mut self.session, self.subject.start(), |_| None).await? {
            End::Interrupted => return Ok(Progress::Interrupted),
            // that it cannot be run is the result of the check
            End::Done(Err(error)) => return Ok(Progress::Failed(format!("{error:#}"))),
            End::Done(Ok(())) => self.stage.set(Stage::Running),
        }
        if let Some(other) = self.wait_until_ready().await? {
            return Ok(other);
        }
        self.stage.set(Stage::Stopping);
        match keep_on(&mut self.session, self.subject.stop(stop), |_| None).await? {
            End::Interrupted => Ok(Progress::Interrupted),
            End::Done(stopped) => stopped.map(|()| Progress::Stopped),
        }
    }

    /// `None` once it is ready; otherwise what came instead.
    async fn wait_until_ready(&mut self) -> anyhow::Result<Option<Progress>> {
        let begun = Instant::now();
        let mut settling = Settling::default();
        let mut attempts = Attempts::default();
        loop {
            match keep_on(&mut self.session, self.subject.watch(settle::INTERVAL), |_| None).await? {
                End::Interrupted => return Ok(Some(Progress::Interrupted)),
                End::Done(Ok(true)) => return Ok(Some(Progress::EndedBefore)),
                End::Done(ended) => drop(ended?),
            }
            let waited = begun.elapsed();
            let by = match &self.when {
                ReadyWhen::Settled => {
                    let sample = Sample::take(self.members().into_iter());
                    let longest = settle::LONGEST.min(self.args.ready_timeout);
                    let settled = settling.observe(waited, sample).then_some(ReadyBy::Settled);
                    settled.or_else(|| (waited >= longest).then_some(ReadyBy::Time))
                }
                ReadyWhen::Log(_) => self.log.has_come().then_some(ReadyBy::Log),
                ReadyWhen::Command(command) => {
                    attempts.go_on(&mut self.subject, command).await?.then_some(ReadyBy::Command)
                }
            };
            if let Some(by) = by {
                self.ready = Some((by, u64::try_from(waited.as_millis()).unwrap_or(u64::MAX)));
                return Ok(None);
            }
            if waited >= self.args.ready_timeout {
                let not = NotReady { when: &self.when, waited: self.args.ready_timeout, last: attempts.last };
                return Ok(Some(Progress::Failed(not.to_string())));
            }
        }
    }

    /// Pids of those who run in the container, as the model knows them.
    fn members(&self) -> Vec<u32> {
        let node = &self.session.pipeline.node;
        let key = node.container_by_id(self.subject.id()).map(|(key, _)| key);
        let all = key.into_iter().flat_map(|key| node.processes().of(key));
        all.filter(|process| process.exit.is_none()).map(|process| process.task.pid).collect()
    }
}

/// Attempts of a readiness command, one after the other.
#[derive(Debug, Default)]
struct Attempts {
    last: Option<Attempt>,
    /// When the next one may begin.
    next: Option<Instant>,
}

impl Attempts {
    /// Starts one or looks after it. Returns whether one has succeeded.
    async fn go_on(&mut self, subject: &mut Subject, command: &str) -> anyhow::Result<bool> {
        if self.next.is_some_and(|next| Instant::now() < next) {
            return Ok(false);
        }
        let Some(attempt) = subject.attempt(command).await? else { return Ok(false) };
        self.next = Some(Instant::now() + RETRY);
        let ready = attempt.code == 0;
        self.last = Some(attempt);
        Ok(ready)
    }
}

/// As [`Session::run_until`]; that nobody reads any more, which it says once, does not end it.
pub(super) async fn keep_on<T>(
    session: &mut Session,
    end: impl Future<Output = T>,
    mut over: impl FnMut(&Pipeline) -> Option<T>,
) -> anyhow::Result<End<T>> {
    tokio::pin!(end);
    match session.run_until(end.as_mut(), &mut over).await {
        Err(error) if is_broken_pipe(&error) => session.run_until(end, over).await,
        ended => ended,
    }
}

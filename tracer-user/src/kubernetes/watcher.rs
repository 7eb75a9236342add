//! Watches the pods of this node: a list, then what changes, for as long as the API tells; then again.

use std::time::Duration;

use hyper::{Method, StatusCode};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::event::{PodTold, What};
use crate::live::{boot_now, wall_clock};

use super::answer::{Fate, Status};
use super::backoff::Backoff;
use super::http::{Api, Ask};
use super::limits;
use super::pods::{Heard, Line, List, Object, Pods};

/// Only the metadata of objects; an API that has no such thing sends all of them.
const ALL: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
const ONE: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

/// Why it went on no longer.
#[derive(Debug)]
enum Ended {
    /// Nobody wants to know.
    Nobody,
    /// What was known is too old.
    TooOld,
    /// We may not.
    Refused(String),
    /// Something else; the API may have said when to come back.
    Trouble(Option<Duration>, String),
}

/// What watches.
pub(super) struct Watcher {
    api: Api,
    /// The name of this node.
    node: String,
    out: mpsc::Sender<What>,
    /// Counts the times that somebody asked to try again.
    asked: watch::Receiver<u64>,
    pods: Pods,
    backoff: Backoff,
    /// It was said that the API does not answer.
    told_silent: bool,
}

impl Watcher {
    pub(super) fn new(api: Api, node: String, out: mpsc::Sender<What>, asked: watch::Receiver<u64>) -> Self {
        let backoff = Backoff::new(limits::FIRST_WAIT, limits::LONGEST_WATCH_WAIT);
        Self { api, node, out, asked, pods: Pods::default(), backoff, told_silent: false }
    }

    /// Watches until nobody wants to know.
    pub(super) async fn run(mut self) {
        loop {
            let Err(ended) = self.watch().await;
            match ended {
                Ended::Nobody => return,
                // at once for the first time: that is in order
                Ended::TooOld if self.backoff.tries() == 0 => {
                    self.backoff.wait(None);
                }
                Ended::TooOld => sleep(self.backoff.wait(None)).await,
                Ended::Refused(why) => {
                    log::warn!(
                        "this node's pods are not watched: {why}; what is needed is to list and watch pods. Asked again in \
                         5 min and on SIGHUP"
                    );
                    let again = self.asked.changed();
                    // who asks is gone only when all ends
                    drop(timeout(limits::REFUSED_FOR, again).await);
                }
                Ended::Trouble(after, why) => {
                    if self.backoff.tries() >= limits::SILENT_AFTER && !self.told_silent {
                        self.told_silent = true;
                        log::warn!("this node's pods are not watched until the API of Kubernetes answers: {why}");
                    }
                    sleep(self.backoff.wait(after)).await;
                }
            }
        }
    }

    /// From a list to the end of what is told after it.
    async fn watch(&mut self) -> Result<std::convert::Infallible, Ended> {
        let mut version = self.list().await?;
        loop {
            let begun = Instant::now();
            version = self.follow(version).await?;
            // it ends in order every few minutes; one that ends at once would be asked for without end
            if begun.elapsed() < limits::SHORT_WATCH {
                sleep(self.backoff.wait(None)).await;
            }
        }
    }

    /// All of them; where a watch begins.
    async fn list(&mut self) -> Result<String, Ended> {
        // from the cache of the server: what came after is told by the watch
        let ask = self.ask(ALL, "&resourceVersion=0");
        let answer = self.api.ask(&ask, limits::LIST_BYTES, limits::LIST_TIME).await;
        let answer = answer.map_err(|trouble| Ended::Trouble(None, trouble.to_string()))?;
        done(Fate::of(&answer))?;
        let list: List = serde_json::from_slice(&answer.body)
            .map_err(|error| Ended::Trouble(None, format!("its list of pods is none: {error}")))?;
        let version = list.metadata.resource_version.clone();
        let clock = wall_clock();
        for told in self.pods.all(list, clock) {
            self.tell(told).await?;
        }
        Ok(version)
    }

    /// What changes from there on, until the API ends it in order; where to go on.
    async fn follow(&mut self, mut version: String) -> Result<String, Ended> {
        let trouble = |trouble: super::http::Trouble| Ended::Trouble(None, trouble.to_string());
        let seconds = limits::WATCH_TIME.as_secs();
        let query = format!("&watch=true&allowWatchBookmarks=true&timeoutSeconds={seconds}&resourceVersion={version}");
        let ask = self.ask(ONE, &query);
        let begun = self.api.follow(&ask, limits::LINE_BYTES, limits::ANSWER_TIME).await.map_err(trouble)?;
        let mut lines = match begun {
            Ok(lines) => lines,
            Err(answer) => {
                done(Fate::of(&answer))?;
                return Ok(version);
            }
        };
        if std::mem::take(&mut self.told_silent) {
            log::info!("this node's pods are watched again");
        }
        // the server ends it before; one that hangs does not
        let deadline = Instant::now() + limits::WATCH_TIME + limits::ANSWER_TIME;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = match timeout(left, lines.next()).await {
                Ok(line) => line.map_err(trouble)?,
                Err(_) => return Ok(version),
            };
            let Some(line) = line else { return Ok(version) };
            let wrong = |error: serde_json::Error| Ended::Trouble(None, format!("what it told is none: {error}"));
            let Line { r#type, object } = serde_json::from_str(&line).map_err(wrong)?;
            if r#type == "ERROR" {
                let status: Status = serde_json::from_str(object.get()).map_err(wrong)?;
                let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                done(Fate::of_status(code, &status, None))?;
                return Ok(version);
            }
            let object: Object = serde_json::from_str(object.get()).map_err(wrong)?;
            if !object.version().is_empty() {
                object.version().clone_into(&mut version);
            }
            self.backoff.reset();
            let heard = Heard::Now(boot_now());
            let told = match r#type {
                "ADDED" | "MODIFIED" => self.pods.one(&object, heard, wall_clock()),
                "DELETED" => self.pods.gone(&object, heard),
                // a bookmark, or what there will be
                _ => None,
            };
            if let Some(told) = told {
                self.tell(told).await?;
            }
        }
    }

    fn ask(&self, accept: &'static str, query: &str) -> Ask {
        let target = format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{}{query}", self.node);
        Ask { method: Method::GET, target, accept, body: None }
    }

    async fn tell(&self, told: PodTold) -> Result<(), Ended> {
        // who traces is in no hurry for this: it is waited for, and not the other way round
        self.out.send(What::Pod(told)).await.map_err(|_gone| Ended::Nobody)
    }
}

/// What is left to do after an answer.
fn done(fate: Fate) -> Result<(), Ended> {
    match fate {
        Fate::Done => Ok(()),
        Fate::TooOld => Err(Ended::TooOld),
        Fate::Forbidden(why) => Err(Ended::Refused(why)),
        // tokens are renewed, and a server that starts knows nobody
        Fate::Stranger(why) | Fate::Wrong(why) => Err(Ended::Trouble(None, why)),
        Fate::Later(after, why) => Err(Ended::Trouble(after, why)),
        Fate::Gone | Fate::Taken => Err(Ended::Trouble(None, "it knows nothing of pods".to_owned())),
    }
}

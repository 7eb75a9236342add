//! The same look at single containers, again and again, while they are traced.

use std::collections::HashMap;

use crate::container::filter::Filters;
use crate::container::hierarchy::Hierarchies;
use crate::event::{Described, Foresight, TaskKey};

use super::details::Executables;
use super::gather::Gatherer;
use super::look::Eyes;
use super::places::{Place, places};
use super::{Audited, settle};

/// Looks at containers while they are traced.
#[derive(Debug)]
pub(crate) struct Seer {
    hierarchies: Hierarchies,
    eyes: Eyes,
    executables: Executables,
    /// What `--cgroup` and `--pid` name.
    filters: Filters,
}

impl Seer {
    /// Opens the eyes, which takes privileges; the looks take fewer.
    ///
    /// # Errors
    /// When no cgroup hierarchy is mounted.
    pub(crate) fn open(filters: &Filters) -> anyhow::Result<Self> {
        let hierarchies = Hierarchies::discover()?;
        let (eyes, blind) = Eyes::open(&hierarchies);
        if let Some(blind) = blind {
            log::info!("what a stop signal would meet is read from /proc alone: {blind}");
        }
        Ok(Self { hierarchies, eyes, executables: Executables::default(), filters: filters.clone() })
    }

    /// Judges the containers with these ids, and what is known of them: their first processes at least. Those that end meanwhile are left
    /// out. Takes up to a second, where what is seen is the state of a moment.
    ///
    /// # Errors
    /// When nothing can be looked at.
    pub(crate) async fn look(&mut self, asked: HashMap<String, Described>) -> anyhow::Result<Vec<Foresight>> {
        let (places, _) = places(&self.hierarchies, &self.filters)?;
        let places: Vec<Place> = places.into_iter().filter(|place| asked.contains_key(&place.id)).collect();
        let earlier = self.eyes.look(&self.hierarchies, &places)?;
        let mut gatherer = Gatherer {
            hierarchies: &self.hierarchies,
            sight: self.eyes.sight(),
            described: asked,
            executables: std::mem::take(&mut self.executables),
        };
        let audited = settle(&mut gatherer, &mut self.eyes, &places, &earlier).await;
        self.executables = gatherer.executables;
        Ok(audited.into_iter().map(foresight).collect())
    }
}

fn foresight(audited: Audited) -> Foresight {
    let Audited { subject, finding } = audited;
    Foresight {
        task: TaskKey { pid: subject.first.pid, start: subject.first.start },
        signal: subject.stop.signal,
        foreseen: finding.foreseen,
        why: finding.explanation,
        fix: finding.fix,
        notes: finding.notes.into_iter().map(|note| note.text).collect(),
    }
}

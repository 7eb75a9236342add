//! What would become of the stop signal of every container that runs, without sending anything.
//!
//! `places` finds the containers, `look` shows their processes, `gather` makes a [`Subject`] of each, [`judge`] judges
//! it. The judgement is pure: any container can be made up and judged.
//!
//! Architecture invariant: an audit attaches nothing, stops nobody and sends nothing. It never says that a signal would
//! be dropped when it cannot know: [`Foreseen::Unknown`] is an answer.

mod details;
mod fate;
pub(crate) mod fuzzing;
mod gather;
mod go;
mod judge;
mod known;
mod look;
mod notes;
mod places;
mod seer;
mod subject;

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::sleep;

use crate::container::filter::{Filters, Resolved, Verdict};
use crate::container::hierarchy::Hierarchies;
use crate::container::runtime::{Socket, State, look_up};
use crate::event::Described;
use crate::model::ContainerName;
use crate::probe::ProbeError;

pub use crate::event::Foreseen;
pub use fate::{Fate, YOUNG_MS, fate};
pub use judge::{Finding, Init, Note, NoteKind, judge};
pub(crate) use seer::Seer;
pub use subject::{Go, Member, Negligent, Pids, Process, Sight, SignalFd, StopSignal, Subject, Thread, Waits, Zombies};

use gather::Gatherer;
use look::{Eyes, Look};
use places::{Place, places};

/// How long runtimes may take to tell names.
const PATIENCE: Duration = Duration::from_secs(3);
/// What may be the state of a moment is looked at again after these times.
const AGAIN: [Duration; 4] =
    [Duration::from_millis(20), Duration::from_millis(80), Duration::from_millis(300), Duration::from_millis(600)];

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Which containers.
    pub filters: Filters,
    /// Who is asked for names and stop signals.
    pub sockets: Vec<Socket>,
}

/// A container, and what is to be said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Audited {
    /// What is known.
    pub subject: Subject,
    /// What follows.
    pub finding: Finding,
}

/// What an audit came to.
#[derive(Debug)]
pub struct Report {
    /// The containers that were asked for, the worst first.
    pub containers: Vec<Audited>,
    /// Where the facts are from.
    pub sight: Sight,
    /// Why they are from `/proc` alone, if they are.
    pub blind: Option<ProbeError>,
    /// How it stands with each runtime.
    pub runtimes: Vec<(Socket, State)>,
    /// There are containers, and no runtime told of them: what filters by name ask for cannot be known.
    pub nameless: bool,
    /// What each filter by name means.
    pub resolved: Vec<Resolved>,
    /// There were more cgroups, or deeper ones, than are looked at.
    pub cut: bool,
}

/// Looks at every container that is asked for. A container that ends meanwhile is left out.
///
/// # Errors
/// When no cgroup hierarchy is mounted, or `--pid` names no process, or one that is in no container.
pub async fn audit(request: &Request) -> anyhow::Result<Report> {
    let hierarchies = Hierarchies::discover()?;
    let (places, cut) = places(&hierarchies, &request.filters)?;
    let (mut eyes, mut blind) = Eyes::open(&hierarchies);
    let (described, runtimes) = names(&places, &request.sockets).await;
    let answers = runtimes.iter().any(|(_, state)| matches!(state, State::Connected { .. }));
    let earlier = match eyes.look(&hierarchies, &places) {
        Ok(look) => look,
        Err(error) => {
            eyes = Eyes::Proc;
            blind = Some(error);
            eyes.look(&hierarchies, &places)?
        }
    };
    let running = |place: &Place| place.has_runtime() && earlier.members.contains_key(&place.id);
    let nameless = !answers && places.iter().any(running);
    let names: Vec<_> = places.iter().map(|place| gather::name(&place.id, described.get(&place.id))).collect();
    let resolved = request.filters.resolve(&names.iter().filter(|name| !name.sandbox).collect::<Vec<_>>());
    // of one that nobody described nothing but its id can match
    let is_wanted = |name: &ContainerName| request.filters.container(name) == Verdict::Wanted;
    let wanted: Vec<Place> =
        places.iter().zip(&names).filter(|(_, name)| is_wanted(name)).map(|(place, _)| place.clone()).collect();
    let sight = eyes.sight();
    let mut gatherer = Gatherer {
        hierarchies: &hierarchies,
        sight,
        described: described.clone(),
        executables: details::Executables::default(),
    };
    let mut containers = settle(&mut gatherer, &mut eyes, &wanted, &earlier).await;
    containers.retain(|audited| request.filters.signal(audited.subject.stop.signal));
    containers.sort_by_key(|audited| (rank(audited), audited.subject.container.friendly()));
    Ok(Report { containers, sight, blind, runtimes, nameless, resolved, cut })
}

/// What the runtimes say of these containers, by id.
async fn names(places: &[Place], sockets: &[Socket]) -> (HashMap<String, Described>, Vec<(Socket, State)>) {
    let ids: Vec<String> = places.iter().filter(|place| place.has_runtime()).map(|place| place.id.clone()).collect();
    if ids.is_empty() {
        return (HashMap::new(), Vec::new());
    }
    let (described, states) = look_up(sockets, &ids, PATIENCE).await;
    (described.into_iter().map(|told| (told.id.clone(), told)).collect(), states)
}

/// Judges all of them, and looks again at those of which a moment is not enough: who blocks the signal just now, who
/// has zombies that may be reaped at once.
async fn settle(gatherer: &mut Gatherer<'_>, eyes: &mut Eyes, places: &[Place], earlier: &Look) -> Vec<Audited> {
    let mut audited: Vec<(Place, Option<Audited>)> =
        places.iter().map(|place| (place.clone(), audited(gatherer, place, earlier, earlier))).collect();
    let mut pauses = AGAIN.into_iter();
    while audited.iter().any(|(_, audited)| audited.as_ref().is_some_and(is_unsettled))
        && let Some(pause) = pauses.next()
    {
        sleep(pause).await;
        // what the kernel let us see once it lets us see again; if not, what was seen stays
        let Ok(look) = eyes.look(gatherer.hierarchies, places) else { break };
        for (place, known) in &mut audited {
            if known.as_ref().is_some_and(is_unsettled) {
                let again = self::audited(gatherer, place, &look, earlier);
                *known = again.map(|again| prefer(known.take(), again));
            }
        }
    }
    audited.into_iter().filter_map(|(_, audited)| audited).collect()
}

fn audited(gatherer: &mut Gatherer<'_>, place: &Place, look: &Look, earlier: &Look) -> Option<Audited> {
    let subject = gatherer.subject(place, look, earlier)?;
    let finding = judge(&subject);
    Some(Audited { subject, finding })
}

fn is_unsettled(audited: &Audited) -> bool {
    audited.finding.passing || audited.subject.zombies.count > 0
}

/// Of two looks the later, but for what was clear before and is not now. An answer that changed is not certain.
fn prefer(before: Option<Audited>, again: Audited) -> Audited {
    let Some(before) = before else { return again };
    if before.finding.foreseen == again.finding.foreseen {
        return again;
    }
    if again.finding.passing {
        return Audited { subject: Subject { zombies: again.subject.zombies, ..before.subject }, ..before };
    }
    let certain = matches!(again.finding.foreseen, Foreseen::Caught | Foreseen::Taken | Foreseen::Blocked);
    let finding = Finding { certain: again.finding.certain && certain, ..again.finding };
    Audited { finding, ..again }
}

/// The order in which containers are told: those that would not stop, those of which it is not known, those with
/// zombies, the rest.
fn rank(audited: &Audited) -> u8 {
    match audited.finding.foreseen {
        Foreseen::Dropped | Foreseen::Ignored | Foreseen::Blocked => 0,
        _ if audited.subject.zombies.count > 0 => 1,
        Foreseen::Unknown => 2,
        Foreseen::Default => 3,
        // advice is for what is bad
        _ if audited.finding.fix.is_some() => 3,
        Foreseen::Caught | Foreseen::Taken => 4,
    }
}

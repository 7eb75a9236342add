//! What the command line asks for, and which container that is.

use crate::printable;
use crate::signal::Signal;

/// How many names are offered when a filter matches nothing.
const OFFERED: usize = 3;
/// The fewest characters that count as a prefix of an id. One hex digit would match a sixteenth of all containers; four
/// are what people copy at least.
pub const MIN_ID_PREFIX: usize = 4;
/// Names and filters are compared up to here: the distance of two strings takes time in proportion to both lengths.
const COMPARED: usize = 128;

/// The filters that need nothing but the host and its runtime. Each may hold several; an empty one lets all pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// `--container`: ids, prefixes of ids, or names.
    pub containers: Vec<String>,
    /// `--cgroup`: paths, see [`super::scan::Classifier::new`].
    pub cgroups: Vec<String>,
    /// `--pid`: host pids.
    pub pids: Vec<u32>,
    /// `--signal`.
    pub signals: Vec<Signal>,
}

impl Filters {
    /// Whether nothing is filtered: everything on the host is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { containers, cgroups, pids, signals } = self;
        containers.is_empty() && cgroups.is_empty() && pids.is_empty() && signals.is_empty()
    }

    /// Whether every container is asked for.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.containers.is_empty() && self.cgroups.is_empty() && self.pids.is_empty()
    }

    /// Whether a signal is asked for.
    #[must_use]
    pub fn signal(&self, signal: Signal) -> bool {
        self.signals.is_empty() || self.signals.contains(&signal)
    }

    /// Whether a container is asked for by `--container`. Without one every container is. While its name is not known
    /// (`None`) only its id can match: ask again when it is.
    #[must_use]
    pub fn container(&self, container: Known<'_>) -> bool {
        self.containers.is_empty() || self.containers.iter().any(|wanted| fit(wanted, container) != Fit::No)
    }

    /// What each `--container` means among the containers that are known, in the order of the command line.
    #[must_use]
    pub fn resolve(&self, known: &[Known<'_>]) -> Vec<Resolved> {
        self.containers.iter().map(|wanted| resolve(wanted, known)).collect()
    }
}

/// A container as far as a filter looks at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known<'a> {
    /// Full id.
    pub id: &'a str,
    /// Name as the runtime tells it, without Docker's slash. A container of a pod that Docker runs has a long one
    /// (`k8s_app_web-0_default_…`), which must be given in full: `--pod` is for those.
    pub name: Option<&'a str>,
}

/// How well a filter fits a container; the better is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    No,
    /// The filter begins the id.
    Prefix,
    /// It is the name. A name that looks like the beginning of another's id is still a name.
    Name,
    /// It is the id.
    Id,
}

fn fit(wanted: &str, container: Known<'_>) -> Fit {
    if wanted.is_empty() {
        return Fit::No;
    }
    let name = wanted.strip_prefix('/').unwrap_or(wanted); // as `docker inspect` has it
    if wanted == container.id {
        Fit::Id
    } else if container.name == Some(name) {
        Fit::Name
    } else if wanted.len() >= MIN_ID_PREFIX && container.id.starts_with(wanted) {
        Fit::Prefix
    } else {
        Fit::No
    }
}

/// What one `--container` means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// The id of the one it names.
    One(String),
    /// It begins several ids. All of them are traced; this is to be told.
    Several {
        /// As it was given.
        wanted: String,
        /// Full ids.
        ids: Vec<String>,
    },
    /// Nothing yet: it may be a container that is still to come, or a slip.
    Nothing {
        /// As it was given.
        wanted: String,
        /// Names (and short ids of the nameless) that are much like it, the nearest first.
        nearest: Vec<String>,
    },
}

impl std::fmt::Display for Resolved {
    /// In one sentence, safe for a terminal.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::One(id) => write!(f, "container {}", short(id)),
            Self::Several { wanted, ids } => {
                let ids: Vec<_> = ids.iter().map(|id| short(id)).collect();
                let wanted = printable::text(wanted);
                write!(f, "{wanted} begins {} ids ({}); give more of the one you mean", ids.len(), ids.join(", "))
            }
            Self::Nothing { wanted, nearest } => {
                write!(f, "no container is called {} yet", printable::text(wanted))?;
                for (n, name) in nearest.iter().enumerate() {
                    let before = match n {
                        0 => "; did you mean ",
                        _ if n + 1 == nearest.len() => " or ",
                        _ => ", ",
                    };
                    write!(f, "{before}{}", printable::text(name))?;
                }
                if !nearest.is_empty() {
                    f.write_str("?")?;
                }
                Ok(())
            }
        }
    }
}

fn resolve(wanted: &str, known: &[Known<'_>]) -> Resolved {
    let best = known.iter().map(|&container| fit(wanted, container)).max().unwrap_or(Fit::No);
    if best == Fit::No {
        return Resolved::Nothing { wanted: wanted.to_owned(), nearest: nearest(wanted, known) };
    }
    let ids: Vec<_> = known.iter().filter(|&&container| fit(wanted, container) == best).map(|known| known.id).collect();
    match ids.as_slice() {
        [id] => Resolved::One((*id).to_owned()),
        // two runtimes may both have a container of that name
        _ => Resolved::Several { wanted: wanted.to_owned(), ids: ids.into_iter().map(str::to_owned).collect() },
    }
}

/// The names most like `wanted`, if they are like it at all.
fn nearest(wanted: &str, known: &[Known<'_>]) -> Vec<String> {
    let cut = |text: &str| text.chars().take(COMPARED).collect::<String>().to_lowercase();
    let wanted = cut(wanted);
    let mut near: Vec<_> = known
        .iter()
        .map(|container| container.name.map_or_else(|| short(container.id), str::to_owned))
        .map(|name| (strsim::normalized_damerau_levenshtein(&wanted, &cut(&name)), name))
        // a part of a name, as in `web` for `shop-web-1`, is as good as a typing error
        .map(|(likeness, name)| (if wanted.len() >= 3 && cut(&name).contains(&wanted) { 1.0 } else { likeness }, name))
        .filter(|(likeness, _)| *likeness >= 0.6)
        .collect();
    near.sort_by(|(a, a_name), (b, b_name)| b.total_cmp(a).then_with(|| a_name.cmp(b_name)));
    near.dedup_by(|(_, a), (_, b)| a == b);
    near.truncate(OFFERED);
    near.into_iter().map(|(_, name)| name).collect()
}

/// The first twelve characters, as people write an id.
fn short(id: &str) -> String {
    printable::text(&id.chars().take(12).collect::<String>()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: &str = "abcd1b4602822bd02403ad7e666867f81a739cc7c8cb95bbb56e484ec54908a1";
    const DB: &str = "abcd2a8b9b6fd585a738350f13a2b4a93983bd9bd249cfad25246d7bcd7ffb84";
    const KUBE: &str = "25feb8a9b6fd585a738350f13a2b4a93983bd9bd249cfad25246d7bcd7ffb846";

    fn known() -> [Known<'static>; 4] {
        [
            Known { id: WEB, name: Some("shop-web-1") },
            Known { id: DB, name: Some("shop-db-1") },
            Known { id: KUBE, name: Some("k8s_app_web-0_default_51e6a9b8-d4c3-42d2-a9dc-10dd18aa6ac7_0") },
            Known { id: "lxc-guest", name: None },
        ]
    }

    #[track_caller]
    fn check(wanted: &str, expect: &str) {
        let filters = Filters { containers: vec![wanted.to_owned()], ..Filters::default() };
        let resolved = filters.resolve(&known());
        assert_eq!(resolved[0].to_string(), expect);
        // whether any passes, and what it means, must never disagree
        let any = known().into_iter().any(|container| filters.container(container));
        assert_eq!(any, !matches!(resolved[0], Resolved::Nothing { .. }), "{wanted}");
    }

    #[test]
    fn what_a_filter_means() {
        check(WEB, "container abcd1b460282");
        check("abcd1", "container abcd1b460282");
        check("shop-db-1", "container abcd2a8b9b6f");
        check("/shop-db-1", "container abcd2a8b9b6f");
        check("lxc-guest", "container lxc-guest");
        check("k8s_app_web-0_default_51e6a9b8-d4c3-42d2-a9dc-10dd18aa6ac7_0", "container 25feb8a9b6fd");
        check("abcd", "abcd begins 2 ids (abcd1b460282, abcd2a8b9b6f); give more of the one you mean");
    }

    #[test]
    fn slips() {
        check("shop-wbe-1", "no container is called shop-wbe-1 yet; did you mean shop-web-1 or shop-db-1?");
        check("shop-b-1", "no container is called shop-b-1 yet; did you mean shop-db-1 or shop-web-1?");
        check(
            "web",
            "no container is called web yet; did you mean \
             k8s_app_web-0_default_51e6a9b8-d4c3-42d2-a9dc-10dd18aa6ac7_0 or shop-web-1?",
        );
        check("SHOP-WEB-1", "no container is called SHOP-WEB-1 yet; did you mean shop-web-1 or shop-db-1?");
        check("postgres", "no container is called postgres yet");
        check("a", "no container is called a yet"); // too short for a prefix
        check("", "no container is called  yet");
        check("ABCD1", "no container is called ABCD1 yet");
        check("\u{1b}[2J", "no container is called \\x1b[2J yet");
    }

    /// A name that looks like an id is a name first, and an exact id before anything.
    #[test]
    fn the_better_fit_wins() {
        let filters = Filters { containers: vec!["abcd".to_owned()], ..Filters::default() };
        let known = [Known { id: WEB, name: Some("abcd") }, Known { id: DB, name: None }];
        assert_eq!(filters.resolve(&known), [Resolved::One(WEB.to_owned())]);
        let twins = [Known { id: WEB, name: Some("abcd") }, Known { id: DB, name: Some("abcd") }];
        assert!(matches!(&filters.resolve(&twins)[0], Resolved::Several { ids, .. } if ids.len() == 2));
    }

    #[test]
    fn no_filter_lets_everything_pass() {
        let filters = Filters::default();
        assert!(filters.is_empty() && filters.signal(Signal::TERM) && filters.container(known()[0]));
        let filters = Filters { signals: vec![Signal::TERM], ..filters };
        assert!(!filters.is_empty() && filters.signal(Signal::TERM) && !filters.signal(Signal::KILL));
    }

    #[test]
    fn endless_names_take_no_time() {
        let name = "x".repeat(1 << 20);
        let filters = Filters { containers: vec!["y".repeat(1 << 20)], ..Filters::default() };
        let known = vec![Known { id: DB, name: Some(&name) }; 100];
        assert!(matches!(filters.resolve(&known)[0], Resolved::Nothing { .. }));
    }
}

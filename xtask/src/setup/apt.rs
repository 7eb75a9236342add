//! Debian's package tools.

use super::quiet::Quiet;
use crate::{paths, sh, ui};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

/// Package lists older than this name versions that the mirrors no longer have.
const LISTS_AGE_MAX: Duration = Duration::from_hours(24);

/// Installs the packages, as root, without questions, without what is merely recommended, and without starting the
/// services that some of them bring.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    refresh()?;
    let _quiet = Quiet::start()?;
    if let Err(first) = sh::run(apt_get()?.args(["install", "--yes", "--no-install-recommends"]).args(packages)) {
        // Lists can be older than a mirror although they were fetched a minute ago: once more, with new ones.
        ui::note(format!("{first:#}; trying once more with fresh package lists"));
        update()?;
        sh::run(apt_get()?.args(["install", "--yes", "--no-install-recommends"]).args(packages))
            .with_context(|| format!("cannot install {}: {}", packages.join(" "), by_hand(packages)))?;
    }
    Ok(())
}

/// Whether this machine's lists have a version of the package to offer.
pub(super) fn offers(package: &str) -> Result<bool> {
    Archive::default().offers(package)
}

/// What can be downloaded for an architecture, and is never installed.
#[derive(Default)]
pub(super) struct Archive {
    /// Options that lead apt to lists of its own.
    options: Vec<String>,
    /// Where these are, if not in the usual place.
    lists: Option<PathBuf>,
}

impl Archive {
    /// That of an architecture by Debian's name. Another than this machine's has lists of its own below target/vm: this
    /// machine's apt is not told of it.
    pub(super) fn of(architecture: &str) -> Result<Self> {
        if sh::read(sh::cmd("dpkg").arg("--print-architecture"))?.trim() == architecture {
            return Ok(Self::default());
        }
        let options = [format!("APT::Architecture={architecture}"), format!("APT::Architectures={architecture}")];
        Self::apart(architecture, options.to_vec())
    }

    /// That of another release of Debian by its code name, from the mirror that this machine uses.
    pub(super) fn of_release(release: &str) -> Result<Self> {
        let mirror = sh::read(sh::cmd("apt-get").args(["indextargets", "--format", "$(REPO_URI)", "Origin: Debian"]))?;
        let mirror = mirror.lines().find(|uri| !uri.contains("security")).unwrap_or("http://deb.debian.org/debian/");
        let sources = paths::target_dir(&format!("vm/apt-{release}"))?.join("sources.list");
        std::fs::write(&sources, format!("deb {mirror} {release} main\n"))
            .with_context(|| format!("cannot write {}", sources.display()))?;
        let options =
            [format!("Dir::Etc::SourceList={}", sources.display()), "Dir::Etc::SourceParts=/dev/null".to_owned()];
        Self::apart(release, options.to_vec())
    }

    /// One with lists of its own, and these settings of apt's.
    fn apart(name: &str, mut settings: Vec<String>) -> Result<Self> {
        let lists = paths::target_dir(&format!("vm/apt-{name}/lists"))?;
        let cache = paths::target_dir(&format!("vm/apt-{name}/cache"))?;
        for dir in [lists.join("partial"), cache.join("archives/partial")] {
            std::fs::create_dir_all(&dir).with_context(|| format!("cannot make the directory {}", dir.display()))?;
        }
        settings.push(format!("Dir::State::Lists={}", lists.display()));
        settings.push(format!("Dir::Cache={}", cache.display()));
        let options = settings.into_iter().flat_map(|setting| ["-o".to_owned(), setting]).collect();
        Ok(Self { options, lists: Some(lists) })
    }

    /// Fetches the lists when there are none or they are old.
    pub(super) fn refresh(&self) -> Result<()> {
        let Some(lists) = &self.lists else { return refresh() };
        if age(lists).is_some_and(|age| age < LISTS_AGE_MAX) {
            return Ok(());
        }
        // As root, apt would download as its own user, who may not write here.
        let mut command = sh::cmd("apt-get");
        command.args(["update", "--quiet=2", "-o", "APT::Sandbox::User=root"]).args(&self.options);
        if let Err(error) = sh::run(&mut command) {
            ui::note(format!("{error:#}; going on with the lists there are"));
        }
        Ok(())
    }

    /// Downloads a package and unpacks one directory of it into `dir`.
    pub(super) fn unpack(&self, package: &str, dir: &Path, part: &str) -> Result<()> {
        let staging = paths::target_dir("vm/download")?;
        self.download(package, &staging)?;
        let prefix = format!("{package}_");
        let debs = std::fs::read_dir(&staging).with_context(|| format!("cannot list {}", staging.display()))?;
        let deb = debs.flatten().find(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
        let deb =
            deb.with_context(|| format!("apt-get download {package} left no file in {}", staging.display()))?.path();
        let script = r#"set -o pipefail; dpkg-deb --fsys-tarfile "$1" | tar --extract --directory "$2" "$3""#;
        sh::read(sh::cmd("bash").args(["-c", script, "unpack"]).arg(&deb).arg(dir).arg(part))?;
        std::fs::remove_file(&deb).with_context(|| format!("cannot remove {}", deb.display()))
    }

    fn download(&self, package: &str, dir: &Path) -> Result<()> {
        let mut command = sh::cmd("apt-get");
        command.args(["download", "--quiet=2", "-o", "APT::Sandbox::User=root"]).args(&self.options);
        sh::run(command.arg(package).current_dir(dir))
    }

    /// The names of all known packages that start with `prefix`.
    pub(super) fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let names = sh::read(sh::cmd("apt-cache").args(&self.options).args(["pkgnames", prefix]))?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// Whether the lists have a version of the package to offer.
    pub(super) fn offers(&self, package: &str) -> Result<bool> {
        let policy = sh::read(sh::cmd("apt-cache").args(&self.options).args(["policy", package]))?;
        Ok(policy.lines().any(|line| line.trim().starts_with("Candidate:") && !line.contains("(none)")))
    }
}

/// Fetches the package lists when there are none or they are old.
pub(super) fn refresh() -> Result<()> {
    if paths::which("apt-get").is_none() {
        bail!("there is no apt-get here: set-up knows Debian only; CONTRIBUTING.md lists what to install by hand");
    }
    if age(Path::new("/var/lib/apt/lists")).is_some_and(|age| age < LISTS_AGE_MAX) { Ok(()) } else { update() }
}

/// `apt-get update`. One dead third-party source must not keep the others from being used.
fn update() -> Result<()> {
    if let Err(error) = sh::run(apt_get()?.args(["update", "--quiet"])) {
        ui::note(format!("{error:#}; going on with the lists there are"));
    }
    Ok(())
}

fn apt_get() -> Result<Command> {
    // `env` because sudo drops variables that are set in front of it. needrestart would restart services or ask.
    let mut command = sh::root_cmd("env")?;
    command.args(["DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1", "apt-get", "--quiet"]);
    Ok(command)
}

fn by_hand(packages: &[&str]) -> String {
    format!("see apt's message above; by hand: apt-get install {}", packages.join(" "))
}

/// How old the lists in a directory are; `None` if there are none.
fn age(lists: &Path) -> Option<Duration> {
    newest(lists).and_then(|time| SystemTime::now().duration_since(time).ok())
}

/// When the directory or a list in it last changed. A list carries the mirror's date, the directory that of the fetch.
fn newest(dir: &Path) -> Option<SystemTime> {
    let lists = std::fs::read_dir(dir).ok()?.flatten();
    let mut found = lists
        .filter(|entry| {
            entry.file_name().to_string_lossy().ends_with("Packages.lz4")
                || entry.file_name().to_string_lossy().ends_with("_Packages")
        })
        .peekable();
    found.peek()?;
    let times = found.filter_map(|entry| entry.metadata().ok()?.modified().ok());
    times.chain(std::fs::metadata(dir).ok()?.modified().ok()).max()
}

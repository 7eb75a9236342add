//! The lines of `/proc` that tell of cgroups: what is mounted, which controllers there are, where a process is.

use std::path::PathBuf;

/// A line of `/proc/self/mountinfo` about cgroups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupMount {
    /// Major and minor number of the file system, the same for all mounts of one hierarchy.
    pub device: (u32, u32),
    /// Where.
    pub point: PathBuf,
    /// Which cgroup is mounted there.
    pub root: String,
    /// Super options of a v1 hierarchy: its controllers or `name=…` among others. `None` for v2.
    pub v1: Option<Vec<String>>,
}

impl CgroupMount {
    /// Whether it has a v1 controller.
    pub(super) fn has(&self, controller: &str) -> bool {
        self.v1.as_ref().is_some_and(|options| options.iter().any(|option| option == controller))
    }
}

/// The cgroup mounts of a `/proc/PID/mountinfo`; other lines, and those that make no sense, are left out.
#[must_use]
pub fn parse_mountinfo(text: &str) -> Vec<CgroupMount> {
    text.lines().filter_map(mount_line).collect()
}

fn mount_line(line: &str) -> Option<CgroupMount> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut fields = mount.split(' ').skip(2);
    let (major, minor) = fields.next()?.split_once(':')?;
    let (root, point) = (unescape(fields.next()?), PathBuf::from(unescape(fields.next()?)));
    let mut fields = filesystem.split(' ');
    let v1 = match fields.next()? {
        "cgroup2" => None,
        "cgroup" => Some(fields.nth(1)?.split(',').map(str::to_owned).collect()),
        _ => return None,
    };
    Some(CgroupMount { device: (major.parse().ok()?, minor.parse().ok()?), point, root, v1 })
}

/// `mountinfo` writes space, tab, newline and backslash as three octal digits.
pub(super) fn unescape(text: &str) -> String {
    let mut rest = text;
    let mut plain = String::with_capacity(text.len());
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let digits = rest.get(at + 1..at + 4).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let Some(byte) = digits.filter(u8::is_ascii) {
            plain.push(char::from(byte));
            rest = &rest[at + 4..];
        } else {
            plain.push('\\');
            rest = &rest[at + 1..];
        }
    }
    plain.push_str(rest);
    plain
}

/// A line of `/proc/cgroups`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Controller {
    /// Name.
    pub name: String,
    /// Id of its hierarchy; 0 when it is v2's or nobody's.
    pub hierarchy: u32,
}

/// `/proc/cgroups`; lines that make no sense are left out.
#[must_use]
pub fn parse_controllers(text: &str) -> Vec<Controller> {
    let line = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let name = fields.next().filter(|name| !name.starts_with('#'))?;
        Some(Controller { name: name.to_owned(), hierarchy: fields.next()?.parse().ok()? })
    };
    text.lines().filter_map(line).collect()
}

/// A line of `/proc/PID/cgroup`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Id of the hierarchy; 0 for v2.
    pub hierarchy: u32,
    /// Its controllers, or `name=…`; empty for v2.
    pub controllers: Vec<String>,
    /// Path from the root of the reader's cgroup namespace.
    pub path: String,
    /// The cgroup was removed: the process is a zombie.
    pub deleted: bool,
}

impl Membership {
    /// Whether it tells of the hierarchy with that v1 controller.
    #[must_use]
    pub fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|name| name == controller)
    }
}

/// `/proc/PID/cgroup`; lines that make no sense are left out.
#[must_use]
pub fn parse_membership(text: &str) -> Vec<Membership> {
    let line = |line: &str| {
        let mut fields = line.splitn(3, ':');
        let hierarchy = fields.next()?.parse().ok()?;
        let controllers = fields.next()?.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let path = fields.next().filter(|path| path.starts_with('/'))?;
        let (path, deleted) = path.strip_suffix(" (deleted)").map_or((path, false), |path| (path, true));
        Some(Membership { hierarchy, controllers, path: path.to_owned(), deleted })
    };
    text.lines().filter_map(line).collect()
}

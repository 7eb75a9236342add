//! What is mounted where: a parser of `/proc/PID/mountinfo`.

use std::path::{Path, PathBuf};

/// One mount, as this process sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Directory of the file system that is at [`Mount::point`]; `/` unless only a part of it is mounted.
    pub root: String,
    /// Where it is mounted.
    pub point: PathBuf,
    /// Type of the file system: `proc`, `cgroup2`, …
    pub kind: String,
    /// Options of the mount and of the file system, in this order.
    pub options: Vec<String>,
}

impl Mount {
    /// Reads `/proc/PID/mountinfo` (`proc_pid_mountinfo(5)`). Lines that cannot be read are left out: a mount that
    /// this parser does not understand is one we have no use for.
    #[must_use]
    pub fn parse(mountinfo: &str) -> Vec<Self> {
        mountinfo.lines().filter_map(Self::parse_line).collect()
    }

    fn parse_line(line: &str) -> Option<Self> {
        // The number of optional fields before the dash varies, hence two halves.
        let (mount, file_system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (root, point, flags) = (mount.next()?, mount.next()?, mount.next()?);
        let mut file_system = file_system.split(' ');
        let (kind, more) = (file_system.next()?, file_system.nth(1).unwrap_or_default());
        let options = flags.split(',').chain(more.split(',')).filter(|option| !option.is_empty());
        Some(Self {
            root: unescape(root),
            point: PathBuf::from(unescape(point)),
            kind: kind.to_owned(),
            options: options.map(str::to_owned).collect(),
        })
    }

    /// Whether an option is set.
    #[must_use]
    pub fn has(&self, option: &str) -> bool {
        self.options.iter().any(|known| known == option)
    }

    /// What follows `name=`.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.options.iter().find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
    }

    /// The mount that is seen at `point`: the last one there covers the others.
    #[must_use]
    pub fn at<'a>(mounts: &'a [Self], point: &Path) -> Option<&'a Self> {
        mounts.iter().rev().find(|mount| mount.point == point)
    }
}

/// Blanks, line ends and backslashes are written as three octal digits.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let escaped = after.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        plain.push(escaped.map_or('\\', char::from));
        rest = if escaped.is_some() { &after[3..] } else { after };
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        let mounts = Mount::parse(
            "22 1 0:21 / /proc rw,nosuid shared:5 master:1 - proc proc rw,hidepid=invisible\n\
             30 1 0:26 /../.. /sys/fs/cg\\040roup ro - cgroup2 none rw,nsdelegate\n\
             nonsense\n31 1 0:27 / /a - \n",
        );
        assert_eq!(mounts.len(), 2, "{mounts:?}");
        assert_eq!(mounts[0].value("hidepid"), Some("invisible"));
        assert_eq!(mounts[1].point, Path::new("/sys/fs/cg roup"));
        assert_eq!((mounts[1].root.as_str(), mounts[1].has("ro")), ("/../..", true));
        assert_eq!(Mount::at(&mounts, Path::new("/proc")).map(|mount| mount.kind.as_str()), Some("proc"));
    }

    #[test]
    fn backslashes_that_escape_nothing_stay() {
        assert_eq!(unescape(r"a\040b\134c\9\"), r"a b\c\9\");
    }
}

//! What this machine lends to the containers: its programs, read-only.

use std::path::{Path, PathBuf};

/// Where a distribution's programs and libraries are. Mounted into every container, if they exist.
const LENT: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/opt"];

/// Where programs are looked for: the distribution's first, since those need nothing from elsewhere.
const BIN: [&str; 6] = ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin", "/usr/local/sbin"];

/// A program of that name; those of the distribution are preferred to what else is in `PATH`.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = BIN.iter().map(PathBuf::from).chain(std::env::split_paths(&path));
    dirs.map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// The directories to mount into a container, under the same names.
///
/// Not /sbin where it is only another name for /usr/sbin: Docker puts its own init there (`--init`).
///
/// A program outside of the usual places (a node of nvm's, in /root) is reached by mounting its own tree as well:
/// the directory above the `bin` it really is in.
pub(crate) fn mounts(programs: &[&str]) -> Vec<PathBuf> {
    let mut dirs: Vec<PathBuf> = LENT.iter().map(PathBuf::from).filter(|dir| lent(dir)).collect();
    for name in programs {
        let Some(file) = program(name).and_then(|file| file.canonicalize().ok()) else { continue };
        let tree = file.ancestors().nth(2).unwrap_or(Path::new("/"));
        if !dirs.iter().any(|dir| file.starts_with(dir)) && tree != Path::new("/") {
            dirs.push(tree.to_owned());
        }
    }
    dirs
}

fn lent(dir: &Path) -> bool {
    dir.is_dir() && !(dir.ends_with("sbin") && dir.is_symlink())
}

/// Whether a process of that name is in the container.
pub(crate) fn runs(id: &str, comm: &str) -> bool {
    let processes = std::fs::read_dir("/proc").expect("/proc can be read").filter_map(Result::ok);
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    processes
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(|first: char| first.is_ascii_digit()))
        .filter(|entry| read(entry.path().join("comm")).trim_end() == comm)
        .any(|entry| read(entry.path().join("cgroup")).contains(id))
}

/// A number of `/proc/PID/status`.
pub(crate) fn status(pid: u32, field: &str, radix: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    u64::from_str_radix(line.trim(), radix).ok()
}

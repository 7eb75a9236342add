//! The Debian package of a release, made by dpkg-deb from what [`crate::dist`] has made.

use crate::{paths, sh};
use anyhow::{Context, Result};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

const NAME: &str = "tracer";
const VERSION: &str = env!("CARGO_PKG_VERSION");
const SYNOPSIS: &str = "see what the kernel did with a container's stop signal";

/// What is in the package: where it is from, below the directory of the release (`dist/`) or the workspace, where it goes,
/// and its mode.
const FILES: [(&str, &str, &str); 8] = [
    ("dist/tracer.1.gz", "usr/share/man/man1/tracer.1.gz", "644"),
    ("dist/tracer.bash", "usr/share/bash-completion/completions/tracer", "644"),
    ("dist/_tracer", "usr/share/zsh/vendor-completions/_tracer", "644"),
    ("dist/tracer.fish", "usr/share/fish/vendor_completions.d/tracer.fish", "644"),
    ("deploy/systemd/tracer-agent.service", "usr/lib/systemd/system/tracer-agent.service", "644"),
    ("deploy/debian/agent.toml", "etc/tracer/agent.toml", "644"),
    ("LICENSE", "usr/share/doc/tracer/copyright", "644"),
    ("dist/changelog.gz", "usr/share/doc/tracer/changelog.gz", "644"),
];

/// Programs of the package's that dpkg runs.
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];

/// As Debian calls the architecture of a target.
pub(crate) fn architecture(triple: &str) -> &'static str {
    if triple.starts_with("aarch64") { "arm64" } else { "amd64" }
}

/// Makes the package with `binary` in it, beside what `dist` holds of the release. Returns its file name.
pub(crate) fn make(binary: &Path, architecture: &str, dist: &Path) -> Result<String> {
    let root = dist.join(format!("deb-{architecture}"));
    remove(&root)?;
    compress(&dist.join("tracer.1"), &dist.join("tracer.1.gz"))?;
    compress(&paths::workspace().join("CHANGELOG.md"), &dist.join("changelog.gz"))?;
    install(binary, &root.join("usr/bin/tracer"), "755")?;
    for (from, to, mode) in FILES {
        let from = from.strip_prefix("dist/").map_or_else(|| paths::workspace().join(from), |name| dist.join(name));
        install(&from, &root.join(to), mode)?;
    }
    for script in SCRIPTS {
        install(&paths::workspace().join("deploy/debian").join(script), &root.join("DEBIAN").join(script), "755")?;
    }
    let size = FILES.iter().map(|(_, to, _)| *to).chain(["usr/bin/tracer"]).map(|file| kib(&root.join(file)));
    let size = size.sum::<Result<u64>>()?;
    save(&root.join("DEBIAN/control"), &control(architecture, size))?;
    save(&root.join("DEBIAN/conffiles"), "/etc/tracer/agent.toml\n")?;
    let file = format!("{NAME}_{VERSION}_{architecture}.deb");
    sh::read(sh::cmd("dpkg-deb").args(["--root-owner-group", "--build"]).arg(&root).arg(dist.join(&file)))?;
    remove(&root)?;
    for file in ["tracer.1.gz", "changelog.gz"] {
        fs::remove_file(dist.join(file)).with_context(|| format!("cannot remove {file}"))?;
    }
    Ok(file)
}

/// <https://www.debian.org/doc/debian-policy/ch-controlfields.html>
fn control(architecture: &str, kib: u64) -> String {
    let mut text = String::new();
    let fields = [
        ("Package", NAME),
        ("Version", VERSION),
        ("Architecture", architecture),
        ("Maintainer", "The tracer authors <tracer@localhost>"),
        ("Installed-Size", &kib.to_string()),
        ("Section", "admin"),
        ("Priority", "optional"),
        ("Description", SYNOPSIS),
    ];
    for (name, value) in fields {
        // memory takes everything
        writeln!(text, "{name}: {value}").unwrap_or_default();
    }
    text + " Traces signals, exits and zombies of containers with eBPF, and says why a container\n would not stop. \
            One static binary; the agent is started by\n systemctl enable --now tracer-agent\n"
}

fn kib(file: &Path) -> Result<u64> {
    let data = fs::metadata(file).with_context(|| format!("cannot look at {}", file.display()))?;
    Ok(data.len().div_ceil(1024))
}

fn install(from: &Path, to: &Path, mode: &str) -> Result<()> {
    sh::read(sh::cmd("install").args(["-D", "--mode", mode]).arg(from).arg(to)).map(drop)
}

/// Without name and time, so that the same input gives the same file.
fn compress(from: &Path, to: &Path) -> Result<()> {
    let script = r#"gzip --best --no-name <"$1" >"$2""#;
    sh::read(sh::cmd("sh").args(["-c", script, "compress"]).arg(from).arg(to)).map(drop)
}

fn save(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn remove(dir: &PathBuf) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("cannot remove {}", dir.display()))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a release has, with a stand-in for the binary.
    fn release(dir: &Path) -> PathBuf {
        for name in ["tracer.1", "tracer.bash", "_tracer", "tracer.fish"] {
            save(&dir.join(name), name).expect("the directory is ours");
        }
        let binary = dir.join("tracer-binary");
        save(&binary, "#!/bin/sh\necho tracer 1.2.3\n").expect("the directory is ours");
        binary
    }

    fn directory(name: &str) -> PathBuf {
        let dir = paths::target_dir(&format!("test-{name}-{}", std::process::id())).expect("a directory");
        remove(&dir).expect("it is ours");
        fs::create_dir_all(&dir).expect("it is ours");
        dir
    }

    #[test]
    fn it_holds_what_debian_has_where_debian_has_it() {
        if paths::which("dpkg-deb").is_none() {
            // not Debian: packages are made elsewhere
            return;
        }
        let dir = directory("deb-content");
        let file = make(&release(&dir), "amd64", &dir).expect("a package");
        let deb = dir.join(&file);
        let list = sh::read(sh::cmd("dpkg-deb").arg("--contents").arg(&deb)).expect("a package");
        let lines: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
        let line = |path: &str| {
            lines.iter().find(|words| words.last() == Some(&path)).unwrap_or_else(|| panic!("no {path}: {list}"))
        };
        assert_eq!(line("./usr/bin/tracer")[..2], ["-rwxr-xr-x", "root/root"]);
        for (_, to, _) in FILES {
            assert_eq!(line(&format!("./{to}"))[..2], ["-rw-r--r--", "root/root"], "{to}");
        }
        let field = |name: &str| sh::read(sh::cmd("dpkg-deb").arg("--field").arg(&deb).arg(name)).expect("a field");
        assert_eq!(
            (field("Package").trim(), field("Version").trim(), field("Architecture").trim()),
            (NAME, VERSION, "amd64")
        );
        assert!(!dir.join("deb-amd64").exists() && !dir.join("tracer.1.gz").exists(), "nothing is left behind");
        remove(&dir).expect("it is ours");
    }

    #[test]
    #[ignore = "needs root: cargo xtask test runs it"]
    fn dpkg_installs_upgrades_and_removes_it() {
        let dir = directory("deb-install");
        let deb = dir.join(make(&release(&dir), architecture(std::env::consts::ARCH), &dir).expect("a package"));
        let root = dir.join("root");
        fs::create_dir_all(root.join("var/lib/dpkg/updates")).expect("it is ours");
        fs::create_dir_all(root.join("var/lib/dpkg/info")).expect("it is ours");
        save(&root.join("var/lib/dpkg/status"), "").expect("it is ours");
        // no shell is in there for the scripts: they run outside, and see DPKG_ROOT
        let dpkg = |words: &[&str]| {
            let mut command = sh::cmd("dpkg");
            command.args(["--force-script-chrootless", "--force-not-root", "--root"]).arg(&root).args(words);
            sh::read(&mut command).expect("dpkg is content")
        };
        let deb = deb.to_str().expect("plain text");
        dpkg(&["--install", deb]);
        let told = sh::read(&mut sh::cmd(root.join("usr/bin/tracer"))).expect("it runs");
        assert_eq!(told, "tracer 1.2.3\n");
        // what was changed by hand stays
        let config = root.join("etc/tracer/agent.toml");
        save(&config, "log-level = \"warn\"\n").expect("it is ours");
        dpkg(&["--install", deb]);
        assert_eq!(fs::read_to_string(&config).expect("it is there"), "log-level = \"warn\"\n");
        dpkg(&["--remove", NAME]);
        assert!(!root.join("usr/bin/tracer").exists() && config.exists(), "the configuration stays until it is purged");
        dpkg(&["--purge", NAME]);
        assert!(!config.exists());
        remove(&dir).expect("it is ours");
    }
}

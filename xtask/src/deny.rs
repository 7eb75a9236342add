//! `cargo xtask deny`: licences, sources and known faults of everything that goes into a build, by `deny.toml`.
//!
//! That every crate is from crates.io, is locked with a checksum and has a licence that `deny.toml` allows is checked with
//! each `cargo test`, without a tool. The database of `RustSec` and the rest need cargo-deny and the network.

use crate::{sh, tool, ui};
use anyhow::Result;

/// The pinned version of cargo-deny.
const VERSION: &str = "0.20.2";

/// The options of `deny`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Without the database of known faults, which is fetched from GitHub
    #[arg(long)]
    no_advisories: bool,
}

/// What is built here, and what builds the fuzzer: each has a lock file.
const WORKSPACES: [&str; 2] = ["Cargo.toml", "fuzz/Cargo.toml"];

/// Installs cargo-deny if it is missing (minutes), and runs it.
pub(crate) fn run(args: &Args) -> Result<()> {
    tool::ensure("deny", VERSION, "it knows licences, sources and the RustSec database")?;
    let advisories = if args.no_advisories { "" } else { ", advisories" };
    let stage = ui::Stage::start(format!("licences, sources, versions{advisories}"));
    for manifest in WORKSPACES {
        let mut deny = sh::cargo(None);
        deny.args(["deny", "--locked", "--manifest-path", manifest, "--config", "deny.toml"]);
        deny.arg("check");
        if args.no_advisories {
            deny.args(["bans", "licenses", "sources"]);
        }
        sh::run(&mut deny)?;
    }
    stage.end("nothing found");
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::{paths, sh};
    use std::collections::BTreeSet;
    use std::fs;

    fn read(file: &str) -> toml::Table {
        fs::read_to_string(paths::workspace().join(file)).expect(file).parse().expect(file)
    }

    /// Every package of a lock file is ours, or of crates.io with a checksum.
    fn check_lock(file: &str, own: &[&str]) {
        let lock = read(file);
        let packages = lock["package"].as_array().expect("packages");
        assert!(packages.len() > 20, "{file} locks next to nothing");
        for package in packages {
            let text = |key: &str| package.get(key).and_then(|value| value.as_str());
            let name = text("name").expect("a name");
            match text("source") {
                None => assert!(own.contains(&name), "{file}: {name} is from nowhere"),
                Some(source) => {
                    assert_eq!(source, "registry+https://github.com/rust-lang/crates.io-index", "{file}: {name}");
                    assert_eq!(text("checksum").map(str::len), Some(64), "{file}: {name} has no checksum");
                }
            }
        }
    }

    #[test]
    fn every_crate_is_locked_and_from_crates_io() {
        check_lock("Cargo.lock", &["tracer-bench", "tracer-common", "tracer-ebpf", "tracer-user", "xtask"]);
        check_lock("fuzz/Cargo.lock", &["tracer-common", "tracer-user", "tracer-fuzz"]);
    }

    #[test]
    fn every_licence_is_one_of_those_allowed() {
        let deny = read("deny.toml");
        let allowed: BTreeSet<_> =
            deny["licenses"]["allow"].as_array().expect("a list").iter().filter_map(|one| one.as_str()).collect();
        let mut metadata = sh::cargo(None);
        metadata.args(["metadata", "--locked", "--format-version", "1", "--filter-platform"]);
        let told = sh::read(metadata.arg("x86_64-unknown-linux-gnu")).expect("cargo metadata");
        let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
        let used: BTreeSet<_> = told["resolve"]["nodes"]
            .as_array()
            .expect("nodes")
            .iter()
            .map(|node| node["id"].clone().to_string())
            .collect();
        let packages = told["packages"].as_array().expect("packages");
        let packages: Vec<_> = packages.iter().filter(|package| used.contains(&package["id"].to_string())).collect();
        assert!(packages.len() > 100, "cargo metadata tells of next to nothing");
        for package in packages {
            let licence = package["license"].as_str().unwrap_or_default();
            assert!(allows(licence, &allowed), "{}: {licence:?}", package["name"]);
        }
    }

    /// Whether an SPDX expression can be met: one of what `OR` joins, all of what `AND` does.
    fn allows(expression: &str, allowed: &BTreeSet<&str>) -> bool {
        let text = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
        let mut words = text.split_whitespace().peekable();
        any(&mut words, allowed) && words.next().is_none()
    }

    type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

    fn any(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> bool {
        let mut met = all(words, allowed);
        while words.next_if_eq(&"OR").is_some() {
            met |= all(words, allowed);
        }
        met
    }

    fn all(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> bool {
        let mut met = one(words, allowed);
        while words.next_if_eq(&"AND").is_some() {
            met &= one(words, allowed);
        }
        met
    }

    fn one(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> bool {
        match words.next() {
            Some("(") => any(words, allowed) & words.next_if_eq(&")").is_some(),
            Some(name) if words.next_if_eq(&"WITH").is_some() => {
                words.next().is_some_and(|exception| allowed.contains(format!("{name} WITH {exception}").as_str()))
            }
            name => name.is_some_and(|name| allowed.contains(name)),
        }
    }

    #[test]
    fn expressions_are_understood() {
        let allowed = BTreeSet::from(["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"]);
        for met in
            ["MIT", "GPL-2.0 OR MIT", "Apache-2.0/MIT", "(GPL-2.0 OR MIT) AND ISC", "Apache-2.0 WITH LLVM-exception"]
        {
            assert!(allows(met, &allowed), "{met}");
        }
        for not in ["", "GPL-3.0", "MIT AND GPL-3.0", "Apache-2.0", "(MIT", "MIT ISC"] {
            assert!(!allows(not, &allowed), "{not}");
        }
    }
}

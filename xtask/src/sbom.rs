//! The bill of materials: what crates are in the shipped binaries, as `CycloneDX` JSON. The same for the same lock file.
//! <https://cyclonedx.org/docs/1.5/json/>

use crate::{paths, sh};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// What the binary consists of: its user space, and the kernel programs in it.
const ROOTS: [&str; 2] = ["tracer-user", "tracer-ebpf"];
/// The targets that these are for.
const TRIPLES: [&str; 2] = ["", "bpfel-unknown-none"];

/// Of the binary for a target.
pub(crate) fn make(triple: &str) -> Result<String> {
    let mut packages = BTreeMap::new();
    let mut uses = BTreeMap::new();
    for (root, kernel) in ROOTS.into_iter().zip(TRIPLES) {
        let metadata = metadata(if kernel.is_empty() { triple } else { kernel })?;
        collect(&metadata, root, &mut packages, &mut uses)?;
    }
    let lock = fs::read_to_string(paths::workspace().join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let bill = bill(&packages, &uses, &checksums(&lock.parse().context("Cargo.lock is no TOML")?));
    let mut text = serde_json::to_string_pretty(&bill)?;
    text.push('\n');
    Ok(text)
}

fn metadata(triple: &str) -> Result<Value> {
    let mut command = sh::cargo(None);
    command.args(["metadata", "--locked", "--format-version", "1", "--filter-platform", triple]);
    Ok(serde_json::from_str(&sh::read(&mut command)?)?)
}

/// Packages by their ids, and the ids of what each uses.
type Packages = BTreeMap<String, Value>;
type Uses = BTreeMap<String, BTreeSet<String>>;

/// Takes in a package and all that it is made of: what only builds or tests it is left out.
fn collect(metadata: &Value, root: &str, packages: &mut Packages, uses: &mut Uses) -> Result<()> {
    let by_id: BTreeMap<&str, &Value> =
        list(&metadata["packages"]).filter_map(|package| Some((package["id"].as_str()?, package))).collect();
    let nodes: BTreeMap<&str, &Value> =
        list(&metadata["resolve"]["nodes"]).filter_map(|node| Some((node["id"].as_str()?, node))).collect();
    let found = by_id.iter().find(|(_, package)| package["name"] == root).map(|(id, _)| *id);
    let mut open = vec![found.with_context(|| format!("cargo metadata does not tell of {root}"))?];
    while let Some(id) = open.pop() {
        let package = by_id.get(id).with_context(|| format!("cargo metadata does not tell what {id} is"))?;
        packages.insert(id.to_owned(), (*package).clone());
        let normal = |dep: &&Value| list(&dep["dep_kinds"]).any(|kind| kind["kind"].is_null());
        let deps = nodes.get(id).into_iter().flat_map(|node| list(&node["deps"])).filter(normal);
        for dep in deps.filter_map(|dep| dep["pkg"].as_str()) {
            uses.entry(id.to_owned()).or_default().insert(dep.to_owned());
            if !packages.contains_key(dep) {
                open.push(dep);
            }
        }
    }
    Ok(())
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// SHA-256 of each package as crates.io has it, by name and version.
fn checksums(lock: &toml::Table) -> BTreeMap<String, String> {
    let packages = lock.get("package").and_then(toml::Value::as_array).into_iter().flatten();
    let text = |package: &toml::Value, key: &str| Some(package.get(key)?.as_str()?.to_owned());
    let sum = |package: &toml::Value| {
        let url = url(&text(package, "name")?, &text(package, "version")?);
        Some((url, text(package, "checksum")?))
    };
    packages.filter_map(sum).collect()
}

/// <https://github.com/package-url/purl-spec>
fn url(name: &str, version: &str) -> String {
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

fn bill(packages: &Packages, uses: &Uses, checksums: &BTreeMap<String, String>) -> Value {
    let text = |package: &Value, key: &str| package[key].as_str().unwrap_or_default().to_owned();
    let url = |package: &Value| url(&text(package, "name"), &text(package, "version"));
    let component = |package: &Value| {
        let (name, url) = (text(package, "name"), url(package));
        let mut told = json!({
            "type": if name == ROOTS[0] { "application" } else { "library" },
            "bom-ref": url,
            "name": name,
            "version": text(package, "version"),
            "purl": url,
            "licenses": [{"expression": text(package, "license").replace('/', " OR ")}],
        });
        if let Some(sum) = checksums.get(&url) {
            told["hashes"] = json!([{"alg": "SHA-256", "content": sum}]);
        }
        told
    };
    let root = packages.values().find(|package| package["name"] == ROOTS[0]);
    let others = packages.values().filter(|package| package["name"] != ROOTS[0]);
    let mut components: Vec<_> = others.map(component).collect();
    components.sort_by_key(|component| component["purl"].to_string());
    let refs = |ids: &BTreeSet<String>| ids.iter().filter_map(|id| packages.get(id)).map(url).collect::<BTreeSet<_>>();
    let dependencies: BTreeMap<_, _> = packages
        .iter()
        .map(|(id, package)| {
            let mut all = uses.get(id).map(refs).unwrap_or_default();
            if package["name"] == ROOTS[0] {
                // not a dependency to cargo, but in the binary
                all.extend(packages.values().filter(|package| package["name"] == ROOTS[1]).map(url));
            }
            (url(package), all)
        })
        .collect();
    let dependencies: Vec<_> = dependencies.into_iter().map(|(of, on)| json!({"ref": of, "dependsOn": on})).collect();
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": root.map(component)},
        "components": components,
        "dependencies": dependencies,
    })
}

#[cfg(test)]
mod tests {
    use super::{TRIPLES, make};
    use serde_json::Value;
    use std::collections::BTreeSet;

    /// The shape that the schema asks for, and what must be in it.
    #[test]
    fn what_is_shipped_is_on_the_bill() {
        let text = make("x86_64-unknown-linux-musl").expect("cargo metadata");
        let bill: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
        assert_eq!(bill["metadata"]["component"]["name"], "tracer-user");
        let components = bill["components"].as_array().expect("a list");
        let names: BTreeSet<_> = components.iter().filter_map(|component| component["name"].as_str()).collect();
        for name in ["tracer-common", "tracer-ebpf", "aya", "aya-ebpf", "tokio", "serde_json"] {
            assert!(names.contains(name), "{name} is in the binary");
        }
        for name in ["proptest", "insta", "tempfile", "aya-build", "xtask"] {
            assert!(!names.contains(name), "{name} is not in the binary");
        }
        let refs: BTreeSet<_> =
            components.iter().map(|component| component["bom-ref"].as_str().expect("a name")).collect();
        assert_eq!(refs.len(), components.len(), "each once");
        for component in components {
            let own = component["name"].as_str().is_some_and(|name| name.starts_with("tracer-"));
            let sum = component["hashes"][0]["content"].as_str();
            assert!(own || sum.is_some_and(|sum| sum.len() == 64), "{component}");
            assert!(component["licenses"][0]["expression"].as_str().is_some_and(|licence| !licence.is_empty()));
        }
        for dependency in bill["dependencies"].as_array().expect("a list") {
            for on in dependency["dependsOn"].as_array().expect("a list") {
                assert!(refs.contains(on.as_str().expect("a name")), "{on} is not on the bill");
            }
        }
        assert_eq!(make("x86_64-unknown-linux-musl").expect("again"), text);
        assert_eq!(TRIPLES.len(), super::ROOTS.len());
    }
}

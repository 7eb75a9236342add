//! What runtimes tell beside the protocol when they are asked to be verbose: JSON, under the key `info`. containerd and
//! CRI-O agree on a few names (`internal/cri/types`, `server/container_status.go`); others tell nothing.

use serde::Deserialize;

use crate::event::PidNamespace;
use crate::signal::Signal;

use super::super::lenient::Lenient;
use super::api::Entry;

/// Of a container or a sandbox.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Info {
    pid: Lenient<i64>,
    #[serde(rename = "sandboxID")]
    sandbox_id: Lenient<String>,
    config: Lenient<Config>,
    runtime_spec: Lenient<Spec>,
    /// Of a sandbox.
    image: Lenient<String>,
}

/// The `ContainerConfig` that the container was made with; containerd only.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Config {
    image: Lenient<Image>,
    command: Lenient<Vec<String>>,
    args: Lenient<Vec<String>>,
    linux: Lenient<Linux>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Image {
    image: Lenient<String>,
    user_specified_image: Lenient<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Linux {
    security_context: Lenient<Security>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Security {
    namespace_options: Lenient<Options>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Options {
    /// A `NamespaceMode`; left out when it is 0.
    pid: Lenient<i32>,
}

/// The OCI specification of the container.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Spec {
    process: Lenient<Process>,
    annotations: Lenient<Annotations>,
    linux: Lenient<SpecLinux>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Process {
    args: Lenient<Vec<String>>,
}

/// The runtimes' own.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Annotations {
    #[serde(rename = "io.kubernetes.cri.image-name", alias = "io.kubernetes.cri-o.ImageName")]
    image: Lenient<String>,
    #[serde(rename = "io.kubernetes.cri.sandbox-id", alias = "io.kubernetes.cri-o.SandboxID")]
    sandbox_id: Lenient<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SpecLinux {
    namespaces: Lenient<Vec<SpecNamespace>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SpecNamespace {
    r#type: Lenient<String>,
    path: Lenient<String>,
}

impl Info {
    /// Reads what was told; what cannot be read was not told.
    pub(super) fn read(entries: &[Entry]) -> Self {
        let value = |key: &str| entries.iter().find(|entry| entry.key == key.as_bytes()).map(|entry| &entry.value);
        let told = value("info").and_then(|json| serde_json::from_str(&String::from_utf8_lossy(json)).ok());
        told.unwrap_or_else(|| {
            // each on its own, as old CRI-Os do
            let text = |key: &str| value(key).map(|text| String::from_utf8_lossy(text).into_owned());
            Self {
                pid: Lenient(text("pid").and_then(|pid| pid.parse().ok())),
                sandbox_id: Lenient(text("sandboxId").or_else(|| text("sandboxID"))),
                ..Self::default()
            }
        })
    }

    /// The first process; 0 is none.
    pub(super) fn pid(&self) -> Option<u32> {
        self.pid.0.and_then(|pid| u32::try_from(pid).ok()).filter(|&pid| pid != 0)
    }

    /// Of a container: its sandbox.
    pub(super) fn sandbox_id(&self) -> Option<&str> {
        let of_spec = || self.annotations()?.sandbox_id.as_ref();
        self.sandbox_id.as_ref().or_else(of_spec).map(String::as_str)
    }

    /// What the image is called, the best first.
    pub(super) fn images(&self) -> impl Iterator<Item = &str> {
        let image = self.config.as_ref().and_then(|config| config.image.as_ref());
        let specified = image.and_then(|image| image.user_specified_image.as_ref());
        let of_spec = self.annotations().and_then(|annotations| annotations.image.as_ref());
        [specified, of_spec, self.image.as_ref()].into_iter().flatten().map(String::as_str)
    }

    /// What the image was called when the container was made: an id, as kubelet does it.
    pub(super) fn image_id(&self) -> Option<&str> {
        self.config.as_ref()?.image.as_ref()?.image.as_ref().map(String::as_str)
    }

    /// The command and its arguments.
    pub(super) fn command(&self) -> Vec<&str> {
        let run = || self.runtime_spec.as_ref()?.process.as_ref()?.args.as_ref();
        if let Some(args) = run().filter(|args| !args.is_empty()) {
            return args.iter().map(String::as_str).collect();
        }
        let config = self.config.as_ref();
        let words = config.into_iter().flat_map(|config| [config.command.as_ref(), config.args.as_ref()]);
        words.flatten().flatten().map(String::as_str).collect()
    }

    /// Of a container: whose pid namespace it is in. What was asked for counts, else what was made of it.
    pub(super) fn pid_namespace(&self) -> Option<PidNamespace> {
        if let Some(config) = self.config.as_ref() {
            let security = config.linux.as_ref().and_then(|linux| linux.security_context.as_ref());
            let options = security.and_then(|security| security.namespace_options.as_ref());
            return pid_namespace(options.and_then(|options| options.pid.0).unwrap_or(0));
        }
        let all = self.runtime_spec.as_ref()?.linux.as_ref()?.namespaces.as_ref()?;
        let own = all.iter().find(|namespace| namespace.r#type.as_ref().is_some_and(|kind| kind == "pid"));
        Some(match own.map(|namespace| namespace.path.as_ref().is_some_and(|path| !path.is_empty())) {
            None => PidNamespace::Host,
            Some(true) => PidNamespace::Pod,
            Some(false) => PidNamespace::Container,
        })
    }

    fn annotations(&self) -> Option<&Annotations> {
        self.runtime_spec.as_ref()?.annotations.as_ref()
    }
}

/// From a `NamespaceMode`.
pub(super) const fn pid_namespace(mode: i32) -> Option<PidNamespace> {
    match mode {
        0 => Some(PidNamespace::Pod),
        1 => Some(PidNamespace::Container),
        2 => Some(PidNamespace::Host),
        3 => Some(PidNamespace::Target),
        _ => None,
    }
}

/// Of an image.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ImageInfo {
    image_spec: Lenient<ImageSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ImageSpec {
    config: Lenient<ImageConfig>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ImageConfig {
    stop_signal: Lenient<String>,
}

/// The stop signal that an image asks for: SIGTERM when it asks for none, or, as runtimes have it, for one that is none.
/// `None` when nothing was told.
pub(super) fn stop_signal(entries: &[Entry]) -> Option<Signal> {
    let json = &entries.iter().find(|entry| entry.key == b"info")?.value;
    let told: ImageInfo = serde_json::from_str(&String::from_utf8_lossy(json)).ok()?;
    let config = told.image_spec.0?.config.0.unwrap_or_default();
    Some(config.stop_signal.0.and_then(|signal| signal.parse().ok()).unwrap_or(Signal::TERM))
}

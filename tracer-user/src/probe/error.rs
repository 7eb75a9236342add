//! What can go wrong between here and the kernel: what, to which object, and what to do about it.

use std::error::Error;
use std::io;

use aya::EbpfError;
use aya::maps::MapError;
use aya::programs::ProgramError;

use super::offsets::KernelMismatch;

/// Tracing cannot start, or a map cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The kernel refused for lack of privileges.
    #[error(
        "not permitted to {what}: run as root, or with CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE (in Kubernetes: a \
         privileged container)"
    )]
    NotPermitted {
        /// What was refused.
        what: String,
    },
    /// The kernel has no type information.
    #[error(
        "cannot read {path}: this kernel offers no type information (BTF); it needs CONFIG_DEBUG_INFO_BTF=y, which \
         the kernels of all current distributions have"
    )]
    NoBtf {
        /// File.
        path: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The kernel lacks something.
    #[error(transparent)]
    Kernel(#[from] KernelMismatch),
    /// This binary was built without the kernel programs.
    #[error("this tracer was built without its kernel programs (AYA_BUILD_SKIP was set): build it again without")]
    Stub,
    /// The object could not be prepared: a fault of the build, or the kernel failed a test of what it can do.
    #[error(
        "the kernel programs cannot be prepared: {what}; this tracer was built wrong, or the kernel refused a test of \
         what it can do (memory, a security module)"
    )]
    Object {
        /// What is wrong.
        what: String,
    },
    /// The verifier or the kernel refused a program.
    #[error("the kernel rejected the program {name}: {cause}; its verifier's last words: {log}")]
    Rejected {
        /// Program.
        name: &'static str,
        /// Why.
        cause: io::Error,
        /// Last lines of the verifier's log.
        log: String,
    },
    /// A program could not be attached.
    #[error("cannot attach to the tracepoint {name}: {cause}")]
    Attach {
        /// Tracepoint.
        name: &'static str,
        /// Why.
        cause: io::Error,
    },
    /// A map could not be made.
    #[error("cannot create the map {name}: {cause}; free memory or ask for a smaller ring")]
    Map {
        /// Map.
        name: String,
        /// Why.
        cause: io::Error,
    },
    /// A map could not be read or written.
    #[error("cannot {what} the map {name}: {}", reason(cause))]
    MapAccess {
        /// Map.
        name: &'static str,
        /// What was tried.
        what: &'static str,
        /// Why.
        cause: MapError,
    },
    /// The table of tracked cgroups or followed processes is full.
    #[error("the table {name} is full ({room} entries): trace fewer containers or processes")]
    Full {
        /// Map.
        name: &'static str,
        /// Its size.
        room: u32,
    },
    /// The ring was opened before.
    #[error("the ring buffer is in use already")]
    RingTaken,
    /// Processes are to be followed, but it was not said at load.
    #[error("processes can be followed only when that was asked for at start")]
    NotFollowing,
    /// A file descriptor could not be used.
    #[error("cannot {what}: {cause}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why.
        cause: io::Error,
    },
}

/// How many lines of a verifier's log are worth showing: the reason is at its end.
const LOG_LINES: usize = 8;

impl ProbeError {
    /// An error of preparing the object: the system's, or one of the object itself.
    fn prepare(error: &EbpfError) -> Self {
        match causes(error).find_map(|cause| cause.downcast_ref::<io::Error>()) {
            Some(system) => {
                let cause = system.raw_os_error().map_or_else(|| system.kind().into(), io::Error::from_raw_os_error);
                Self::Io { what: "prepare the kernel programs", cause }
            }
            None => Self::Object { what: with_causes(error) },
        }
    }

    /// An error of loading one program.
    pub(super) fn load(name: &'static str, error: ProgramError) -> Self {
        match error {
            ProgramError::LoadError { io_error, verifier_log } => {
                if io_error.kind() == io::ErrorKind::PermissionDenied && verifier_log.to_string().trim().is_empty() {
                    return Self::NotPermitted { what: format!("load the program {name}") };
                }
                Self::Rejected { name, cause: io_error, log: last_lines(&verifier_log.to_string()) }
            }
            other => Self::Object { what: format!("program {name}: {other}") },
        }
    }

    /// An error of attaching one program.
    pub(super) fn attach(name: &'static str, error: ProgramError) -> Self {
        match error {
            ProgramError::SyscallError(error) if is_refusal(&error.io_error) => {
                Self::NotPermitted { what: format!("attach to {name}") }
            }
            ProgramError::SyscallError(error) => Self::Attach { name, cause: error.io_error },
            other => Self::Object { what: format!("program {name}: {other}") },
        }
    }
}

impl From<EbpfError> for ProbeError {
    fn from(error: EbpfError) -> Self {
        match error {
            EbpfError::MapError(MapError::CreateError { name, io_error }) if is_refusal(&io_error) => {
                Self::NotPermitted { what: format!("create the map {name}") }
            }
            EbpfError::MapError(MapError::CreateError { name, io_error }) => Self::Map { name, cause: io_error },
            EbpfError::MapError(MapError::SyscallError(error)) if is_refusal(&error.io_error) => {
                Self::NotPermitted { what: error.call.to_owned() }
            }
            other => Self::prepare(&other),
        }
    }
}

fn is_refusal(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

/// Why a map could not be used: the system's word, where it is the system's.
fn reason(error: &MapError) -> String {
    match error {
        MapError::SyscallError(error) => error.io_error.to_string(),
        other => with_causes(other),
    }
}

fn with_causes(error: &dyn Error) -> String {
    causes(error).fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn causes(error: &dyn Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let mut next = error.source();
    std::iter::from_fn(move || {
        let cause = next?;
        next = cause.source();
        Some(cause)
    })
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_end_of_a_log() {
        let log = (0..20).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n\n");
        assert!(last_lines(&log).starts_with("line 12 | ") && last_lines(&log).ends_with("line 19"));
        assert_eq!(last_lines(""), "");
    }
}

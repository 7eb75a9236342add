//! Gives up, once attached, every privilege that is not needed any more.
//!
//! Capabilities belong to threads: this is done while there is only one (those that loaded the kernel programs have ended), and
//! those made later have no more than it.

use anyhow::Context as _;
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, remove_capability_from_bounding_set,
    set_capabilities, set_no_new_privs,
};

use crate::container::runtime::Socket;

/// What live tracing needs to the end, as root or not:
/// - `CAP_BPF`: before Linux 6.5 `kernel.unprivileged_bpf_disabled`, which distributions set, forbids everything in
///   bpf(2) without it, the maps and the task iterator that are open already included (maps alone are allowed since 5.19).
/// - `CAP_SYS_PTRACE`: `/proc/PID/exe` and `/proc/PID/wchan` of others, and all of theirs where `/proc` has hidepid.
const KEPT: CapabilitySet = CapabilitySet::BPF.union(CapabilitySet::SYS_PTRACE);

/// Drops all but [`KEPT`] from every set, and the ability to gain more.
///
/// One more may stay: `CAP_DAC_OVERRIDE`, if one of `sockets` can be reached only with it, because it is that of another
/// user's daemon. Where `CAP_BPF` was never given, `CAP_SYS_ADMIN` stands for it.
///
/// # Errors
/// When the kernel, or rather a security policy, refuses.
pub(super) fn give_up(sockets: &[Socket]) -> anyhow::Result<()> {
    let had = capabilities(None).context("cannot read the capabilities")?;
    let bpf = if had.permitted.contains(CapabilitySet::BPF) { KEPT } else { KEPT | CapabilitySet::SYS_ADMIN };
    let mut kept = bpf & had.permitted;
    if had.effective.contains(CapabilitySet::SETPCAP) {
        for bit in 0..u64::BITS {
            let capability = CapabilitySet::from_bits_retain(1 << bit);
            // one that this kernel does not know is in no set either
            remove_capability_from_bounding_set(capability).or_else(allow(Errno::INVAL)).context("the bounding set")?;
        }
    }
    // as it will be, with the way back still open
    let set = |effective, permitted| {
        set_capabilities(None, CapabilitySets { effective, permitted, inheritable: CapabilitySet::empty() })
    };
    set(kept, had.permitted).context("the effective set")?;
    let refused = |socket: &Socket| {
        let access = Access::READ_OK | Access::WRITE_OK;
        matches!(accessat(CWD, &socket.path, access, AtFlags::EACCESS), Err(Errno::ACCESS | Errno::PERM))
    };
    if sockets.iter().any(refused) {
        kept |= CapabilitySet::DAC_OVERRIDE & had.permitted;
    }
    set(kept, kept).context("the permitted set")?;
    // before Linux 4.3 there is none
    clear_ambient_capability_set().or_else(allow(Errno::INVAL)).context("the ambient set")?;
    set_no_new_privs(true).context("no_new_privs")?;
    log::info!("capabilities that are left: {}", names(kept));
    Ok(())
}

fn allow(harmless: Errno) -> impl Fn(Errno) -> Result<(), Errno> {
    move |error| if error == harmless { Ok(()) } else { Err(error) }
}

fn names(set: CapabilitySet) -> String {
    let names: Vec<_> = set.iter_names().map(|(name, _)| format!("CAP_{name}")).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

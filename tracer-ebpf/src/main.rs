//! tracer's kernel programs: one file per tracepoint in `probe/`, each headed by the tracepoint's prototype.
//!
//! Architecture invariant: the programs decide nothing that user space could decide as well. They look up whether the
//! target is traced, read what would be gone a moment later, and write one record. Kernel pointers are read through
//! `kernel::Addr` only, which can fail but never fault.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]
#![cfg_attr(
    target_arch = "bpf",
    expect(unstable_features, reason = "the target has atomic addition, but core offers it to no stable code")
)]
#![cfg_attr(
    target_arch = "bpf",
    expect(
        clippy::inline_always,
        reason = "a function with more than five arguments or pointers to the stack must be"
    )
)]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

#[cfg(target_arch = "bpf")]
mod cgroup;
#[cfg(target_arch = "bpf")]
mod kernel;
#[cfg(target_arch = "bpf")]
mod masks;
#[cfg(target_arch = "bpf")]
mod output;
#[cfg(target_arch = "bpf")]
mod probe;
#[cfg(target_arch = "bpf")]
mod sigaction;
#[cfg(target_arch = "bpf")]
mod task;

#[cfg(not(target_arch = "bpf"))]
fn main() {}

#[cfg(target_arch = "bpf")]
mod licence {
    #![expect(unsafe_code, reason = "the kernel looks for the licence in a section of this name")]
    //! Helpers such as `bpf_probe_read_kernel` are for GPL-compatible programs.

    #[unsafe(link_section = "license")]
    #[unsafe(no_mangle)]
    static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

    #[panic_handler]
    fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
        // the verifier refuses a program that could get here
        loop {}
    }
}

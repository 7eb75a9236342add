//! What this kernel, these privileges and these sockets allow, and how to mend what is missing.

pub mod mounts;

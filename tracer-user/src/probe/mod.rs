//! Loading the kernel programs, and turning their records into events.

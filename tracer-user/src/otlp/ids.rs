//! Ids of traces and spans. They are made of what they name, so that the same end exported twice is one trace.

use crate::event::BootNs;

/// 16 bytes, not all zero.
pub(super) type TraceId = [u8; 16];
/// 8 bytes, not all zero.
pub(super) type SpanId = [u8; 8];

/// The trace of the end of a container that began at `started`.
pub(super) fn trace(container: &str, started: BootNs) -> TraceId {
    let mut hash = Fnv::default();
    hash.write(container.as_bytes());
    hash.write(&started.0.to_be_bytes());
    let [high, low] = hash.finish();
    // an id of nothing but zeros is none
    [high.to_be_bytes(), low.max(1).to_be_bytes()].concat().try_into().unwrap_or([1; 16])
}

/// A span of a trace; `parts` tell it from the others.
pub(super) fn span(trace: &TraceId, parts: &[&[u8]]) -> SpanId {
    let mut hash = Fnv::default();
    hash.write(trace);
    for part in parts {
        hash.write(part);
    }
    let [high, low] = hash.finish();
    (high ^ low).max(1).to_be_bytes()
}

/// FNV-1a of 128 bits (<http://www.isthe.com/chongo/tech/comp/fnv/>), and each half mixed: samplers look at the last bits
/// of an id, and expect them to be random.
struct Fnv(u128);

impl Default for Fnv {
    fn default() -> Self {
        Self(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }
}

impl Fnv {
    /// With its length, so that `ab`, `c` is not `a`, `bc`.
    fn write(&mut self, bytes: &[u8]) {
        for byte in (bytes.len() as u64).to_be_bytes().iter().chain(bytes) {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }

    fn finish(&self) -> [u64; 2] {
        let bytes = self.0.to_be_bytes();
        let (high, low) = bytes.split_at(8);
        [high, low].map(|half| mix(half.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))))
    }
}

/// The finaliser of `MurmurHash3`.
const fn mix(mut bits: u64) -> u64 {
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits ^= bits >> 33;
    bits = bits.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ (bits >> 33)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_same_end_has_the_same_id_in_every_version() {
        // a trace that was stored by one version must be the trace of another
        let id = trace("4f0c7a1e9b2d", BootNs(7_284_000_000));
        assert_eq!(id, trace("4f0c7a1e9b2d", BootNs(7_284_000_000)));
        assert_eq!(hex(&id), "f4beef8a6625286e0b38fd162aae82bb");
        assert_eq!(hex(&span(&id, &[b"grace"])), "f4042f8c126e9bd4");
    }

    #[test]
    fn others_have_others() {
        let ids: HashSet<_> = (0..10_000).map(|at| trace("a", BootNs(at))).collect();
        assert_eq!(ids.len(), 10_000);
        let id = trace("a", BootNs(1));
        let spans: HashSet<_> = (0..10_000_u32).map(|pid| span(&id, &[b"process", &pid.to_be_bytes()])).collect();
        assert_eq!(spans.len(), 10_000);
        assert_ne!(span(&id, &[b"ab", b"c"]), span(&id, &[b"a", b"bc"]));
    }

    /// Samplers keep a trace by the last 7 bytes of its id: of many, each bit must be set in about half.
    #[test]
    fn each_bit_is_random() {
        let ids: Vec<_> = (0..4_096_u64).map(|n| trace(&format!("{n:064x}"), BootNs(n * 1_000_000_000))).collect();
        for bit in 0..128 {
            let set = ids.iter().filter(|id| id[bit / 8] >> (bit % 8) & 1 == 1).count();
            assert!((1_850..=2_250).contains(&set), "bit {bit} is set in {set} of 4096");
        }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
    }
}

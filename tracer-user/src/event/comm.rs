//! The name of a task, which any program chooses for itself: bytes from a stranger.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tracer_common::COMM_LEN;

/// `comm` of a task: up to 15 bytes, anything but NUL. Shown with control characters and broken UTF-8 replaced.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Comm([u8; COMM_LEN]);

impl Comm {
    /// From the kernel's bytes; all after the first NUL is dropped.
    #[must_use]
    pub fn new(bytes: [u8; COMM_LEN]) -> Self {
        let len = bytes.iter().position(|&b| b == 0).unwrap_or(COMM_LEN - 1);
        let mut kept = [0; COMM_LEN];
        kept[..len].copy_from_slice(&bytes[..len]);
        Self(kept)
    }

    /// The bytes before the NUL.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        let len = self.0.iter().position(|&b| b == 0).unwrap_or(COMM_LEN);
        &self.0[..len]
    }

    /// Whether there is no name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0[0] == 0
    }

    /// The name if it is valid UTF-8, else the empty string: for comparing with known programs.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.bytes()).unwrap_or("")
    }
}

impl From<&str> for Comm {
    fn from(name: &str) -> Self {
        let mut bytes = [0; COMM_LEN];
        let len = name.floor_char_boundary(COMM_LEN - 1);
        bytes[..len].copy_from_slice(&name.as_bytes()[..len]);
        Self::new(bytes)
    }
}

impl fmt::Display for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // padding is asked for in tables, so build the whole first only when it is needed
        let text = crate::printable::bytes(self.bytes());
        f.pad(&text)
    }
}

impl fmt::Debug for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.bytes()))
    }
}

impl Serialize for Comm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // a recording must bring back the very bytes: what is no text is told as numbers
        match std::str::from_utf8(self.bytes()) {
            Ok(name) => serializer.serialize_str(name),
            Err(_) => serializer.collect_seq(self.bytes()),
        }
    }
}

impl<'de> Deserialize<'de> for Comm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Comm;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a task name")
            }
            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Comm, E> {
                Ok(Comm::from(name))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut numbers: A) -> Result<Comm, A::Error> {
                let mut bytes = [0; COMM_LEN];
                let mut room = bytes[..COMM_LEN - 1].iter_mut();
                while let Some(byte) = numbers.next_element()? {
                    *room.next().ok_or_else(|| serde::de::Error::custom("a task name has at most 15 bytes"))? = byte;
                }
                Ok(Comm::new(bytes))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_survives_a_recording() {
        for bytes in [b"sh\0\0\0\0\0\0\0\0\0\0\0\0\0\0", b"\xff\x1b[2J\0\0\0\0\0\0\0\0\0\0\0", b"fifteen bytes..\0"] {
            let comm = Comm::new(*bytes);
            let json = serde_json::to_string(&comm).expect("serializes");
            assert_eq!(serde_json::from_str::<Comm>(&json).expect(&json), comm);
        }
        assert!(serde_json::from_str::<Comm>("[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]").is_err());
        assert_eq!(Comm::from("fünfzehn bytes ü").bytes().len(), 15, "cut between characters");
    }
}

//! JSON from strangers: whatever is not as expected is as if it were not there.

use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_json::value::RawValue;

/// A field that may be missing, or anything.
#[derive(Clone, Debug)]
pub(super) struct Lenient<T>(pub(super) Option<T>);

impl<T> Default for Lenient<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(from)?;
        Ok(Self(serde_json::from_str(raw.get()).ok()))
    }
}

impl<T> Lenient<T> {
    /// What is there, if anything is.
    pub(super) const fn as_ref(&self) -> Option<&T> {
        self.0.as_ref()
    }
}

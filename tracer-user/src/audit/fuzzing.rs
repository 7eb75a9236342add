//! See [`crate::fuzzing`].

use super::{details, look};

pub(crate) fn proc(text: &str) {
    details::mask(text);
    look::waits_for(text);
}

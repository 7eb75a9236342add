//! See [`crate::fuzzing`].

use super::answers;

pub(crate) fn stack(text: &str) {
    let functions = answers::functions(text);
    assert!(functions.iter().all(|function| text.contains(function)));
}

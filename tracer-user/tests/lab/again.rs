//! A test that runs once more, in another place: a namespace is entered by a whole process, and a test is only one
//! thread of its process.
//!
//! The process inside runs the same test function, which looks at [`scene`] first:
//!
//! ```ignore
//! if let Some(words) = lab::again::scene() {
//!     return what_is_seen_inside(&words);
//! }
//! …
//! lab::again::again(&docker.enter(lab::again::binary()), "the_tests_name", &["word"]);
//! ```

use super::output;
use std::path::PathBuf;
use std::process::Command;

/// Set in the process that [`again`] starts: the words for it.
const SCENE: &str = "TRACER_LAB_SCENE";

/// The words that [`again`] has for this process; `None` in the process that was started first.
pub(crate) fn scene() -> Option<Vec<String>> {
    let words = std::env::var(SCENE).ok()?;
    Some(words.split(' ').map(str::to_owned).collect())
}

/// The program of this very test.
pub(crate) fn binary() -> PathBuf {
    std::env::current_exe().expect("a process knows its program")
}

/// Runs the test with that full name, and no other, by way of a command that ends in [`binary`]; of that command only
/// the words count. Panics with all that was said inside if the test fails there.
#[track_caller]
pub(crate) fn again(way: &Command, test: &str, scene: &[&str]) {
    // Whoever is started so ends with this thread, however that ends.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(way.get_program()).args(way.get_args());
    command.args(["--exact", test, "--include-ignored", "--nocapture"]).env(SCENE, scene.join(" "));
    // Not inherited: whoever counts the results of this process's tests would count the one inside as one more.
    let output = output(&mut command);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // A name that no test has is a success of no tests.
    let passed = output.status.success() && said.contains("test result: ok. 1 passed");
    assert!(passed, "{test} did not pass in the scene {scene:?}: {}\n{said}", output.status);
}

//! The view of the pipeline while the terminal UI is up: news wait here until the loop hands them to the pages.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use crate::model::Change;
use crate::output::View;

/// News on their way to the pages. The loop empties it after each batch of events, so it never holds more than one
/// batch brings.
#[derive(Clone, Debug, Default)]
pub(super) struct Inbox(Rc<RefCell<Vec<Change>>>);

impl Inbox {
    /// What came since the last call, oldest first.
    #[must_use]
    pub(super) fn take(&self) -> Vec<Change> {
        std::mem::take(&mut self.0.borrow_mut())
    }
}

impl View for Inbox {
    fn show(&mut self, change: &Change) -> io::Result<()> {
        self.0.borrow_mut().push(change.clone());
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

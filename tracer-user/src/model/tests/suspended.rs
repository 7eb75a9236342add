//! SIGSTOP stops a program and does not ask it to end.

use super::*;
use crate::event::SendResult;
use crate::event::made::gone;
use crate::model::{Cause, Verdict};

/// A program that somebody suspends, lets go on, and kills, as it is told.
fn told(suspends: Signal) -> (Verdict, Option<Cause>, Option<Signal>) {
    let mut stage = Stage::new("app");
    let (made, first) = (stage.made, stage.first);
    let Event(at, What::Signal(mut sent)) = signal(100_000, suspends, first, Made::runc(), Handler::Default) else {
        panic!("it is a signal")
    };
    sent.result = SendResult::Queued;
    stage.node.apply(&Event(at, What::Signal(sent)));
    stage.node.apply(&kills(100_500, first, Made::runc()));
    stage.exit(100_501, first, Made::runc(), 9);
    stage.node.apply(&gone(100_600, made));
    stage.node.conclude();
    let end = stage.node.terminations().next().expect("it ended");
    (end.verdict, end.cause, end.stop_signal)
}

#[test]
fn who_suspends_a_program_does_not_ask_it_to_end() {
    assert_eq!(told(Signal::STOP), (Verdict::Killed, Some(Cause::NeverSignalled), None));
    // another signal that its first process gets of a runtime, half a second before SIGKILL, may be its stop signal
    assert_eq!(told(Signal::INT).2, Some(Signal::INT));
}

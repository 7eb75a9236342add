//! Signals dropped outside a stop: the advice is that of a stop which ends like that.

use tracer_common::task_flags;

use super::*;
use crate::event::SendResult;
use crate::event::made::gone;

/// What is advised of a SIGTERM from a process of the host that led to nothing.
fn advised(pid_1: &str, children: &[&str], handler: Handler) -> String {
    let mut stage = Stage::new(pid_1);
    let (first, cron) = (stage.first, Task { pid: 91, comm: "cron".into(), ..Made::runc() });
    for child in children {
        stage.start(1_000, first, child);
    }
    stage.node.apply(&signal(100_000, Signal::TERM, first, cron, handler));
    if handler == Handler::Function {
        stage.node.apply(&signal(100_001, Signal::TERM, first, first, Handler::Default));
    }
    // the stop is given up when nothing came of it
    stage.tick(200_000);
    stage.only(ConditionKind::DroppedSignal);
    stage.told().fix.clone().expect("advice")
}

#[test]
fn no_handler_and_one_that_raises_it_again_are_told_apart() {
    let none = advised("node", &[], Handler::Default);
    assert!(none.starts_with("Handle SIGTERM in the program: process.on('SIGTERM'"), "{none}");
    let again = advised("node", &[], Handler::Function);
    assert!(again.starts_with("The program has no handler of its own, only its runtime has."), "{again}");
    let go = advised("server", &[], Handler::Function);
    assert!(go.contains("signal.Notify(c, syscall.SIGTERM)"), "{go}");
}

#[test]
fn below_a_shell_a_pipe_takes_other_advice_than_one_program() {
    let one = advised("sh", &["gunicorn"], Handler::Default);
    assert!(one.starts_with("Let gunicorn replace the shell"), "{one}");
    let several = advised("sh", &["gunicorn", "sed"], Handler::Default);
    assert!(several.contains("drop the pipe") && !several.contains("pid=$!"), "{several}");
    let alike = advised("sh", &["worker", "worker"], Handler::Default);
    assert!(!alike.contains("drop the pipe"), "{alike}");
}

/// nginx' worker closes its end of a socket while the master is dying: SIGIO, which nobody gets.
#[test]
fn what_the_kernel_sends_to_the_dying_is_no_news_of_them() {
    let io = Signal::new(29).expect("SIGIO");
    let told = |flags: u32| {
        let mut stage = Stage::new("nginx");
        let (made, first) = (stage.made, stage.first);
        stage.node.apply(&signal(100_000, Signal::TERM, first, Made::runc(), Handler::Function));
        let dying = Task { flags: first.flags | flags, ..first };
        let Event(at, What::Signal(mut sent)) = signal(100_001, io, dying, first, Handler::Function) else {
            panic!("it is a signal")
        };
        (sent.result, sent.code) = (SendResult::Ignored, 128);
        stage.node.apply(&Event(at, What::Signal(sent)));
        stage.exit(100_002, first, Made::runc(), 0);
        stage.node.apply(&gone(100_100, made));
        stage.node.conclude();
        let end = stage.node.terminations().next().expect("it ended");
        end.processes[0].received.iter().map(|received| received.signal).collect::<Vec<_>>()
    };
    assert_eq!(told(task_flags::GROUP_EXIT), [Signal::TERM]);
    assert_eq!(told(task_flags::EXITING), [Signal::TERM]);
    assert_eq!(told(0), [Signal::TERM, io], "who lives and ignores it is told");
}

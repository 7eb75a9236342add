//! Signals dropped outside a stop: the advice is that of a stop which ends like that.

use super::*;

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

//! Advice for made-up faults.

use super::*;

/// Whatever is known or not: advice for what is to be mended, none for what is in order.
#[test]
fn every_verdict_has_its_advice_without_a_termination() {
    for &verdict in Verdict::ALL {
        let fault = Fault::new(verdict, None, Program::Other, Some(Signal::TERM), "app (PID 1)");
        let in_order = matches!(verdict, Verdict::Graceful | Verdict::Exited | Verdict::Killed);
        assert_eq!(fix_for(&fault).is_none(), in_order, "{verdict}");
    }
}

#[test]
fn the_advice_is_for_the_program_and_its_signal() {
    let fault = |program| Fault::new(Verdict::SigtermDropped, None, program, Some(Signal::QUIT), "app (PID 1)");
    let advice = |program| fix_for(&fault(program)).expect("advice");
    let shell = advice(Program::Shell);
    assert!(shell.contains("trap 'kill -TERM $pid; wait $pid' QUIT") && !shell.contains("kill -QUIT"), "{shell}");
    assert!(advice(Program::Python).contains("signal.SIGQUIT"));
    assert!(advice(Program::Other).contains("dies by SIGQUIT at once"));
    assert!(advice(Program::Deno).contains("Deno.addSignalListener(\"SIGQUIT\""));
    let mismatch = Fault {
        cause: Some(Cause::StopSignalMismatch),
        caught: Some(SignalSet::from_iter([Signal::INT])),
        ..fault(Program::Other)
    };
    assert!(fix_for(&mismatch).is_some_and(|fix| fix.contains("STOPSIGNAL SIGINT")));
}

#[test]
fn the_program_below_a_shell_is_named() {
    let fault =
        Fault::new(Verdict::SigtermDropped, Some(Cause::NoHandler), Program::Shell, Some(Signal::TERM), "sh (PID 1)");
    let said = fix_for(&fault.with_below(Some("gunicorn"))).expect("advice");
    assert!(said.starts_with("Let gunicorn replace the shell: exec gunicorn … as the last line"), "{said}");
    assert!(said.contains("CMD [\"gunicorn\", …]") && said.contains("gunicorn … & pid=$!"), "{said}");
    assert!(said.contains("docker run --init alone is not enough"), "{said}");
    let in_pod = fix_for(&fault.with_pod(true)).expect("advice");
    assert!(in_pod.contains("exec PROGRAM …") && !in_pod.contains("docker run"), "{in_pod}");
}

/// POSIX shells start what runs in the background with both of them ignored.
#[test]
fn a_shell_passes_on_what_is_not_ignored() {
    for (stop, passed, name) in [("SIGINT", "TERM", "INT"), ("SIGQUIT", "TERM", "QUIT"), ("SIGHUP", "HUP", "HUP")] {
        let recipe = shell_recipe(stop, "app");
        assert!(recipe.contains(&format!("trap 'kill -{passed} $pid; wait $pid' {name}; wait $pid")), "{recipe}");
    }
}

#[test]
fn for_a_pipe_no_recipe_that_cannot_work() {
    for (verdict, cause) in [
        (Verdict::SigtermDropped, Some(Cause::NoHandler)),
        (Verdict::NotForwarded, None),
        (Verdict::NotForwarded, Some(Cause::NotWaitedFor)),
        (Verdict::TooSlow, Some(Cause::TrapDeferred)),
    ] {
        let fault = Fault::new(verdict, cause, Program::Shell, Some(Signal::TERM), "sh (PID 1)");
        let said = fix_for(&Fault { several: true, ..fault }).expect("advice");
        assert!(said.contains("drop the pipe") && said.contains("exec PROGRAM > >(OTHER) in bash"), "{said}");
        assert!(!said.contains("pid=$!"), "{said}");
    }
}

#[test]
fn a_pods_stop_signal_takes_a_feature_gate() {
    let fault = Fault {
        caught: Some(SignalSet::from_iter([Signal::INT])),
        in_pod: true,
        ..Fault::new(
            Verdict::SigtermDropped,
            Some(Cause::StopSignalMismatch),
            Program::Other,
            Some(Signal::TERM),
            "app (PID 1)",
        )
    };
    let said = fix_for(&fault).expect("advice");
    assert!(said.contains("STOPSIGNAL SIGINT in the Dockerfile, or lifecycle.stopSignal: SIGINT"), "{said}");
    assert!(said.contains("ContainerStopSignals, and spec.os.name: linux"), "{said}");
}

#[test]
fn what_a_program_takes_a_signal_for_comes_first() {
    let slow = |program, signal| {
        fix_for(&Fault::new(Verdict::TooSlow, None, program, Some(signal), "app (PID 1)").with_grace(Some(10_000)))
            .expect("advice")
    };
    assert!(slow(Program::Uwsgi, Signal::TERM).contains("die-on-term = true"));
    assert!(slow(Program::Postgres, Signal::TERM).contains("STOPSIGNAL SIGINT"));
    let nginx = slow(Program::Nginx, Signal::QUIT);
    assert!(nginx.contains("longer than 10 s") && nginx.contains("worker_shutdown_timeout 8s"), "{nginx}");
    assert!(!slow(Program::Nginx, Signal::TERM).contains("worker_shutdown_timeout"));
    let unasked = |program| {
        fix_for(&Fault::new(Verdict::NotForwarded, None, program, Some(Signal::TERM), "app (PID 1)")).expect("advice")
    };
    assert!(unasked(Program::Tini).contains("tini -g --"));
    assert!(unasked(Program::Catatonit).contains("catatonit -g --"));
    assert!(unasked(Program::PackageManager).contains("CMD [\"node\", \"server.js\"]"));
    assert!(unasked(Program::Supervisord).contains("stopasgroup=true"));
    assert!(unasked(Program::Runsvdir).contains("sv -w 20 force-shutdown"));
}

/// Who was asked and waited for is not to be blamed for what began afterwards.
#[test]
fn what_began_after_the_signal_is_what_to_wait_for() {
    for (program, advice) in
        [(Program::Shell, "Let the trap wait for what it starts: sleep (pid 9)"), (Program::Other, "Start nothing")]
    {
        let fault = Fault {
            later: Some("sleep (pid 9)"),
            ..Fault::new(Verdict::NotForwarded, Some(Cause::NotWaitedFor), program, Some(Signal::TERM), "app (PID 1)")
        };
        let said = fix_for(&fault.with_below(Some("server"))).expect("advice");
        assert!(said.starts_with(advice) && said.contains("sleep (pid 9) began after"), "{said}");
        assert!(!said.contains("server"), "{said}");
    }
}

#[test]
fn an_init_that_signals_all_is_to_signal_its_child_alone() {
    let slow = |program| {
        let fault = Fault::new(Verdict::TooSlow, None, program, Some(Signal::TERM), "init (PID 1)");
        fix_for(&Fault { signalled_too: Some("celery (pid 9)"), ..fault }).expect("advice")
    };
    let said = slow(Program::DumbInit);
    assert!(said.contains("dumb-init --single-child. celery (pid 9) got SIGTERM"), "{said}");
    assert!(said.contains("If that is not it: make the shutdown faster"), "{said}");
    assert!(slow(Program::Tini).contains("tini without -g"));
    assert!(slow(Program::Other).starts_with("Make the shutdown faster"));
}

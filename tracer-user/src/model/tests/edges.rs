//! Every threshold of a condition just below, exactly at, and just above.

use super::*;
use crate::event::StateSeen;
use crate::event::made::figures;
use crate::model::{Figure, News, Want};

/// PID 1 adopts `count` processes that end 10 s after the start.
fn adopted(count: u32) -> Stage {
    let mut stage = Stage::new("node");
    let first = stage.first;
    let launcher = stage.start(1_000, first, "launcher");
    let helpers: Vec<_> = (0..count).map(|_| stage.start(1_500, launcher, "helper")).collect();
    stage.end(2_000, launcher, first, 0);
    for helper in helpers {
        stage.exit(10_000, helper, first, 0);
    }
    stage
}

/// PID 1 starts `count` processes that end 10 s after the start.
fn own(count: u32) -> Stage {
    let mut stage = Stage::new("node");
    let first = stage.first;
    let jobs: Vec<_> = (0..count).map(|_| stage.start(1_500, first, "job")).collect();
    for job in jobs {
        stage.exit(10_000, job, first, 0);
    }
    stage
}

/// Whether the model asks in which state a process is.
fn asks_for_state(stage: &mut Stage) -> bool {
    stage.node.take_wants().any(|want| matches!(want, Want::State(_)))
}

#[test]
fn a_zombie_is_told_at_one_second() {
    let mut stage = own(1);
    let told = |stage: &mut Stage| stage.node.take_changes().filter(|c| matches!(c.news, News::Zombie(_))).count();
    told(&mut stage);
    stage.tick(10_799);
    assert!(!asks_for_state(&mut stage));
    stage.tick(10_800);
    assert!(asks_for_state(&mut stage));
    stage.tick(10_999);
    assert_eq!(told(&mut stage), 0);
    stage.tick(11_000);
    assert_eq!(told(&mut stage), 1);
}

#[test]
fn three_that_pid_1_adopted_and_does_not_reap() {
    assert_eq!(adopted(2).tick(309_999), 0);
    let mut stage = adopted(3);
    assert_eq!(stage.tick(14_999), 0);
    assert_eq!(stage.tick(15_000), 1);
    let told = stage.told();
    assert_eq!(
        told.explanation,
        "3 zombies (helper ×3), the oldest for 5.0 s: node (PID 1) adopted them when their parents died, and does not reap what it did not start."
    );
    assert!(told.fix.as_ref().is_some_and(|fix| fix.starts_with("Put an init that reaps before the program")));
    assert_eq!(stage.tick(400_000), 1, "they are the same");
}

#[test]
fn reaped_late_is_no_alarm() {
    let mut stage = adopted(3);
    let zombies: Vec<_> = stage.node.processes().iter().filter(|p| !p.is_live()).map(|p| p.task).collect();
    assert_eq!(zombies.len(), 3);
    for zombie in zombies {
        stage.node.apply(&reaped(14_999, zombie));
    }
    assert_eq!(stage.tick(600_000), 0);
}

#[test]
fn an_orphan_is_owed_from_its_adoption() {
    let mut stage = Stage::new("node");
    let first = stage.first;
    let launcher = stage.start(1_000, first, "launcher");
    for _ in 0..3 {
        let helper = stage.start(1_500, launcher, "helper");
        stage.exit(2_000, helper, launcher, 0);
    }
    stage.end(40_000, launcher, first, 0);
    assert_eq!(stage.tick(44_999), 0);
    assert_eq!(stage.tick(45_000), 1);
}

#[test]
fn one_that_stays_is_told_after_five_minutes() {
    let mut stage = own(1);
    assert_eq!(stage.tick(309_999), 0);
    assert_eq!(stage.tick(310_000), 1);
    assert_eq!(
        stage.told().explanation,
        "1 zombie (job ×1), for 5 min: node (PID 1) started them and does not wait for them."
    );
}

#[test]
fn children_that_their_parent_may_still_wait_for() {
    let mut stage = own(3);
    assert_eq!(stage.tick(69_999), 0);
    assert_eq!(stage.tick(70_000), 1);

    // a parent that starts others goes on without them; what it starts meanwhile tells nothing
    for (forked, told) in [(10_999, 0), (11_000, 1), (11_001, 1)] {
        let mut stage = own(3);
        stage.fork(forked, stage.first);
        assert_eq!(stage.tick(14_999), 0);
        assert_eq!(stage.tick(15_001), told, "another one at {forked} ms");
    }
    let mut stage = own(3);
    stage.fork(11_000, stage.first);
    stage.tick(15_000);
    assert!(stage.told().fix.as_ref().is_some_and(|fix| fix.starts_with("node must wait for its children")));
}

#[test]
fn a_hundred_at_once() {
    assert_eq!(own(99).tick(11_000), 0);
    let mut stage = own(100);
    assert_eq!(stage.tick(10_999), 0);
    assert_eq!(stage.tick(11_000), 1);
}

#[test]
fn told_again_when_there_are_twice_as_many() {
    let mut stage = adopted(3);
    assert_eq!(stage.tick(15_000), 1);
    let mut one_more = |ms: u64| {
        let first = stage.first;
        let job = stage.start(ms, first, "job");
        stage.exit(ms, job, first, 0);
        stage.tick(ms + 1_000)
    };
    assert_eq!([one_more(20_000), one_more(22_000), one_more(24_000), one_more(26_000)], [1, 1, 2, 2]);
}

#[test]
fn pids_that_are_nearly_used_up() {
    let mut stage = adopted(3);
    let made = stage.made;
    stage.node.apply(&figures(12_000, made, 95, Some(100)));
    stage.nothing();
    stage.node.apply(&figures(13_000, made, 50, Some(100)));
    assert_eq!(stage.tick(15_000), 1);
    for (ms, current, told) in [(16_000, 89, 1), (17_000, 90, 2), (18_000, 99, 2)] {
        stage.node.apply(&figures(ms, made, current, Some(100)));
        assert_eq!(stage.conditions().len(), told, "{current} of 100");
    }
    let last = stage.conditions()[1];
    assert!(
        last.explanation.ends_with(
            "The container uses 90 of 100 pids: at 18.0 more zombies a minute nothing can be started in it any more in 33.0 s (fork: Resource temporarily unavailable)."
        ),
        "{}",
        last.explanation
    );
    assert!(last.figures.contains(&("full_in_ms", Figure::Number(33_333))));

    let mut full = adopted(3);
    full.node.apply(&figures(12_000, made, 100, Some(100)));
    full.tick(15_000);
    assert!(full.told().explanation.contains("nothing more can be started in it"), "{}", full.told().explanation);
}

/// SIGKILL comes at 10 s; what `/proc` says then.
fn killed(looks: &[(u64, char, &[&str])]) -> Stage {
    let mut stage = Stage::new("node");
    let worker = stage.start(1_000, stage.first, "worker");
    stage.node.apply(&signal(10_000, Signal::KILL, worker, Made::runc(), Handler::Default));
    for &(ms, state, stack) in looks {
        let stack = stack.iter().map(|&function| function.to_owned()).collect();
        stage.node.apply(&Event(at(ms), What::State(StateSeen { task: worker.key(), state, stack })));
    }
    stage
}

#[test]
fn stuck_after_two_seconds() {
    let mut stage = killed(&[]);
    stage.tick(11_999);
    assert!(!asks_for_state(&mut stage));
    stage.tick(12_000);
    assert!(asks_for_state(&mut stage));
    killed(&[(11_999, 'D', &["folio_wait_bit"])]).nothing();
    for ms in [12_000, 12_001] {
        killed(&[(ms, 'D', &["folio_wait_bit"])]).only(ConditionKind::Stuck);
    }
    let twice = killed(&[(12_000, 'D', &[]), (13_000, 'D', &[])]);
    assert_eq!(twice.conditions().len(), 1);
    killed(&[(12_000, 'X', &[])]).nothing();
}

#[test]
fn much_memory_takes_a_while() {
    let leaving: &[&str] = &["do_exit"];
    let mut stage = killed(&[(12_000, 'R', leaving)]);
    stage.node.take_wants();
    stage.tick(19_999);
    assert!(!asks_for_state(&mut stage));
    stage.tick(20_000);
    assert!(asks_for_state(&mut stage));
    killed(&[(12_000, 'R', leaving), (19_999, 'R', leaving)]).nothing();
    let told = killed(&[(12_000, 'R', leaving), (20_000, 'R', leaving)]);
    assert!(told.told().explanation.contains("frees its memory"), "{}", told.told().explanation);
}

#[test]
fn what_holds_it_is_said() {
    let cases: &[(char, &[&str], &str, &str)] = &[
        ('D', &["__refrigerator"], "its cgroup is frozen", "docker unpause"),
        ('D', &["rpc_wait_bit_killable"], "a network file system", "umount -f"),
        ('D', &["request_wait_answer"], "a FUSE file system", "connections/*/abort"),
        ('D', &["percpu_rwsem_wait"], "fsfreeze", "fsfreeze -u"),
        ('D', &["io_schedule"], "for storage", "kernel log"),
        ('D', &[], "uninterruptible sleep", "/stack"),
        ('t', &["ptrace_stop"], "a debugger or tracer", "TracerPid"),
        ('R', &[], "no CPU time", "cpu.max"),
        ('Z', &[], "its first thread has ended", "/task/"),
    ];
    for &(state, stack, what, fix) in cases {
        let stage = killed(&[(12_000, state, stack)]);
        let told = stage.told();
        assert!(told.explanation.contains(what), "{}", told.explanation);
        assert!(told.fix.as_ref().is_some_and(|advice| advice.contains(fix)), "{told:#?}");
    }
}

#[test]
fn a_dropped_sigkill_does_not_begin_the_wait() {
    use crate::event::SendResult;
    let mut stage = Stage::new("sh");
    let first = stage.first;
    let inside = stage.start(1_000, first, "kill");
    let Event(_, What::Signal(mut sent)) = signal(2_000, Signal::KILL, first, inside, Handler::Default) else {
        panic!("it is a signal")
    };
    sent.result = SendResult::Ignored;
    stage.node.apply(&Event(at(2_000), What::Signal(sent)));
    stage.only(ConditionKind::DroppedSignal);
    stage.node.apply(&signal(60_000, Signal::KILL, first, Made::runc(), Handler::Default));
    let seen = StateSeen { task: first.key(), state: 'D', stack: vec![] };
    stage.node.apply(&Event(at(62_000), What::State(seen)));
    assert!(stage.conditions()[1].explanation.contains("2.0 s ago"), "{:#?}", stage.conditions());
}

/// A supervisor whose children `run`, fail and are replaced after `gap`, `count` times; deaths are `period` apart.
fn supervised(supervisor: &str, worker: &str, status: u32, (count, period, gap): (u64, u64, u64)) -> Stage {
    let mut stage = Stage::new(supervisor);
    let first = stage.first;
    let mut child = stage.start(1_000, first, worker);
    for n in 0..count {
        let dies = 100_000 + n * period;
        stage.end(dies, child, first, status);
        child = stage.start(dies + gap, first, worker);
    }
    stage
}

#[test]
fn a_respawn_loop_by_count_gap_and_window() {
    supervised("gunicorn", "worker", code(1), (4, 1_000, 100)).nothing();
    supervised("gunicorn", "worker", code(1), (5, 1_000, 100)).only(ConditionKind::RespawnLoop);
    supervised("gunicorn", "worker", code(1), (6, 1_000, 100)).only(ConditionKind::RespawnLoop);
    // later it is on demand: a connection, a job
    supervised("gunicorn", "worker", code(1), (5, 4_000, 2_999)).only(ConditionKind::RespawnLoop);
    supervised("gunicorn", "worker", code(1), (5, 4_000, 3_000)).only(ConditionKind::RespawnLoop);
    supervised("gunicorn", "worker", code(1), (50, 4_000, 3_001)).nothing();
    supervised("gunicorn", "worker", code(1), (5, 14_750, 999)).only(ConditionKind::RespawnLoop);
    supervised("gunicorn", "worker", code(1), (5, 14_750, 1_000)).only(ConditionKind::RespawnLoop);
    supervised("gunicorn", "worker", code(1), (5, 14_750, 1_001)).nothing();
}

#[test]
fn a_respawn_loop_is_told_again_when_it_is_four_times_as_fast() {
    let told = |count| supervised("gunicorn", "worker", code(1), (count, 500, 100)).conditions().len();
    assert_eq!([told(5), told(19), told(20), told(79), told(80)], [1, 1, 2, 2, 3]);
}

#[test]
fn what_a_respawn_loop_says() {
    let stage = supervised("gunicorn", "worker", code(1), (5, 1_000, 100));
    assert_eq!(
        stage.told().explanation,
        "worker died 5 times in 4.1 s (last with exit code 1), and gunicorn (PID 1) started it again each time: the container looks healthy while what it should do fails."
    );
    for (status, what) in
        [(code(127), "there is no such command"), (code(126), "cannot be executed"), (11, "by SIGSEGV")]
    {
        let stage = supervised("gunicorn", "worker", status, (5, 1_000, 100));
        assert!(stage.told().explanation.contains(what), "{}", stage.told().explanation);
    }
}

#[test]
fn below_a_shell_more_of_it_and_for_longer() {
    supervised("sh", "worker", code(1), (19, 600, 10)).nothing();
    supervised("sh", "worker", code(1), (20, 600, 10)).only(ConditionKind::RespawnLoop);
    // ten seconds: from the first death to the twenty-first fork
    supervised("sh", "worker", code(1), (20, 500, 499)).nothing();
    supervised("sh", "worker", code(1), (21, 500, 0)).only(ConditionKind::RespawnLoop);
    // asking whether a database is there
    supervised("sh", "pg_isready", code(1), (100, 1_000, 10)).nothing();
    supervised("python3", "curl", code(7), (100, 1_000, 10)).nothing();
    // its own subshells
    let mut stage = Stage::new("bash");
    let first = stage.first;
    for n in 0..100 {
        let subshell = stage.fork(10_000 + n * 300, first);
        stage.end(10_100 + n * 300, subshell, first, code(1));
    }
    stage.nothing();
}

#[test]
fn what_is_no_respawn_loop() {
    for (supervisor, worker, status) in [
        ("postgres", "postgres", code(1)),
        ("sshd", "sshd", code(255)),
        ("celery", "celery", code(155)),
        ("uwsgi", "uwsgi", code(17)),
        ("make", "cc", code(1)),
        ("xargs", "worker", code(1)),
        ("gunicorn", "worker", code(0)),
    ] {
        let stage = supervised(supervisor, worker, status, (50, 1_000, 10));
        assert_eq!(stage.conditions(), Vec::<&Condition>::new(), "{supervisor}");
    }
    // a crash of a session is another matter
    supervised("postgres", "postgres", 11, (5, 1_000, 10)).only(ConditionKind::RespawnLoop);
    // one in five succeeds
    let mut stage = Stage::new("runner");
    let first = stage.first;
    for n in 0..100 {
        let job = stage.start(100_000 + n * 500, first, "job");
        stage.end(100_200 + n * 500, job, first, code(u32::from(n % 5 != 0)));
    }
    stage.nothing();
    // one that succeeded a minute ago
    for (success, told) in [(100_101, 0), (100_100, 1)] {
        let mut stage = Stage::new("runner");
        let first = stage.first;
        let mut job = stage.start(1_000, first, "job");
        stage.end(success, job, first, 0);
        for n in 0..5 {
            job = stage.start(156_000 + n * 1_000, first, "job");
            stage.end(156_100 + n * 1_000, job, first, code(1));
        }
        stage.start(160_101, first, "job");
        assert_eq!(stage.conditions().len(), told, "{success}");
    }
    // the supervisor ends them itself
    let mut stage = Stage::new("gunicorn");
    let first = stage.first;
    for n in 0..20 {
        let worker = stage.start(100_000 + n * 500, first, "worker");
        stage.node.apply(&kills(100_100 + n * 500, worker, first));
        stage.end(100_200 + n * 500, worker, first, 9);
    }
    stage.nothing();
}

#[test]
fn a_supervisor_below_an_init_counts_others_do_not() {
    let below = |init: &str| {
        let mut stage = Stage::new(init);
        let supervisor = stage.start(1_000, stage.first, "gunicorn");
        for n in 0..6 {
            let worker = stage.start(100_000 + n * 500, supervisor, "worker");
            stage.end(100_200 + n * 500, worker, supervisor, code(1));
        }
        stage
    };
    below("tini").only(ConditionKind::RespawnLoop);
    below("s6-svscan").only(ConditionKind::RespawnLoop);
    below("node").nothing();
}

/// PID 1 forks workers that each live for `life`, and nothing more; the first is started at `start`.
fn prefork(count: u64, start: u64, life: u64, status: u32) -> Stage {
    let mut stage = Stage::new("app");
    let first = stage.first;
    let workers: Vec<_> = (0..count).map(|_| stage.fork(start, first)).collect();
    for worker in workers {
        stage.end(start + life, worker, first, status);
    }
    stage
}

#[test]
fn workers_that_look_at_their_parent() {
    let told = |mut stage: Stage| stage.tick(200_000);
    assert_eq!([1, 2, 3].map(|count| told(prefork(count, 1_000, 100, code(1)))), [0, 1, 1]);
    assert_eq!([1_999, 2_000, 2_001].map(|life| told(prefork(2, 1_000, life, code(1)))), [1, 1, 0]);
    // the first process of this stage starts 0.2 ms after the machine
    assert_eq!([60_000, 60_001, 60_002].map(|start| told(prefork(2, start, 100, code(1)))), [1, 1, 0]);
    let mut stage = prefork(2, 1_000, 500, code(1));
    assert_eq!(stage.tick(4_499), 0);
    assert_eq!(stage.tick(4_500), 1);
    stage.only(ConditionKind::OrphanExit);
    assert_eq!(told(prefork(2, 1_000, 100, 11)), 0, "a signal is not an exit");
    assert_eq!(told(prefork(2, 1_000, 100, 0)), 0);
}

#[test]
fn workers_that_are_replaced_or_differ_do_not_look_at_their_parent() {
    for (after, expected) in [(499, 1), (500, 0), (501, 0)] {
        let mut stage = prefork(2, 1_000, 100, code(1));
        let first = stage.first;
        let another = stage.fork(1_100 + after, first);
        stage.end(1_100 + after, another, first, code(1));
        assert_eq!(stage.tick(10_000), expected, "another one {after} ms later");
    }
    let mut others = Vec::new();
    for status in [code(1), code(0), code(2)] {
        let mut stage = prefork(2, 1_000, 100, code(1));
        let first = stage.first;
        let another = stage.fork(1_050, first);
        stage.end(1_150, another, first, status);
        others.push(stage.tick(10_000));
    }
    assert_eq!(others, [1, 0, 0]);
    let mut stage = prefork(2, 1_000, 100, code(1));
    stage.fork(1_050, stage.first);
    assert_eq!(stage.tick(10_000), 0, "one goes on");
}

#[test]
fn a_prefork_server_that_gives_up_at_the_first_of_them() {
    // as gofiber's does: the first exit ends all
    let give_up = |status: u32| {
        let mut stage = Stage::new("fiber");
        let first = stage.first;
        let workers: Vec<_> = (0..4).map(|n| stage.start(1_000 + n, first, "fiber")).collect();
        stage.end(1_510, workers[0], first, status);
        for worker in &workers[1..] {
            stage.node.apply(&kills(1_511, *worker, first));
            stage.exit(1_512, *worker, first, 9);
        }
        stage.exit(1_513, first, Made::runc(), code(1));
        stage
    };
    give_up(code(1)).only(ConditionKind::OrphanExit);
    give_up(code(2)).nothing();
}

#[test]
fn gunicorns_workers_that_cannot_load_their_application_do_not_look_at_their_parent() {
    let mut stage = Stage::new("gunicorn");
    let first = stage.first;
    for _ in 0..3 {
        let worker = stage.fork(1_000, first);
        stage.end(1_300, worker, first, code(3));
    }
    stage.exit(1_400, first, Made::runc(), code(3));
    assert_eq!(stage.tick(10_000), 0);
}

/// Whoever begins to trace in the middle of a stop sees the SIGKILL at its end alone.
#[test]
fn a_sigkill_soon_after_tracing_began_may_be_the_end_of_a_grace_period() {
    const BEGUN: u64 = 100_000;
    let ended_after = |grace_ms: u64, started: u64, asked: Option<u64>, killed: u64, killer: Task| {
        let made = Made { number: 2 };
        let first = Task { start: at(started).0, ..made.task(1, "app") };
        let mut node = Node::new();
        for Event(_, what) in made.found("app", None, Some(grace_ms), "app") {
            let what = match what {
                What::Process(seen) => What::Process(crate::event::ProcessSeen { task: first, ..seen }),
                other => other,
            };
            node.apply(&Event(at(BEGUN), what));
        }
        if let Some(asked) = asked {
            node.apply(&signal(asked, Signal::TERM, first, killer, Handler::Function));
        }
        node.apply(&kills(killed, first, killer));
        node.apply(&exit(killed + 1, first, Made::runc(), 9));
        node.tick(at(killed + 10_000));
        let end = node.terminations().next().expect("it ended");
        assert_eq!(end.stop_signal, asked.map(|_| Signal::TERM));
        let claims = end.cause.is_some() || end.fix.is_some() || end.explanation.contains("nor a grace period");
        assert!(end.certain || !claims, "{}", end.explanation);
        end.certain
    };
    let ended = |started, asked, killed, killer| ended_after(10_000, started, asked, killed, killer);
    let host = Task { pid: 91, comm: "bash".into(), ..Made::runc() };
    for killer in [Made::runc(), host] {
        assert!(!ended(1_000, None, BEGUN + 600, killer), "a request before that is not seen");
        assert!(!ended(1_000, None, BEGUN + 60_000, killer));
        assert!(ended(1_000, None, BEGUN + 60_001, killer), "nobody waits so long");
        assert!(!ended_after(300_000, 1_000, None, BEGUN + 300_000, killer), "its grace period is long");
        assert!(ended(BEGUN - 3_000, None, BEGUN + 600, killer), "it has only just begun");
        assert!(ended(1_000, Some(BEGUN + 100), BEGUN + 600, killer), "the request was seen");
    }
}

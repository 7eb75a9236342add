use super::*;

fn seen(pid: u32, parent: u32, start: u64) -> Seen {
    Seen { key: TaskKey { pid, start }, parent, comm: format!("p{pid}"), ..Seen::default() }
}

#[test]
fn the_first_process() {
    let pid = |members: &[Seen], told| first(members, told).map(|seen| seen.key.pid);
    let init = |pid, parent, start| Seen { init: true, ..seen(pid, parent, start) };
    let zombie = |pid, parent, start| Seen { zombie: true, ..seen(pid, parent, start) };
    assert_eq!(pid(&[], None), None);
    assert_eq!(pid(&[seen(20, 10, 2), seen(10, 1, 1)], None), Some(10), "its parent is outside");
    assert_eq!(pid(&[seen(5, 1, 1), init(9, 1, 2)], None), Some(9), "an init goes first");
    assert_eq!(pid(&[seen(8, 1, 3), seen(5, 1, 1)], None), Some(5), "an exec came later");
    assert_eq!(pid(&[seen(8, 1, 3), seen(5, 1, 1)], Some(8)), Some(8), "the runtime knows");
    assert_eq!(pid(&[seen(5, 1, 1)], Some(99)), Some(5), "the runtime's is gone");
    assert_eq!(pid(&[zombie(5, 1, 1)], None), None);
}

#[test]
fn the_tree_below() {
    let first = seen(1, 0, 1);
    let members = [
        first.clone(),
        seen(3, 2, 3),
        seen(2, 1, 2),
        seen(9, 0, 4),
        Seen { zombie: true, ..seen(4, 1, 3) },
        seen(5, 1, 5),
    ];
    let told: Vec<_> = below(&first, &members).iter().map(|(seen, depth)| (seen.key.pid, *depth)).collect();
    assert_eq!(told, [(2, 1), (5, 1), (3, 2)]);
    // a pid that is its own parent leads nowhere
    assert!(below(&seen(1, 1, 1), &[seen(1, 1, 1)]).is_empty());
    let many: Vec<_> = (2..2_000).map(|pid| seen(pid, 1, u64::from(pid))).collect();
    assert_eq!(below(&first, &many).len(), MAX_BELOW);
}

#[test]
fn only_zombies_that_stay_are_told() {
    let first = seen(1, 0, 1);
    let zombie = |pid, parent| Seen { zombie: true, ..seen(pid, parent, u64::from(pid) * 1_000_000) };
    let earlier = Look { at: BootNs(50_000_000), ..Look::default() };
    let mut look = Look { at: BootNs(100_000_000), ..Look::default() };
    look.strangers.insert(77, "shim".to_owned());
    let before = [zombie(10, 1), zombie(11, 1), zombie(13, 77)];
    let members = [first.clone(), zombie(11, 1), zombie(12, 1), zombie(10, 1), zombie(13, 77)];
    let told = zombies(&members, &first, &Now { look: &look, earlier: &earlier, before: &before });
    assert_eq!((told.count, told.oldest_at_most_ms), (3, Some(90)));
    let parents: Vec<_> =
        told.parents.iter().map(|parent| (parent.comm.as_str(), parent.first, parent.zombies)).collect();
    assert_eq!(parents, [("p1", true, 2), ("shim", false, 1)]);
}

#[test]
fn a_pending_signal_is_untaken_after_a_while_only() {
    let mut process = seen(1, 0, 1);
    process.signals.pending = SignalSet(1 << 14);
    let before = [process.clone()];
    let look = |ms: u64| Look { at: BootNs(ms * 1_000_000), ..Look::default() };
    let untaken = |ms, before: &[Seen]| Now { look: &look(ms), earlier: &look(0), before }.untaken(&process);
    assert_eq!(untaken(UNTAKEN_MS, &before), SignalSet(1 << 14));
    assert_eq!(untaken(UNTAKEN_MS - 1, &before), SignalSet(0));
    assert_eq!(untaken(UNTAKEN_MS, &[]), SignalSet(0));
}

#[test]
fn who_says_the_stop_signal() {
    let told = |stop_signal, runtime: Option<&str>| Described {
        stop_signal,
        runtime: runtime.map(str::to_owned),
        ..Described::default()
    };
    let quit = Some(crate::signal::Signal::QUIT);
    let from = |described: Option<&Described>| stop_signal(described, "containerd");
    assert_eq!(from(None), StopSignal::default());
    assert_eq!(from(Some(&told(None, Some("cri-o")))), StopSignal::default());
    let cri_o = from(Some(&told(quit, Some("cri-o"))));
    assert_eq!((Some(cri_o.signal), cri_o.source.as_str()), (quit, "cri-o"));
    assert_eq!(from(Some(&told(quit, None))).source, "containerd");
}

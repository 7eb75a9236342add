//! Every threshold and bound of the model in one place. `docs/limits.md` is generated from this.

/// Declares the limits, and lists them for the documentation.
macro_rules! limits {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $value:expr;)+) => {
        $($(#[doc = $doc])+ pub const $name: $type = $value;)+

        /// All of them: name, value, what it is.
        #[cfg(test)]
        const ALL: &[(&str, u128, &str)] = &[$((stringify!($name), $value as u128, concat!($($doc),+))),+];
    };
}

limits! {
    /// A zombie is told when it is this old, ms: a parent that reaps in time never gets on the screen.
    ZOMBIE_TOLD_MS: u64 = 1_000;
    /// Before that, at this age, `/proc` is asked whether it is still there, ms. Without an answer it is.
    ZOMBIE_ASKED_MS: u64 = 800;
    /// This many zombies at once that are due to be reaped make a condition.
    ZOMBIES_MANY: usize = 3;
    /// A zombie is due at this age when it was adopted, or when its parent has started others since, ms. Whoever reaps now and
    /// then is given time.
    ZOMBIE_DUE_MS: u64 = 5_000;
    /// A zombie whose parent has started nothing since is due at this age, ms: who starts some at once may wait for the slowest
    /// first.
    ZOMBIE_AWAITED_MS: u64 = 60_000;
    /// One zombie this old makes a condition too, ms.
    ZOMBIE_OLD_MS: u64 = 300_000;
    /// So many told zombies make a condition whatever their age.
    ZOMBIES_FLOOD: usize = 100;
    /// Zombies that were told are told once more when the container uses this much of its `pids.max`, percent.
    PIDS_NEARLY_FULL: u64 = 90;

    /// The time that the rate of new zombies is taken over, ms.
    ZOMBIE_RATE_MS: u64 = 60_000;
    /// That time is at least this long, ms: the first seconds promise nothing.
    ZOMBIE_RATE_LEAST_MS: u64 = 10_000;

    /// A process that is not gone this long after SIGKILL is stuck, ms.
    STUCK_MS: u64 = 2_000;
    /// One that was seen to be on its way out then is looked at again after this time, ms: much memory takes a while to free.
    STUCK_AGAIN_MS: u64 = 10_000;

    /// Window in which children that fail and are replaced are counted, ms.
    RESPAWN_WINDOW_MS: u64 = 60_000;
    /// A child that fails is replaced when its parent starts another within this time, ms. Later it is on somebody's demand.
    RESPAWN_GAP_MS: u64 = 3_000;
    /// This many of one name in the window are a respawn loop, unless one of that name succeeded in it.
    RESPAWN_COUNT: usize = 5;
    /// The same below a shell, where commands that fail are ordinary …
    RESPAWN_COUNT_SHELL: usize = 20;
    /// … and it must have gone on for this long, ms.
    RESPAWN_SHELL_MS: u64 = 10_000;
    /// It is told again when there are this many times as many in the window.
    RESPAWN_AGAIN: usize = 4;
    /// Series of failing children remembered for each container.
    RESPAWN_RUNS_KEPT: usize = 16;

    /// A child of PID 1 that ends by itself within this time of its fork, with a failure, may have looked at its
    /// parent's pid, ms. Some look twice a second only.
    ORPHAN_EXIT_LIFE_MS: u64 = 2_000;
    /// Only those that PID 1 starts within this time of its own start, ms: servers fork their workers first of all.
    ORPHAN_EXIT_START_MS: u64 = 60_000;
    /// This many of them, and no new ones after, are the condition.
    ORPHAN_EXIT_COUNT: usize = 2;
    /// How long after the first of them the fold decides, ms.
    ORPHAN_EXIT_DECIDE_MS: u64 = 3_000;
    /// A fork this long after the first of them means that they are being replaced, ms.
    ORPHAN_EXIT_REPLACED_MS: u64 = 500;

    /// Signals dropped outside a stop: the same one from the same program is told again when it came so many times as often.
    DROPPED_AGAIN: u64 = 10;
    /// Kinds of dropped signals remembered for each container.
    DROPPED_KEPT: usize = 16;

    /// Exited within this time of the stop signal and without a preStop hook: too early for load balancers, ms.
    TOO_EARLY_MS: u64 = 1_000;
    /// A process from an exec that lived at least this long and was killed with its container was left behind, ms: a probe
    /// that happens to run at that moment was not.
    LEFT_BEHIND_MS: u64 = 2_000;

    /// A handler that raises its signal again this soon did nothing before, and one that raised it this soon before the end
    /// did so to die by it, ms.
    RERAISE_MS: u64 = 1_000;
    /// Node's own handler raises the signal again within this time, ms: what its user wrote takes longer.
    RERAISE_AT_ONCE_MS: u64 = 20;
    /// What a server leaves in the background is started this long before it ends itself at the most, ms.
    BACKGROUND_MS: u64 = 2_000;
    /// A process that got the stop signal less than this before the first process exited may have been about to pass it on,
    /// ms.
    ON_ITS_WAY_MS: u64 = 1_000;
    /// Whoever kills a process of its own container sooner than this after it asked it to end had no patience to lose, ms.
    PATIENCE_MS: u64 = 100;

    /// The shortest grace period that kubelet gives, ms; Docker's may be shorter, but then its stop signal is known.
    GRACE_LEAST_MS: u64 = 2_000;
    /// Grace period to assume where nobody told one: Kubernetes' default, ms.
    GRACE_UNKNOWN_MS: u64 = 30_000;
    /// A stop by something that is no runtime and led to nothing is forgotten this long after the grace period, ms.
    ABANDON_SLACK_MS: u64 = 5_000;
    /// A stop by a runtime whose grace period is unknown is forgotten after this time, ms.
    ABANDON_RUNTIME_MS: u64 = 3_600_000;
    /// A stop signal that was taken this long before an exit is no reason for it, ms, unless the grace period is longer.
    EXIT_AFTER_MS: u64 = 600_000;
    /// A process that ends with a failure this long after the OOM killer chose one of its container ended because of it, ms.
    OOM_REASON_MS: u64 = 5_000;
    /// A signal this long before an exit by itself is taken for its reason, ms.
    REASON_MS: u64 = 10_000;
    /// A SIGKILL that comes this much earlier or later than the configured grace period shows another one, ms. Grace periods
    /// are whole seconds; what is less is the delay of a busy machine.
    BUDGET_TOLERANCE_MS: u64 = 900;
    /// A preStop hook ended at most this long before the stop signal, ms.
    PRE_STOP_GAP_MS: u64 = 1_000;
    /// A container of a pod is told at the latest this long after it was found, ms: it may be the pod's sandbox, and that
    /// shows when it runs its program or a runtime describes it.
    ANNOUNCE_MS: u64 = 1_000;
    /// News held back with a container that is not told yet; with more it is told.
    UNDECIDED_HELD: usize = 256;
    /// The stop of a pod is over when none of its containers is being stopped and none ended in this time, ms. kubelet tells
    /// a sidecar within some 100 ms after the last of the others has ended.
    POD_QUIET_MS: u64 = 2_000;
    /// A container that is told to stop this long after its pod was told late, ms: kubelet tells all at once but sidecars, and
    /// those with a preStop hook.
    TOLD_LATE_MS: u64 = 1_000;
    /// From the request to delete a pod to the first sign of the stop it takes this long before the explanation says so, ms: what
    /// is less may be the API's whole seconds.
    DELETION_SLOW_MS: u64 = 3_000;
    /// This long after a loss a snapshot has set the model right for sure, ms: before, it may lack processes that it should
    /// know, so that even a stop of which nothing was lost can look like another.
    LOSS_HEALED_MS: u64 = 3_000;
    /// After a loss this old, a termination without a known reason is certain again, ms.
    LOSS_MEMORY_MS: u64 = 60_000;

    /// A container that ends within this time of its beginning may be one that its runtime has not described yet, ms …
    NAME_ASKED_MS: u64 = 5_000;
    /// … and its end is told when that comes, or after this time, ms.
    NAME_DUE_MS: u64 = 2_000;

    /// Signals remembered for each process.
    RECEIVED_KEPT: usize = 16;
    /// Processes told in a termination; the first process and those that were killed come first.
    PROCESSES_TOLD: usize = 256;
    /// Processes that are gone, remembered for the termination that goes on.
    DEPARTED_KEPT: usize = 1_024;
    /// Processes that are gone, whose late events are known as such.
    REAPED_KEPT: usize = 4_096;
    /// Terminations kept.
    TERMINATIONS_KEPT: usize = 512;
    /// Ends kept for the stop of one pod.
    POD_ENDS_KEPT: usize = 64;
    /// Pods of which the API of Kubernetes told something, known at once.
    PODS_TOLD: usize = 4_096;
    /// Conditions kept.
    CONDITIONS_KEPT: usize = 512;
    /// Containers kept after they are gone.
    GONE_KEPT: usize = 256;
    /// Processes that joined from outside (execs), remembered for each container.
    JOINED_KEPT: usize = 8;
    /// Processes known at once, over all containers; beyond it new ones are not followed and the model says it lost them.
    PROCESSES_KEPT: usize = 200_000;
}

/// What a stop signal would meet is asked for when the first process of a container is this old, ms: younger ones may not
/// have come to what they do with signals, and some take their time.
pub const FORESEE_AT_MS: [u64; 3] = [2_200, 10_000, 60_000];

#[cfg(test)]
mod tests {
    use super::ALL;

    /// What docs/limits.md says below its introduction.
    fn table() -> String {
        let rows = ALL.iter().map(|(name, value, about)| {
            let about = about.trim().replace("  ", " ").replace(", ms.", ".").replace(", ms:", ":");
            let about = about.strip_suffix(", ms").unwrap_or(&about);
            format!("| `{name}` | {} | {} |\n", said(name, *value), about.replace(", ms …", " …").replace(", ms;", ";"))
        });
        format!("| limit | value | what it is |\n|---|---|---|\n{}", rows.collect::<String>())
    }

    fn said(name: &str, value: u128) -> String {
        match value {
            _ if !name.ends_with("_MS") => value.to_string(),
            60_000.. if value.is_multiple_of(60_000) => format!("{} min", value / 60_000),
            1_000.. if value.is_multiple_of(1_000) => format!("{} s", value / 1_000),
            _ => format!("{value} ms"),
        }
    }

    #[test]
    fn the_documentation_states_every_limit() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/limits.md");
        let text = std::fs::read_to_string(&path).expect("docs/limits.md is there");
        let (introduction, _) = text.split_once("| limit |").expect("it has a table");
        let expected = format!("{introduction}{}", table());
        if std::env::var_os("TRACER_UPDATE_DOCS").is_some_and(|value| value == "1") {
            std::fs::write(&path, &expected).expect("it can be written");
            return;
        }
        assert!(text == expected, "TRACER_UPDATE_DOCS=1 cargo test -p tracer-user --lib limits writes it anew");
    }
}

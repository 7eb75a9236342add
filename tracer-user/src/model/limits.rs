//! Every threshold and bound of the model in one place. The documentation quotes these.

/// A zombie is told when it is this old, ms: a parent that reaps in time never gets on the screen.
pub const ZOMBIE_TOLD_MS: u64 = 1_000;
/// Before that, at this age, `/proc` is asked whether it is still there, ms. Without an answer it is.
pub const ZOMBIE_ASKED_MS: u64 = 800;
/// This many told zombies at once in a container make a condition.
pub const ZOMBIES_MANY: usize = 3;
/// One zombie this old makes a condition too, ms.
pub const ZOMBIE_OLD_MS: u64 = 10_000;

/// The time that the rate of new zombies is taken over, ms.
pub const ZOMBIE_RATE_MS: u64 = 60_000;

/// A process that is not gone this long after SIGKILL is stuck, ms.
pub const STUCK_MS: u64 = 2_000;

/// Window in which failing children of the first process are counted, ms.
pub const RESPAWN_WINDOW_MS: u64 = 60_000;
/// This many of one name in the window are a respawn loop.
pub const RESPAWN_COUNT: usize = 5;
/// The same below a shell, where commands that fail are ordinary.
pub const RESPAWN_COUNT_SHELL: usize = 10;

/// A child of PID 1 that ends by itself within this time of its fork, with a failure, may have looked at its
/// parent's pid, ms.
pub const ORPHAN_EXIT_LIFE_MS: u64 = 500;
/// This many of them, and no new ones after, are the condition.
pub const ORPHAN_EXIT_COUNT: usize = 2;
/// How long after the first of them the fold decides, ms.
pub const ORPHAN_EXIT_DECIDE_MS: u64 = 1_000;
/// No fork for this long means that they are not being replaced, ms.
pub const ORPHAN_EXIT_QUIET_MS: u64 = 500;

/// Exited within this time of the stop signal and without a preStop hook: too early for load balancers, ms.
pub const TOO_EARLY_MS: u64 = 1_000;

/// Whoever kills a process of its own container sooner than this after it asked it to end had no patience to lose, ms.
pub const PATIENCE_MS: u64 = 100;

/// The shortest grace period that kubelet gives, ms; Docker's may be shorter, but then its stop signal is known.
pub const GRACE_LEAST_MS: u64 = 2_000;
/// Grace period to assume where nobody told one: Kubernetes' default, ms.
pub const GRACE_UNKNOWN_MS: u64 = 30_000;
/// A stop by something that is no runtime and led to nothing is forgotten this long after the grace period, ms.
pub const ABANDON_SLACK_MS: u64 = 5_000;
/// A stop by a runtime whose grace period is unknown is forgotten after this time, ms.
pub const ABANDON_RUNTIME_MS: u64 = 3_600_000;
/// A stop signal that was taken this long before an exit is no reason for it, ms, unless the grace period is longer.
pub const EXIT_AFTER_MS: u64 = 600_000;
/// A process that ends with a failure this long after the OOM killer chose one of its container ended because of it, ms.
pub const OOM_REASON_MS: u64 = 5_000;
/// A signal this long before an exit by itself is taken for its reason, ms.
pub const REASON_MS: u64 = 10_000;
/// A SIGKILL that comes this much earlier or later than the configured grace period shows another one, ms. Grace periods
/// are whole seconds; what is less is the delay of a busy machine.
pub const BUDGET_TOLERANCE_MS: u64 = 900;
/// A preStop hook ended at most this long before the stop signal, ms.
pub const PRE_STOP_GAP_MS: u64 = 1_000;
/// A container of a pod is told at the latest this long after it was found, ms: it may be the pod's sandbox, and that
/// shows when it runs its program or a runtime describes it.
pub const ANNOUNCE_MS: u64 = 1_000;
/// News held back with a container that is not told yet; with more it is told.
pub const UNDECIDED_HELD: usize = 256;
/// The stop of a pod is over when none of its containers is being stopped and none ended in this time, ms. kubelet tells
/// a sidecar within some 100 ms after the last of the others has ended.
pub const POD_QUIET_MS: u64 = 2_000;
/// A container that is told to stop this long after its pod was told late, ms: kubelet tells all at once but sidecars, and
/// those with a preStop hook.
pub const TOLD_LATE_MS: u64 = 1_000;
/// This long after a loss a snapshot has set the model right for sure, ms: before, it may lack processes that it should
/// know, so that even a stop of which nothing was lost can look like another.
pub const LOSS_HEALED_MS: u64 = 3_000;
/// After a loss this old, a termination without a known reason is certain again, ms.
pub const LOSS_MEMORY_MS: u64 = 60_000;

/// A container that ends within this time of its beginning may be one that its runtime has not described yet, ms …
pub const NAME_ASKED_MS: u64 = 5_000;
/// … and its end is told when that comes, or after this time, ms.
pub const NAME_DUE_MS: u64 = 2_000;

/// What a stop signal would meet is asked for when the first process of a container is this old, ms: younger ones may not
/// have come to what they do with signals, and some take their time.
pub const FORESEE_AT_MS: [u64; 3] = [2_200, 10_000, 60_000];

/// Signals remembered for each process.
pub const RECEIVED_KEPT: usize = 16;
/// Processes told in a termination; the first process and those that were killed come first.
pub const PROCESSES_TOLD: usize = 256;
/// Processes that are gone, remembered for the termination that goes on.
pub const DEPARTED_KEPT: usize = 1_024;
/// Terminations kept.
pub const TERMINATIONS_KEPT: usize = 512;
/// Ends kept for the stop of one pod.
pub const POD_ENDS_KEPT: usize = 64;
/// Conditions kept.
pub const CONDITIONS_KEPT: usize = 512;
/// Containers kept after they are gone.
pub const GONE_KEPT: usize = 256;
/// Processes that joined from outside (execs), remembered for each container.
pub const JOINED_KEPT: usize = 8;
/// Processes known at once, over all containers; beyond it new ones are not followed and the model says it lost them.
pub const PROCESSES_KEPT: usize = 200_000;

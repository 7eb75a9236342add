//! What is checked on each kernel, as one table. A new check is a new row.

use super::boot::{Cgroups, Place};
use regex_lite::Regex;

/// A command that is run on a kernel, and what must come of it.
pub(super) struct Check {
    /// Its name, and that of its script: `vm::6.1-cgroup2::NAME` in reports and filters.
    pub(super) name: &'static str,
    /// A busybox shell command. In a virtual machine `SERIES` ("6.1") and `CGROUP_VERSION` ("1" or "2") are set, and
    /// everywhere `WORK`: where the files go that it leaves.
    command: &'static str,
    /// The seconds it may take.
    seconds: u32,
    /// The exit code it must end with.
    code: i32,
    /// Patterns that must be found in its output.
    require: &'static [&'static str],
    /// Patterns that must not.
    forbid: &'static [&'static str],
    /// The subcommand of tracer that it is about: skipped as long as `tracer --help` does not list it.
    subcommand: Option<&'static str>,
    /// The hierarchies it is about; any if `None`.
    only: Option<Cgroups>,
    /// It is run on this machine, too, where other tests do the rest.
    here: bool,
    /// It leaves a recording, `$WORK/NAME.rec`, and what was told live, `$WORK/NAME.json`.
    pub(super) records: bool,
}

/// What most rows have.
const PLAIN: Check = Check {
    name: "",
    command: "",
    seconds: 30,
    code: 0,
    require: &[],
    forbid: &["panicked at"],
    subcommand: None,
    only: None,
    here: false,
    records: false,
};

const CHECKS: &[Check] = &[
    Check { name: "kernel", command: r#"uname -r | grep "^$SERIES\.""#, ..PLAIN },
    Check { name: "btf", command: "ls -l /sys/kernel/btf/vmlinux", require: &[r" \d{6,} "], ..PLAIN },
    Check {
        name: "only-cgroup-v2",
        command: "cat /proc/mounts",
        require: &["(?m)^cgroup2 /sys/fs/cgroup cgroup2 "],
        forbid: &["(?m)^cgroup "],
        only: Some(Cgroups::V2),
        ..PLAIN
    },
    Check {
        name: "only-cgroup-v1",
        command: "cat /proc/mounts",
        require: &["(?m)^cgroup /sys/fs/cgroup/memory cgroup ", "(?m)^cgroup /sys/fs/cgroup/pids cgroup "],
        forbid: &["(?m)^cgroup2 "],
        only: Some(Cgroups::V1),
        ..PLAIN
    },
    Check { name: "binary", command: "tracer --version", here: true, ..PLAIN },
    Check { name: "doctor", command: "tracer doctor", seconds: 60, subcommand: Some("doctor"), ..PLAIN },
    Check {
        name: "dispositions",
        command: "dispositions $(command -v tracer) $WORK/dispositions.rec $WORK/dispositions.json",
        seconds: 150,
        require: &[r"(?m)^\d\d of \d\d dispositions are told as they are$"],
        forbid: &["panicked at", "(?m)^WRONG"],
        here: true,
        records: true,
        ..PLAIN
    },
    // it compares its verdicts itself
    Check {
        name: "demo",
        command: "tracer demo --output json --record $WORK/demo.rec >$WORK/demo.json; code=$?
            grep -E '^.\"kind\":\"(termination|condition)\"' $WORK/demo.json; exit $code",
        seconds: 180,
        require: &[
            r#""verdict": ?"sigterm-dropped""#,
            r#""verdict": ?"graceful""#,
            r#""condition": ?"zombies""#,
            r#""condition": ?"respawn-loop""#,
            r#""condition": ?"orphan-exit""#,
            r#""condition": ?"dropped-signal""#,
        ],
        subcommand: Some("demo"),
        records: true,
        ..PLAIN
    },
    // recordings of another kernel
    Check { name: "replay", command: REPLAY, seconds: 60, require: &["(?m)^the same: [5-9]$"], ..PLAIN },
    // busybox sh as PID 1, in six ways
    Check {
        name: "check",
        command: SHELLS,
        seconds: 150,
        require: &[
            r#"(?s)("verdict":"sigterm-dropped","expected".*){3}"#,
            r#""passed":true,"verdict":"too-slow""#,
            r#""passed":true,"verdict":"not-forwarded""#,
            r#""passed":true,"verdict":"graceful""#,
        ],
        forbid: &["panicked at", r#""passed":false"#, r#""certain":false"#],
        subcommand: Some("check"),
        ..PLAIN
    },
    Check {
        name: "oom-group",
        command: OOM_GROUP,
        seconds: 60,
        require: &[
            r#""verdict":"oom-killed""#,
            r"tail \(pid \d+\) reached the memory limit, and the kernel's OOM killer chose it",
            r"as memory.oom.group is set, it killed the whole container with it: 3 processes\.",
        ],
        only: Some(Cgroups::V2),
        records: true,
        ..PLAIN
    },
    // none of the programs is refused that read memory by plain loads
    Check {
        name: "typed-programs",
        command: "tracer -v --pid 1 --duration 1s 2>&1",
        require: &["attached to"],
        forbid: &["panicked at", "does without a typed program"],
        ..PLAIN
    },
    // the wall clock is set, and a processor goes and comes back, in the middle of a stop
    Check {
        name: "clock-and-processors",
        command: STEPS,
        seconds: 60,
        require: &[
            r#""verdict":"sigterm-dropped""#,
            r#""certain":true"#,
            r#""used_s":\d{1,2}(\.\d+)?[,}]"#,
            "(?m)^processors 1$",
            "(?m)^processors 2$",
        ],
        forbid: &["panicked at", r#""kind":"lost""#],
        ..PLAIN
    },
    // a shell as PID 1 in the cgroup of a container
    Check {
        name: "audit",
        command: AUDIT,
        require: &[r#""outcome":"dropped""#, r#""evidence_source":"kernel""#, r#""is_init":true"#],
        subcommand: Some("audit"),
        ..PLAIN
    },
    // the machine sleeps in the middle of a stop. The last one: if it never woke, all that comes after would be missing
    Check {
        name: "suspend",
        command: SUSPEND,
        seconds: 60,
        require: &[
            r#""verdict":"sigterm-dropped""#,
            r#""certain":true"#,
            "(?m)^suspends: 1$",
            r"(?m)^right: asleep for \d+\.\d+ s",
            r"(?m)^right: from SIGTERM to the exit \d+\.\d+ s",
            r"(?m)^right: SIGTERM at \d{4}-",
            r"(?m)^right: the exit at \d{4}-",
        ],
        forbid: &["panicked at", "(?m)^WRONG", r#""kind":"lost""#],
        ..PLAIN
    },
];

/// A child reaches the memory limit of a cgroup that is killed as a whole.
const OOM_GROUP: &str = r#"
set -e
top=/sys/fs/cgroup
dir=$top/docker/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
echo +memory >$top/cgroup.subtree_control
mkdir -p $dir
echo +memory >$top/docker/cgroup.subtree_control
echo 30M >$dir/memory.max
echo 1 >$dir/memory.oom.group
tracer --output json --record /tmp/oom-group.rec --container 0123456789ab --until-exit >/tmp/oom-group.json &
until grep -q 0123456789ab /tmp/oom-group.json; do sleep 0.5; done
unshare -p -f sh -c 'echo 0 >"$0/cgroup.procs"; sleep 1000 & tail /dev/zero & wait' $dir || true
rmdir $dir
wait
cat /tmp/oom-group.json"#;

/// An hour forward, and back again.
const STEPS: &str = r#"
set -e
top=/sys/fs/cgroup
[ "$CGROUP_VERSION" = 2 ] || top=$top/pids
dir=$top/docker/fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210
mkdir -p $dir
tracer --output json --container fedcba987654 --until-exit >/tmp/steps.out &
until grep -q fedcba987654 /tmp/steps.out; do sleep 0.5; done
unshare -p -f sh -c 'echo 0 >"$0/cgroup.procs"; exec sleep 1000' $dir &
until grep -q sleep /proc/$(head -n 1 $dir/cgroup.procs)/comm; do sleep 0.2; done
pid=$(head -n 1 $dir/cgroup.procs)
kill -TERM $pid
date -s @$(($(date +%s) + 3600))
echo 0 >/sys/devices/system/cpu/cpu1/online
echo processors $(grep -c ^processor /proc/cpuinfo)
sleep 1
echo 1 >/sys/devices/system/cpu/cpu1/online
echo processors $(grep -c ^processor /proc/cpuinfo)
date -s @$(($(date +%s) - 3600))
kill -KILL $pid
while [ -n "$(cat $dir/cgroup.procs)" ]; do sleep 0.2; done
rmdir $dir
wait
cat /tmp/steps.out"#;

/// The machine suspends itself; the alarm of its real-time clock wakes it.
///
/// On x86-64 into ACPI's S3: `CLOCK_MONOTONIC` stands still meanwhile, and by how much less it tells than the time since
/// boot is how long the machine slept. What qemu emulates of arm64 has suspend-to-idle only, with idle states that stop no
/// clock: there all tasks are frozen, and the kernel counts the suspend, but both clocks go on.
const SUSPEND: &str = r#"
set -e
top=/sys/fs/cgroup
[ "$CGROUP_VERSION" = 2 ] || top=$top/pids
dir=$top/docker/89abcdef0123456789abcdef0123456789abcdef0123456789abcdef01234567
power=/sys/power
alarm=/sys/class/rtc/rtc0/wakealarm
boot() { cut -d " " -f 1 /proc/uptime; }
monotonic() { awk '/^now at/ { printf "%.3f", $3 / 1e9 }' /proc/timer_list; }
judge() {
    awk -v low=$2 -v is=$3 -v high=$4 -v text="$1" 'BEGIN {
        print (low <= is && is <= high ? "right: " : "WRONG: ") text " (from " low " to " high ")" }'
}
mkdir -p $dir
tracer --output json --container 89abcdef0123 --until-exit >/tmp/suspend.out &
until grep -q 89abcdef0123 /tmp/suspend.out; do sleep 0.5; done
unshare -p -f sh -c 'echo 0 >"$0/cgroup.procs"; exec sleep 1000' $dir &
until grep -q sleep /proc/$(head -n 1 $dir/cgroup.procs)/comm; do sleep 0.2; done
pid=$(head -n 1 $dir/cgroup.procs)
state=freeze
case $(uname -m) in x86_64) state=mem; echo deep >$power/mem_sleep ;; esac
suspends=$(cat $power/suspend_stats/success)

begun=$(boot) wall=$(date +%s)
kill -TERM $pid
termed=$(boot) wall_termed=$(date +%s) stands=$(monotonic)
# with the count, an alarm that comes before the machine sleeps is an error: without, it would sleep for ever
count=$(cat $power/wakeup_count)
echo 0 >$alarm
echo +8 >$alarm
echo $count >$power/wakeup_count
down=$(boot)
echo $state >$power/state
up=$(boot)
echo "suspends: $(($(cat $power/suspend_stats/success) - suspends))"
missed=$(awk -v boot=$(boot) -v begun=$termed -v now=$(monotonic) -v then=$stands \
    'BEGIN { printf "%.2f", boot - begun - (now - then) }')
killing=$(boot) wall_killing=$(date +%s)
kill -KILL $pid
while [ -n "$(cat $dir/cgroup.procs)" ]; do sleep 0.2; done
gone=$(boot) wall_gone=$(date +%s)
rmdir $dir
wait
cat /tmp/suspend.out

end=$(grep '"kind":"termination"' /tmp/suspend.out)
field() { echo "$end" | sed "s/.*\"$1\":\"*\([^,}\"]*\).*/\1/"; }
seconds() { date -u -d "$(echo "$1" | sed "s/T/ /; s/\..*//")" +%s; }
add() { awk -v one=$1 -v two=$2 'BEGIN { printf "%.2f", one + two }'; }
asleep=$(add $up -$down)
[ $state = freeze ] || asleep=$missed
used=$(field used_s) started=$(field started) exited=$(field exited)
# a loaded machine is late to sleep, and late to wake
judge "asleep for $asleep s, into $state" 2 $asleep 60
# /proc/uptime has hundredths
judge "from SIGTERM to the exit $used s" $(add $killing -$(add $termed 0.02)) $used $(add $gone -$(add $begun -0.02))
# whole seconds
judge "SIGTERM at $started" $((wall - 1)) $(seconds $started) $((wall_termed + 1))
judge "the exit at $exited" $((wall_killing - 1)) $(seconds $exited) $((wall_gone + 1))"#;

/// One command, two, exec; a trap that waits for its foreground child, one that tells nobody, one that does both.
const SHELLS: &str = r#"
set -e
check() {
    tracer check --output json --grace 2s --expect "$1" -- sh -c "$2"
}
check sigterm-dropped "sleep 1000"
check sigterm-dropped "sleep 1000; true"
check sigterm-dropped "exec sleep 1000"
check too-slow "trap 'exit 0' TERM; sleep 1000; true"
check not-forwarded "trap 'exit 0' TERM; sleep 1000 & wait"
check graceful "trap 'kill \$!; wait; exit 0' TERM; sleep 1000 & wait""#;

const REPLAY: &str = r#"
same=0
for text in /replay/*.txt; do
    if tracer replay --output text ${text%.txt}.rec >/tmp/said && cmp $text /tmp/said; then
        same=$((same + 1))
    else
        diff $text /tmp/said | head -n 20
        exit 1
    fi
done
echo "the same: $same""#;

const AUDIT: &str = r#"
dir=/sys/fs/cgroup
[ "$CGROUP_VERSION" = 2 ] || dir=$dir/pids
dir=$dir/docker/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
mkdir -p $dir
unshare -p -f sh -c 'echo 0 >"$0/cgroup.procs"; sleep 100; true' $dir &
# of a process that has just begun an audit says nothing
until tracer audit --output json | grep -v "may not have come to"; do sleep 0.5; done"#;

/// The checks of one kernel that the filters let through; without filters all.
pub(super) fn of(place: Place, filters: &[String]) -> Vec<&'static Check> {
    let wanted = |check: &&Check| {
        let name = check.full_name(place);
        (check.here || place != Place::Host)
            && check.only.is_none_or(|cgroups| place.cgroups() == Some(cgroups))
            && (filters.is_empty() || filters.iter().any(|filter| name.contains(filter)))
    };
    CHECKS.iter().filter(wanted).collect()
}

impl Check {
    /// Its name in reports.
    pub(super) fn full_name(&self, place: Place) -> String {
        format!("vm::{place}::{}", self.name)
    }

    /// Whether this tracer, by its `--help`, has what the check is about.
    pub(super) fn can_run(&self, help: &str) -> bool {
        self.subcommand.is_none_or(|name| help.lines().any(|line| line.split_whitespace().next() == Some(name)))
    }

    /// Its script.
    pub(super) fn script(&self) -> String {
        format!("timeout -k 5 {} sh -c '{}'\n", self.seconds, self.command.replace('\'', r"'\''"))
    }

    /// What is wrong with what the console shows of it; `None` if nothing is.
    pub(super) fn judge(&self, console: &[String]) -> Option<String> {
        let begin = console.iter().position(|line| *line == format!("@@begin {}", self.name));
        let Some(begin) = begin else { return Some("it was never started".to_owned()) };
        let end = format!("@@end {} ", self.name);
        let lines = console.iter().skip(begin + 1).take_while(|line| !line.starts_with(&end));
        let output = lines.cloned().collect::<Vec<_>>().join("\n");
        let Some(code) = console.iter().skip(begin + 1).find_map(|line| line.strip_prefix(&end)) else {
            return Some(format!("it did not end; so far it said:\n{output}"));
        };
        let mut problems = Vec::new();
        if code.parse() != Ok(self.code) {
            // 143 is busybox timeout's.
            problems.push(format!("exit code {code} instead of {} (limit: {} s)", self.code, self.seconds));
        }
        problems.extend(self.require.iter().filter(|p| !found(p, &output)).map(|p| format!("no match for {p}")));
        problems.extend(self.forbid.iter().filter(|p| found(p, &output)).map(|p| format!("a match for {p}")));
        (!problems.is_empty()).then(|| format!("{}; it said:\n{output}", problems.join("; ")))
    }
}

/// The patterns are constants, and a test compiles each: one that does not compile matches nothing.
fn found(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::{CHECKS, Check, PLAIN, of};
    use crate::vm::boot::{ALL, Cgroups, Place};
    use regex_lite::Regex;

    fn console(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn every_pattern_compiles_and_every_name_is_a_file_name() {
        for check in CHECKS {
            for pattern in check.require.iter().chain(check.forbid) {
                assert!(Regex::new(pattern).is_ok(), "{pattern}");
            }
            assert!(Regex::new("^[a-z0-9-]+$").unwrap().is_match(check.name), "{}", check.name);
            assert_eq!(CHECKS.iter().filter(|other| other.name == check.name).count(), 1, "{}", check.name);
        }
    }

    #[test]
    fn a_check_is_judged_by_its_exit_code_and_its_own_output() {
        let check = Check { name: "one", require: &["yes"], forbid: &["no"], ..PLAIN };
        assert_eq!(check.judge(&console("no\n@@begin one\nyes\n\n@@end one 0\nno\n")), None);
        let wrong = |text: &str| check.judge(&console(text)).unwrap();
        assert!(wrong("@@begin one\nyes\n@@end one 3").contains("exit code 3 instead of 0"));
        assert!(wrong("@@begin one\nperhaps\n@@end one 0").contains("no match for yes"));
        assert!(wrong("@@begin one\nyes and no\n@@end one 0").contains("a match for no"));
        assert!(wrong("@@begin one\nyes\n").contains("did not end"));
        assert!(wrong("@@begin two\n@@end two 0").contains("never started"));
    }

    #[test]
    fn filters_and_hierarchies_choose_the_checks() {
        let names = |place, filters: &[String]| of(place, filters).iter().map(|c| c.name).collect::<Vec<_>>();
        let machine = |cgroups| {
            let boot = ALL.into_iter().find(|boot| boot.kernel.series == "6.1" && boot.cgroups == cgroups);
            Place::Machine(boot.expect("it is booted"))
        };
        let (v1, v2) = (machine(Cgroups::V1), machine(Cgroups::V2));
        assert_eq!(names(v2, &["6.1-".to_owned(), "nothing".to_owned()]), names(v2, &[]));
        assert_eq!(names(v2, &["demo".to_owned()]), ["demo"]);
        assert!(names(v2, &["lab".to_owned()]).is_empty());
        assert!(names(v1, &[]).contains(&"only-cgroup-v1") && !names(v1, &[]).contains(&"only-cgroup-v2"));
        assert_eq!(names(Place::Host, &[]), ["binary", "dispositions"]);
    }

    #[test]
    fn a_check_waits_for_its_subcommand() {
        let check = Check { subcommand: Some("demo"), ..PLAIN };
        assert!(check.can_run("Commands:\n  audit  One pass\n  demo   Starts containers\n"));
        assert!(!check.can_run("Usage: tracer [FILTERS]\n  see the demo\n"));
        assert!(PLAIN.can_run(""));
    }

    #[test]
    fn a_script_survives_quotes() {
        let check = Check { command: "echo 'a b'", ..PLAIN };
        assert_eq!(check.script(), "timeout -k 5 30 sh -c 'echo '\\''a b'\\'''\n");
    }
}

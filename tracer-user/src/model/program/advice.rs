//! What programs do with signals, and what to change so that they stop well.
//!
//! Each piece rests on what the program's own documentation or source says; the reference stands beside it.

use crate::signal::Signal;

use super::Program;

/// Stands in an advice for so many seconds as fit into the grace period.
const SECONDS: &str = "{s}";

/// An advice with a number of seconds that is less than the grace period, ms.
pub(crate) fn in_time(advice: &str, grace_ms: Option<u64>) -> String {
    /// Where the grace period is not known: less than Kubernetes' 30 s.
    const USUAL_S: u64 = 20;
    let seconds = grace_ms.map_or(USUAL_S, |grace| (grace.saturating_mul(4) / 5_000).max(1));
    advice.replace(SECONDS, &seconds.to_string())
}

/// The signal by which a program lets what it is doing finish, where another one cuts that off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) struct Gentle {
    /// Which.
    pub(in crate::model) signal: Signal,
    /// What the other one does, after the program's name and the signal's.
    pub(in crate::model) instead_of: &'static str,
    /// What limits how long that takes, or what it needs besides: a part of a sentence.
    pub(in crate::model) with: Option<&'static str>,
}

/// What a program takes a signal for, where that is something else than the order to end soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meaning {
    /// In a sentence without its dot.
    pub(crate) what: &'static str,
    /// What to do about it; see [`in_time`].
    pub(crate) fix: &'static str,
}

impl Program {
    /// How to handle a signal in this program's language, if it is known and the program's user writes in it.
    pub(in crate::model) fn handler_advice(self, signal: &str) -> Option<String> {
        let bare = signal.trim_start_matches("SIG");
        Some(match self {
            // https://docs.python.org/3/library/signal.html: there is a handler for SIGINT only
            Self::Python => {
                format!("signal.signal(signal.{signal}, lambda *_: sys.exit(0)), and clean up in finally or atexit")
            }
            // https://nodejs.org/api/process.html#signal-events
            Self::Node | Self::Bun => {
                format!("process.on('{signal}', () => server.close(() => process.exit(0)))")
            }
            // https://docs.deno.com/api/deno/~/Deno.addSignalListener
            Self::Deno => format!("Deno.addSignalListener(\"{signal}\", () => Deno.exit(0))"),
            // https://docs.ruby-lang.org/en/master/Signal.html
            Self::Ruby => format!("Signal.trap('{bare}') {{ exit }}"),
            // https://perldoc.perl.org/perlipc#Signals
            Self::Perl => format!("$SIG{{{bare}}} = sub {{ exit 0 }}"),
            // https://www.php.net/manual/en/function.pcntl-signal.php
            Self::Php => format!("pcntl_async_signals(true); pcntl_signal({signal}, fn() => exit(0))"),
            _ => return None,
        })
    }

    /// What it takes this signal for, where that is something else than the order to end soon.
    pub(crate) const fn meaning(self, signal: Signal) -> Option<Meaning> {
        let (what, fix) = match (self, signal) {
            // https://uwsgi-docs.readthedocs.io/en/latest/Management.html#signals-for-controlling-uwsgi
            (Self::Uwsgi, Signal::TERM) => (
                "uWSGI takes SIGTERM for the order to reload, and stays, unless die-on-term is set",
                "Set die-on-term = true in uWSGI's configuration (uwsgi --die-on-term); or STOPSIGNAL SIGQUIT in the Dockerfile, by which it ends at once.",
            ),
            // https://www.freedesktop.org/software/systemd/man/latest/systemd.html#Signals
            (Self::Systemd, Signal::TERM) => (
                "systemd as PID 1 takes SIGTERM for the order to execute itself anew, and stays",
                "Make the stop signal the one by which systemd halts: STOPSIGNAL SIGRTMIN+3 in the Dockerfile (docker run --stop-signal SIGRTMIN+3; or lifecycle.stopSignal: SIGRTMIN+3 in the pod, Kubernetes 1.33 or later with the feature gate ContainerStopSignals, and spec.os.name: linux).",
            ),
            // https://www.postgresql.org/docs/current/server-shutdown.html
            (Self::Postgres, Signal::TERM) => (
                "PostgreSQL takes SIGTERM for a smart shutdown, which waits until every client has left",
                "Make the stop signal that of a fast shutdown, which ends the sessions and is as safe: STOPSIGNAL SIGINT in the Dockerfile (docker run --stop-signal SIGINT; or lifecycle.stopSignal: SIGINT in the pod, Kubernetes 1.33 or later with the feature gate ContainerStopSignals, and spec.os.name: linux).",
            ),
            // runsvdir(8): http://smarden.org/runit/runsvdir.8.html
            (Self::Runsvdir, Signal::TERM) => (
                "runsvdir takes SIGTERM for the order to exit at once and to leave its services as they are",
                "Stop the services from a script that is PID 1, when runsvdir, which would start them again, is gone: runsvdir /etc/service & pid=$!; trap 'kill $pid; wait $pid; sv -w {s} force-shutdown /etc/service/*; exit 0' TERM; wait $pid. By SIGHUP runsvdir passes SIGTERM on to them, but does not wait for them.",
            ),
            // runsvdir(8), likewise
            (Self::Runsvdir, Signal::HUP) => (
                "runsvdir passes SIGHUP on as SIGTERM to each runsv, and exits without waiting for them",
                "Stop the services from a script that is PID 1, when runsvdir, which would start them again, is gone: runsvdir /etc/service & pid=$!; trap 'kill $pid; wait $pid; sv -w {s} force-shutdown /etc/service/*; exit 0' HUP; wait $pid.",
            ),
            // https://docs.oracle.com/en/java/javase/21/troubleshoot/handle-signals-and-exceptions.html
            (Self::Java, Signal::QUIT) => (
                "the JVM takes SIGQUIT for the order to print a dump of its threads, and stays",
                "Make the stop signal the one by which the JVM runs its shutdown hooks and ends: STOPSIGNAL SIGTERM in the Dockerfile; an image inherits SIGQUIT from the one it is built upon.",
            ),
            // https://docs.haproxy.org/2.8/management.html#4
            (Self::Haproxy, Signal::QUIT) => (
                "HAProxy takes SIGQUIT for the order to print its memory pools, and stays",
                "Make the stop signal one by which HAProxy ends: STOPSIGNAL SIGUSR1 in the Dockerfile, which lets connections finish, or STOPSIGNAL SIGTERM, which does not.",
            ),
            // https://git.busybox.net/busybox/tree/init/init.c?h=1_36_stable and reboot(2), "Behavior inside PID namespaces"
            (Self::BusyboxInit, Signal::TERM) => (
                "BusyBox' init takes SIGTERM for the order to reboot: it ends its processes, and itself only where it may call reboot(2)",
                "Put an init made for containers in its place (ENTRYPOINT [\"tini\", \"--\", …]); or let it call reboot(2): docker run --cap-add SYS_BOOT.",
            ),
            _ => return None,
        };
        Some(Meaning { what, fix })
    }

    /// What to send instead of this signal, which it ends by as well, so that what it is doing can finish.
    pub(in crate::model) const fn gentle(self, signal: Signal) -> Option<Gentle> {
        const CUTS: &str = "for a fast shutdown, which cuts off what it is serving";
        let (signal, instead_of, with) = match (self, signal) {
            // https://nginx.org/en/docs/control.html
            (Self::Nginx, Signal::TERM | Signal::INT) => {
                (Signal::QUIT, CUTS, Some("worker_shutdown_timeout {s}s limits how long that takes"))
            }
            // https://httpd.apache.org/docs/2.4/stopping.html
            (Self::Apache, Signal::TERM) => {
                (Signal::WINCH, CUTS, Some("GracefulShutdownTimeout {s} limits how long that takes"))
            }
            // https://docs.haproxy.org/2.8/management.html#4
            (Self::Haproxy, Signal::TERM | Signal::INT) => {
                (Signal::USR1, CUTS, Some("hard-stop-after {s}s limits how long that takes"))
            }
            // https://www.php.net/manual/en/install.fpm.configuration.php
            (Self::PhpFpm, Signal::TERM | Signal::INT) => {
                (Signal::QUIT, CUTS, Some("it takes process_control_timeout = {s}s in its configuration as well"))
            }
            // https://docs.gunicorn.org/en/stable/signals.html
            (Self::Gunicorn, Signal::QUIT | Signal::INT) => {
                (Signal::TERM, CUTS, Some("--graceful-timeout {s} limits how long that takes"))
            }
            // https://yhbt.net/unicorn/SIGNALS.html
            (Self::Unicorn, Signal::TERM | Signal::INT) => {
                (Signal::QUIT, CUTS, Some("timeout {s} in its configuration limits how long that takes"))
            }
            // https://docs.celeryq.dev/en/stable/userguide/workers.html#stopping-the-worker
            (Self::Celery, Signal::QUIT) => (Signal::TERM, "for a cold shutdown, which ends the tasks that run", None),
            // https://www.postgresql.org/docs/current/server-shutdown.html
            (Self::Postgres, Signal::QUIT) => (
                Signal::INT,
                "for an immediate shutdown, which writes no checkpoint: it has to recover when it starts again",
                None,
            ),
            _ => return None,
        };
        Some(Gentle { signal, instead_of, with })
    }

    /// What its shutdown waits for, and which of its settings limits that; see [`in_time`].
    pub(in crate::model) const fn slow_advice(self, signal: Signal) -> Option<&'static str> {
        Some(match (self, signal) {
            // https://docs.gunicorn.org/en/stable/settings.html#graceful-timeout
            (Self::Gunicorn, Signal::TERM) => {
                "gunicorn waits 30 s for its workers unless told otherwise: --graceful-timeout {s}, less than the grace period"
            }
            // https://www.uvicorn.org/settings/#timeouts
            (Self::Uvicorn, _) => {
                "uvicorn waits for open connections without limit unless told otherwise: --timeout-graceful-shutdown {s}, less than the grace period"
            }
            // https://docs.celeryq.dev/en/stable/userguide/workers.html#stopping-the-worker
            (Self::Celery, Signal::TERM) => {
                "Celery waits for the tasks that run (warm shutdown), however long they take; REMAP_SIGTERM=SIGQUIT with worker_soft_shutdown_timeout (Celery 5.5) limits that"
            }
            // https://nodejs.org/api/http.html#servercloseallconnections
            (Self::Node, _) => {
                "server.close() waits for connections that are in use: call server.closeAllConnections() (Node 18.2) when some seconds have passed"
            }
            // https://docs.spring.io/spring-boot/reference/web/graceful-shutdown.html
            (Self::Java, Signal::TERM | Signal::INT | Signal::HUP) => {
                "the JVM waits for all shutdown hooks; those of Spring Boot take spring.lifecycle.timeout-per-shutdown-phase, 30 s unless set, for each phase"
            }
            // https://learn.microsoft.com/en-us/dotnet/core/extensions/generic-host#host-shutdown
            (Self::Dotnet, _) => {
                ".NET's host waits HostOptions.ShutdownTimeout, 30 s unless set (5 s before .NET 6): less than the grace period"
            }
            // https://puma.io/puma/Puma/DSL.html#force_shutdown_after-instance_method
            (Self::Puma, _) => {
                "Puma waits for requests without limit unless told otherwise: force_shutdown_after {s} in its configuration"
            }
            // https://yhbt.net/unicorn/SIGNALS.html, https://yhbt.net/unicorn/Unicorn/Configurator.html#method-i-timeout
            (Self::Unicorn, Signal::QUIT) => {
                "Unicorn waits for its workers, 60 s at most unless told otherwise: timeout {s} in its configuration"
            }
            // https://nginx.org/en/docs/ngx_core_module.html#worker_shutdown_timeout
            (Self::Nginx, Signal::QUIT) => {
                "nginx waits for open connections without limit unless told otherwise: worker_shutdown_timeout {s}s; in its configuration"
            }
            // https://httpd.apache.org/docs/2.4/mod/mpm_common.html#gracefulshutdowntimeout
            (Self::Apache, Signal::WINCH) => {
                "httpd waits for open connections without limit unless told otherwise: GracefulShutdownTimeout {s} in its configuration"
            }
            // https://docs.haproxy.org/2.8/configuration.html#3.1-hard-stop-after
            (Self::Haproxy, Signal::USR1) => {
                "HAProxy waits for open connections without limit unless told otherwise: hard-stop-after {s}s in its global section"
            }
            // https://www.php.net/manual/en/install.fpm.configuration.php
            (Self::PhpFpm, Signal::QUIT) => {
                "php-fpm gives its workers process_control_timeout: {s}s, less than the grace period"
            }
            // https://redis.io/docs/latest/operate/oss_and_stack/reference/signals/
            (Self::Redis, _) => {
                "Redis waits for its replicas (shutdown-timeout, 10 s unless set) and writes its data where save points are set"
            }
            // https://dev.mysql.com/doc/refman/8.4/en/server-shutdown.html
            (Self::Mysql, _) => "the server ends its connections and writes what it has in memory: it needs that time",
            // the shutdown checkpoint: https://www.postgresql.org/docs/current/wal-configuration.html
            (Self::Postgres, Signal::INT) => "PostgreSQL writes a checkpoint as it ends: it needs that time",
            // http://supervisord.org/configuration.html#program-x-section-values
            (Self::Supervisord, _) => {
                "supervisord gives each program stopwaitsecs, 10 s unless set, before it kills it: less than the grace period, for all of them"
            }
            // https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/operations/draining: not by signals
            _ => return None,
        })
    }

    /// How to keep it from going into the background.
    pub(in crate::model) const fn foreground_advice(self) -> Option<&'static str> {
        Some(match self {
            // https://nginx.org/en/docs/ngx_core_module.html#daemon
            Self::Nginx => "daemon off; in nginx's configuration, or nginx -g 'daemon off;'",
            // https://httpd.apache.org/docs/2.4/programs/httpd.html
            Self::Apache => "httpd -D FOREGROUND",
            // https://www.php.net/manual/en/install.fpm.configuration.php
            Self::PhpFpm => "php-fpm -F, or daemonize = no in its configuration",
            // https://redis.io/docs/latest/operate/oss_and_stack/management/config-file/
            Self::Redis => "daemonize no in Redis' configuration",
            // https://docs.haproxy.org/2.8/management.html#3
            Self::Haproxy => "haproxy -db, or -W without -D and without daemon in its configuration",
            // memcached(1)
            Self::Memcached => "memcached without -d",
            // http://supervisord.org/configuration.html#supervisord-section-values
            Self::Supervisord => "nodaemon=true in supervisord's configuration, or supervisord -n",
            // https://docs.gunicorn.org/en/stable/settings.html#daemon
            Self::Gunicorn => "gunicorn without --daemon",
            // sshd(8)
            Self::Sshd => "sshd -D",
            // cron(8)
            Self::Cron => "cron -f",
            _ => return None,
        })
    }

    /// Where to set how much memory it takes.
    pub(in crate::model) const fn memory_advice(self) -> Option<&'static str> {
        Some(match self {
            // https://docs.oracle.com/en/java/javase/21/docs/specs/man/java.html
            Self::Java => "-XX:MaxRAMPercentage sets the JVM's heap, which is not all that it takes",
            // https://nodejs.org/api/cli.html#--max-old-space-sizesize-in-mib
            Self::Node | Self::PackageManager => "--max-old-space-size (in MiB) limits Node's heap",
            // https://redis.io/docs/latest/develop/reference/eviction/
            Self::Redis => "maxmemory limits Redis' data; while it saves, its fork may need as much again",
            // https://docs.gunicorn.org/en/stable/settings.html#max-requests
            Self::Gunicorn => "--max-requests lets gunicorn replace workers that grow",
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_by_a_signal_has_its_fix() {
        for (program, signal, fix) in [
            (Program::Uwsgi, Signal::TERM, "die-on-term = true"),
            (Program::Systemd, Signal::TERM, "SIGRTMIN+3"),
            (Program::Postgres, Signal::TERM, "STOPSIGNAL SIGINT"),
            (Program::Runsvdir, Signal::TERM, "kill $pid; wait $pid; sv -w 8 force-shutdown"),
            (Program::Runsvdir, Signal::HUP, "kill $pid; wait $pid; sv -w 8 force-shutdown"),
            (Program::BusyboxInit, Signal::TERM, "tini"),
            (Program::Java, Signal::QUIT, "STOPSIGNAL SIGTERM"),
            (Program::Haproxy, Signal::QUIT, "STOPSIGNAL SIGUSR1"),
        ] {
            let meaning = program.meaning(signal).unwrap_or_else(|| panic!("{program:?} {signal}"));
            let said = in_time(meaning.fix, Some(10_000));
            assert!(said.contains(fix) && !said.contains(SECONDS), "{program:?}: {said}");
            assert!(meaning.fix.ends_with('.') && !meaning.what.ends_with('.'), "{program:?}");
        }
        assert_eq!(Program::Postgres.meaning(Signal::INT), None);
        assert_eq!(Program::Java.meaning(Signal::TERM), None);
        assert_eq!(Program::Java.slow_advice(Signal::QUIT), None);
        assert!(Program::Java.slow_advice(Signal::TERM).is_some());
        assert_eq!(Program::Nginx.meaning(Signal::TERM), None);
    }

    /// Twenty seconds are no advice for somebody who has ten.
    #[test]
    fn the_seconds_fit_into_the_grace_period() {
        let nginx = Program::Nginx.slow_advice(Signal::QUIT).expect("advice");
        for (grace_ms, said) in [
            (None, "worker_shutdown_timeout 20s"),
            (Some(30_000), "worker_shutdown_timeout 24s"),
            (Some(10_000), "worker_shutdown_timeout 8s"),
            (Some(3_050), "worker_shutdown_timeout 2s"),
            (Some(0), "worker_shutdown_timeout 1s"),
            (Some(u64::MAX), "worker_shutdown_timeout 3689348814741910s"),
        ] {
            assert!(in_time(nginx, grace_ms).contains(said), "{grace_ms:?}: {}", in_time(nginx, grace_ms));
        }
    }

    #[test]
    fn the_gentle_signal_is_another_one_by_which_it_ends() {
        let signals = || (1..=31).filter_map(Signal::new);
        let programs = [
            Program::Nginx,
            Program::Apache,
            Program::Haproxy,
            Program::PhpFpm,
            Program::Gunicorn,
            Program::Unicorn,
            Program::Celery,
            Program::Postgres,
        ];
        for program in programs {
            let fast: Vec<_> = signals().filter(|signal| program.gentle(*signal).is_some()).collect();
            assert!(!fast.is_empty(), "{program:?}");
            for signal in fast {
                let gentle = program.gentle(signal).expect("it has one").signal;
                assert_ne!(gentle, signal, "{program:?}");
                assert_eq!(program.gentle(gentle), None, "{program:?}: {gentle} is not the last word");
                assert_eq!(program.meaning(gentle), None, "{program:?}: {gentle} does something else");
            }
        }
    }
}

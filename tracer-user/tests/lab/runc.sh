#!/bin/sh
# runc, with the capabilities that this machine really has. Docker asks for all that it knows with --privileged: on a
# machine where root lacks one, runc fails on it, and an old Docker does not know the newer ones.
# Called as runc-bpf it adds those that Docker 20.10 does not know.
edit='s/,"CAP_SYS_RESOURCE"//g'
bounding=$(sed -n 's/^CapBnd:[[:space:]]*/0x/p' /proc/self/status)
[ $((bounding >> 24 & 1)) = 0 ] || edit=
case $0 in *-bpf) edit="$edit;s/\"CAP_SYS_PTRACE\"/\"CAP_SYS_PTRACE\",\"CAP_PERFMON\",\"CAP_BPF\"/g" ;; esac
before=
for word; do
    case $before in
        --bundle) sed -i "$edit" "$word/config.json" ;;
        --process) sed -i "$edit" "$word" ;;
    esac
    before=$word
done
exec runc "$@"

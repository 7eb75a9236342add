//! Against the running kernel, where it tells its types.

use super::*;

#[test]
fn this_kernel_is_known() {
    let Ok(btf) = std::fs::read("/sys/kernel/btf/vmlinux") else {
        println!("NOT RUN: this kernel offers no BTF");
        return;
    };
    let found = find(&btf, &Settings::default()).unwrap();
    assert!(found.numbers.len() > 24);
    let plain = found.offsets;
    assert!(plain.task_comm > 0 && plain.features & features::ALL_SIGNALS == 0);
    assert!(plain.upid_size == 16 && plain.action_size == 32, "{plain:?}");
    let chosen = |controller: &str| {
        let cgroup_v1 = Some(CgroupV1 { controller: controller.to_owned(), hierarchy: 7 });
        find(&btf, &Settings { cgroup_v1, all_signals: true, ..Settings::default() }).map(|found| found.offsets)
    };
    let all = chosen("blkio").unwrap();
    assert_eq!((all.v1_hierarchy, all.v1_subsys % 8), (7, 0));
    assert_eq!(all.features & !plain.features, features::ALL_SIGNALS | features::CGROUP_V1);
    let unknown = KernelMismatch::Controller { controller: "beer".to_owned() };
    assert_eq!(chosen("beer").unwrap_err(), unknown);
    assert!(unknown.to_string().contains("/proc/cgroups"));
}

#[test]
fn what_is_missing_is_named() {
    assert!(matches!(find(&[], &Settings::default()), Err(KernelMismatch::Btf(_))));
}

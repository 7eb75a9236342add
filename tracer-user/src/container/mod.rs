//! From cgroup paths to containers, and from runtimes to their names.

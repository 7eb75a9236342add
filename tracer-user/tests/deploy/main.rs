//! What stands in `deploy/`: as far as it can be tried here, it is run.

#[path = "../lab/mod.rs"]
mod lab;

mod action;
mod agent;
mod docker;
mod helm;
mod image;
mod k8s;
mod kubernetes;
mod monitoring;
mod plugin;
mod pod;
mod unit;

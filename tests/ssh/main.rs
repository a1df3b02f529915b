//! Runs on hosts, over a real sshd, looking at real processes.
mod broken;
mod busybox;
mod ending;
mod full;
mod lab;
mod locks;
mod reach;
mod running;

//! `windows.toml` as operators meet it: a folder a scenario in `tests/config`, and the reference at the root.
mod config {
    mod freezes;
    mod golden;
    mod limits;
    mod loading;
    mod reference;
    pub mod scene;
}

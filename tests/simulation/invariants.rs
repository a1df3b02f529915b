pub fn check(
    _: &[std::sync::Arc<offhours::core::policy::Policy>],
    played: &offhours::simulate::Played,
) -> Vec<String> {
    let mut bad = Vec::new();
    if let Some(broken) = &played.broken {
        bad.push(format!("{broken:?}"));
    }
    bad
}

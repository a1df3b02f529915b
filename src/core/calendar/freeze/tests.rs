use super::*;

fn freeze(except: &[&str], apps: &[&str], windows: &[&str]) -> Freeze {
    let names = |all: &[&str]| all.iter().map(|&name| name.into()).collect();
    Freeze {
        name: "christmas".into(),
        zone: Zone::utc(),
        from: "2026-12-18T00:00:00Z".parse().unwrap(),
        until: "2027-01-02T00:00:00Z".parse().unwrap(),
        except_labels: names(except),
        apps: names(apps),
        windows: names(windows),
    }
}

#[test]
fn without_lists_it_means_everything() {
    assert!(freeze(&[], &[], &[]).applies("night", Some("shop"), &[]));
    assert!(freeze(&[], &[], &[]).applies("night", None, &["security".into()]));
}

#[test]
fn lists_narrow_it() {
    let of_shop = freeze(&[], &["shop"], &[]);
    assert!(of_shop.applies("night", Some("shop"), &[]));
    assert!(!of_shop.applies("night", Some("blog"), &[]));
    assert!(!of_shop.applies("night", None, &[]));
    let of_night = freeze(&[], &[], &["night"]);
    assert!(of_night.applies("night", None, &[]));
    assert!(!of_night.applies("weekend", Some("shop"), &[]));
}

#[test]
fn an_exempt_label_may_run() {
    let christmas = freeze(&["security"], &[], &[]);
    assert!(christmas.applies("night", None, &["routine".into()]));
    assert!(!christmas.applies("night", None, &["routine".into(), "security".into()]));
}

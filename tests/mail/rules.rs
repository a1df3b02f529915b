//! Invitations against the rules of RFC 5545, 5546 and 6047, one by one; the table is in `tests/lab/calendar_rules.py`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use offhours::mail::{Language, LetterKind, compose};
use serde_json::Value;

use super::*;

/// Of the feed, which `tests/http` looks at.
const OF_FEEDS: [&str; 5] = [
    "it says when to look again",
    "it has a name",
    "METHOD of a feed",
    "entries have UIDs of their own",
    "no ATTENDEE in a feed",
];

/// What is sent about one session, in this order, from and to people with such names.
fn series(folder: &Path, kinds: &[LetterKind], change: impl Fn(&mut Letter)) -> Vec<PathBuf> {
    let from = [
        "Operations <ops@example.org>",
        "\"Ops; all, of: us\" <ops@example.org>",
    ];
    let from = from[kinds.len() % 2].parse().unwrap();
    let paths = kinds.iter().enumerate().map(|(number, kind)| {
        let mut letter = letter(*kind, "a+b&c@example.org", Language::De);
        letter.sequence = u32::try_from(number).unwrap();
        letter.date += SignedDuration::from_hours(i64::try_from(number).unwrap());
        if *kind == LetterKind::Digest {
            let part = |n: u32| {
                let mut part = letter.clone();
                part.kind = LetterKind::Advance;
                part.uid = format!("{n}-{}", part.uid);
                part
            };
            letter.parts = (0..3).map(part).collect();
        }
        change(&mut letter);
        letter.parts.iter_mut().for_each(&change);
        let composed = compose(&from, &letter).unwrap();
        let path = folder.join(format!("{number}-{}.eml", kind.word()));
        fs::write(&path, composed.bytes).unwrap();
        path
    });
    paths.collect()
}

/// What makes the letters of a series others.
type Change = Box<dyn Fn(&mut Letter)>;

fn looked_at(lab: &Lab, paths: &[PathBuf], mutate: bool) -> Value {
    let output = Command::new(&lab.python)
        .arg(lab.scripts.join("calendar_rules.py"))
        .args(mutate.then_some("--mutate"))
        .args(paths)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Every rule is asked, none is broken, and each one's own error is noticed.
#[test]
fn invitations_keep_the_rules() {
    use LetterKind::*;
    let lab = lab!("invitations_keep_the_rules");
    let long = "Ünder, the \\ ; 😀 \"sea\": ".repeat(40);
    let changes: [(&str, Change); 5] = [
        ("as it is", Box::new(|_| {})),
        ("without names", Box::new(|l| l.recipient.name = None)),
        (
            "long and strange",
            Box::new(move |l| {
                l.app = format!("{}\r\nX-EVIL:1\u{7}\u{0}", long);
                l.app_description = Some(long.clone());
                l.recipient.name = Some(long.clone());
                l.jobs[0].description = Some(long.clone());
            }),
        ),
        (
            "of no length",
            Box::new(|l| l.expected = SignedDuration::ZERO),
        ),
        (
            "with a long UID",
            Box::new(|l| l.uid = format!("{}@example.org", "shop/".repeat(60))),
        ),
    ];
    let mut checked: BTreeMap<String, u64> = BTreeMap::new();
    for (how, change) in &changes {
        for kinds in [
            &[Advance, Changed, Cancelled][..],
            &[Advance, Postponed],
            &[Digest],
        ] {
            // They differ in nothing else.
            if *how == "with a long UID" && kinds == [Digest] {
                continue;
            }
            let dir = tempfile::tempdir().unwrap();
            let paths = series(dir.path(), kinds, change);
            let found = looked_at(&lab, &paths, false);
            assert_eq!(
                found["broken"],
                serde_json::json!([]),
                "{how}, {kinds:?}: {found:#}"
            );
            if *how == "as it is" {
                let found = looked_at(&lab, &paths, true);
                assert_eq!(
                    found["broken"],
                    serde_json::json!([]),
                    "{kinds:?}: {found:#}"
                );
                for (rule, times) in found["checked"].as_object().unwrap() {
                    *checked.entry(rule.clone()).or_default() += times.as_u64().unwrap();
                }
            }
        }
    }
    let never: Vec<_> = checked
        .iter()
        .filter(|(_, times)| **times == 0)
        .map(|(rule, _)| rule)
        .collect();
    let mut expected = OF_FEEDS.map(str::to_owned);
    expected.sort();
    assert_eq!(never, expected.iter().collect::<Vec<_>>());
    assert!(checked.len() > 50, "{}", checked.len());
}

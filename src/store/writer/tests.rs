use super::*;

fn fact(mark: &str) -> (Timestamp, Fact) {
    (
        Timestamp::UNIX_EPOCH,
        Fact::DaemonStarted {
            boot: mark.into(),
            version: String::new(),
        },
    )
}

fn count(store: &Store) -> u64 {
    let mut seen = 0;
    let (_, next) = store
        .load(|_, _, _| {
            seen += 1;
            Ok::<(), String>(())
        })
        .unwrap();
    assert_eq!(next, seen + 1);
    seen
}

/// A store whose last append failed, though its facts turn out to be recorded.
fn unsure(dir: &Path, landed: &[(Timestamp, Fact)]) -> Store {
    let mut store = Store::open(dir).unwrap();
    store.append(1, &[fact("a")]).unwrap();
    let mut other = Store::open(dir).unwrap();
    other.append(2, landed).unwrap();
    store.unsure = true;
    store
}

#[test]
fn facts_that_landed_although_the_append_failed_are_not_recorded_twice() {
    let dir = tempfile::tempdir().unwrap();
    let batch = [fact("b"), fact("c")];
    let mut store = unsure(dir.path(), &batch);
    assert_eq!(
        store.append(2, &[fact("b"), fact("c"), fact("d")]).unwrap(),
        5
    );
    assert!(!store.unsure);
    assert_eq!(count(&store), 4);
    assert_eq!(store.append(5, &[fact("e")]).unwrap(), 6);
}

#[test]
fn what_somebody_else_recorded_is_a_conflict() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = unsure(dir.path(), &[fact("b"), fact("x")]);
    let error = store.append(2, &[fact("b"), fact("c")]).unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::Conflict {
                expected: 2,
                found: 4
            }
        ),
        "{error}"
    );
    assert_eq!(count(&store), 3);
}

#[test]
fn a_second_writer_is_noticed_and_harms_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = unsure(dir.path(), &[fact("b")]);
    store.unsure = false;
    let error = store.append(2, &[fact("c")]).unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::Conflict {
                expected: 2,
                found: 3
            }
        ),
        "{error}"
    );
    assert_eq!(count(&store), 2);
}

#[test]
fn nothing_is_believed_of_a_file_that_went_away() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = unsure(dir.path(), &[fact("b")]);
    for name in ["state.db", "state.db-wal", "state.db-shm", "reserve"] {
        std::fs::remove_file(dir.path().join(name)).unwrap();
    }
    for _ in 0..2 {
        let error = store.append(3, &[fact("c")]).unwrap_err();
        assert!(matches!(error, StoreError::Gone { .. }), "{error}");
    }
    assert!(!dir.path().join("state.db").exists());
}

//! What `check` says that nobody needs to mend.

use super::*;

#[test]
fn check_names_the_nights_in_which_clocks_change() {
    let place = Place::new(FILE);
    let said = place.run(&["check", "--strict"]);
    assert_eq!(said.code, 0, "what is noted is no warning: {}", said.err);
    let (verdict, nights) = said.out.split_once("\n\n").expect("two parts");
    assert!(verdict.ends_with("1 periodic job)"), "{verdict}");
    assert!(
        nights.starts_with("clock changes in the next two years\n"),
        "{nights}"
    );
    for changed in ["6 h instead of 7 h", "8 h instead of 7 h"] {
        let count = nights.lines().filter(|line| line.contains(changed)).count();
        assert!(
            (1..4).contains(&count) && nights.contains("  night  Sat 20"),
            "{nights}"
        );
    }
    let all = place.json(&["check", "--json"]);
    let [note] = all.as_array().expect("an array").as_slice() else {
        panic!("{all}");
    };
    assert_eq!(
        (&note["severity"], &note["window"]),
        (&"note".into(), &"night".into())
    );
    assert_eq!(note["line"], 11);
    let change = &note["clock_changes"][0];
    let length = change["length_s"].as_i64().expect("seconds");
    assert_eq!(
        (change["usual_s"].as_i64(), (length - 7 * 3600).abs()),
        (Some(7 * 3600), 3600)
    );
    assert!(
        change["opens"].as_str().is_some_and(|at| at.ends_with('Z')),
        "{change}"
    );

    let utc = Place::new("time_zone = \"UTC\"\n[window.night]\nopen = \"daily 22:00-05:00\"\n");
    assert_eq!(utc.run(&["check"]).out.lines().count(), 1);
    assert_eq!(utc.json(&["check", "--json"]), serde_json::json!([]));
}

#[test]
fn freezes_of_every_form_are_named() {
    let place = Place::new(
        "time_zone = \"Europe/Berlin\"\n[window.night]\nopen = \"daily 22:00-05:00\"\n\
         [freeze.christmas]\nfrom = \"12-18\"\nuntil = \"01-02T01:00\"\nexcept_labels = [\"security\"]\n\
         [freeze.month-end]\ndays = \"last Fri\"\nstart = \"00:00\"\nend = \"24:00\"\n\
         [freeze.holidays]\ncalendar = \"holidays.ics\"\nwindows = [\"night\"]\n",
    );
    let calendar = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20260501\nRRULE:FREQ=YEARLY\n\
                    END:VEVENT\nEND:VCALENDAR\n";
    std::fs::write(place.dir.path().join("holidays.ics"), calendar).expect("file");
    let said = place.run(&["check"]);
    let freezes: Vec<&str> = said.out.lines().skip_while(|l| *l != "freezes").collect();
    assert_eq!(freezes.len(), 4, "{}", said.out);
    for (line, parts) in freezes[1..].iter().zip([
        [
            "  christmas: ",
            "then from",
            "; jobs labelled security may run",
        ],
        ["  month-end: ", "(1 d)", ", then from 20"],
        [
            "  holidays: ",
            " more spans until 20",
            "; only window night",
        ],
    ]) {
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
    }
    let told = place.json(&["check", "--json"]);
    let told = told.as_array().expect("an array").iter();
    let told: Vec<&Value> = told.filter(|note| !note["freeze"].is_null()).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told.iter()
            .all(|t| t["severity"] == "note" && t["spans"].as_array().is_some())
    );
    assert_eq!(told[0]["freeze"], "christmas");
    assert!(
        told[0]["spans"][0]["from"]
            .as_str()
            .is_some_and(|t| t.ends_with("T23:00:00Z"))
    );

    for (from, shortened_by, opens) in [
        ("2027-01-02T00:30", "christmas", "2027-01-02T00:00:00Z"),
        ("2027-01-28T12:00", "month-end", "2027-01-28T21:00:00Z"),
        ("2027-04-30T12:00", "holidays", "2027-05-01T22:00:00Z"),
    ] {
        let found = place.json(&["windows", "--from", from, "--count", "1", "--json"]);
        assert_eq!(found[0]["opens"], opens, "{found}");
        let names = found[0]["shortened_by"].as_array().expect("names");
        assert!(names.iter().any(|name| name == shortened_by), "{found}");
    }
}

//! Objects of others under the key, in the backup and in the origin.

use super::*;

#[test]
fn objects_of_others_are_refused_unless_the_rule_overwrites_them() {
    let v1 = origin("1", 1);
    let overwrite = Rules {
        foreign: Foreign::Overwrite,
        ..rules()
    };
    let mut longer = object("1", "x");
    longer.size = 4;
    for (copy, refused, overwritten) in [
        // Nobody's, with the same bytes: it is adopted.
        (object("1", "x"), adopts("1", "x"), adopts("1", "x")),
        (longer, Action::RefuseForeign, copies("1")),
        (object("2", "y"), Action::RefuseForeign, copies("2")),
        // Another origin's, whatever its bytes are.
        (
            copy("another", &v1, "x"),
            Action::RefuseForeign,
            copies("own"),
        ),
        (
            marked(
                object("1", "x"),
                &Mark::of("another", &v1, MarkedBytes::Sealed),
            ),
            Action::RefuseForeign,
            adopts("1", "x"),
        ),
    ] {
        let backup = BackupState::Present(copy);
        assert_eq!(decide(&rules(), &here(&v1), &backup), refused, "{backup:?}");
        assert_eq!(
            decide(&overwrite, &here(&v1), &backup),
            overwritten,
            "{backup:?}"
        );
    }
}

#[test]
fn copies_that_hookwork_made_are_not_mirrored_on() {
    let replica = |of: &str| {
        let mut state = origin("1", 1);
        let mark = Mark::of(of, &origin("0", 0), MarkedBytes::Sealed);
        let metadata = &mut state.properties.metadata;
        metadata.insert(Mark::NAME.to_owned(), mark.to_string());
        state
    };
    let told = Rules {
        replicas: Replicas::Mirror,
        ..rules()
    };
    let nested = Rules {
        nested: true,
        ..rules()
    };
    let copied = Action::Copy(Condition::Absent);
    for (rules, of, action) in [
        (rules(), "another", Action::LeaveReplica),
        (told, "another", copied.clone()),
        // Brought back by hand from this origin's own backup, mark and all.
        (rules(), "b", copied.clone()),
        // The backup lies in the origin: a copy of a copy of a copy.
        (nested, "b", Action::LeaveReplica),
        (
            Rules {
                replicas: Replicas::Mirror,
                ..nested
            },
            "b",
            copied,
        ),
    ] {
        let seen = here(&replica(of));
        assert_eq!(
            decide(&rules, &seen, &BackupState::Absent),
            action,
            "{rules:?} {of}"
        );
    }
    let kept = decide(
        &nested,
        &here(&replica("b")),
        &BackupState::Present(copy("b", &replica("b"), "x")),
    );
    assert_eq!(kept, Action::Keep, "its copy was there before");
}

#[test]
fn one_object_seen_on_both_sides_is_refused() {
    let mut state = origin("1", 100);
    let mark = Mark::of("b", &origin("1", 1), MarkedBytes::Checksum(crc("x")));
    let metadata = &mut state.properties.metadata;
    metadata.insert(Mark::NAME.to_owned(), mark.to_string());
    let same = || marked(object("1", "x"), &mark);
    assert_eq!(decided(&here(&state), same()), Action::RefuseSame);
    // Brought back by hand: the original is younger than the copy.
    let younger = ObjectState {
        last_modified: 101,
        ..state
    };
    assert_eq!(decided(&here(&younger), same()), adopts("1", "x"));
}

//! Every pair of states, and what is decided.

#[path = "reconcile_tests/others.rs"]
mod others;

use super::*;
use crate::domain::mark::Seal;
use crate::domain::object::Properties;
use bytes::Bytes;
use proptest::prelude::*;

const MD5: &str = "0123456789abcdef0123456789abcdef";
const OTHER_MD5: &str = "fedcba9876543210fedcba9876543210";

fn origin(etag: &str, modified: i64) -> ObjectState {
    ObjectState {
        etag: ETag::new(etag),
        size: 3,
        last_modified: modified,
        properties: Properties::default(),
    }
}

fn crc(of: &str) -> Crc64 {
    Crc64::of(&[Bytes::from(of.to_owned())])
}

/// An unmarked object whose bytes are `of`.
fn object(etag: &str, of: &str) -> BackupObject {
    BackupObject {
        etag: ETag::new(etag),
        size: 3,
        last_modified: Some(100),
        checksum: Some(crc(of)),
        properties: Properties::default(),
        tags_read: false,
        tag_count: None,
    }
}

fn marked(mut object: BackupObject, mark: &Mark) -> BackupObject {
    let metadata = &mut object.properties.metadata;
    metadata.insert(Mark::NAME.to_owned(), mark.to_string());
    object
}

/// A copy of this state that went over in one piece, as the mirror writes it.
fn copy(bucket: &str, state: &ObjectState, of: &str) -> BackupObject {
    let mark = Mark::of(bucket, state, MarkedBytes::Checksum(crc(of)));
    let properties = fit(&state.properties, &mark, None).properties;
    BackupObject {
        size: state.size,
        properties,
        ..object("own", of)
    }
}

/// The same in parts, with this seal.
fn sealed(state: &ObjectState, of: &str, seal: Option<&Seal>) -> BackupObject {
    let mark = Mark::of("b", state, MarkedBytes::Sealed);
    let mut properties = fit(&state.properties, &mark, None).properties;
    if let Some(seal) = seal {
        properties
            .tags
            .insert(Seal::NAME.to_owned(), seal.to_string());
    }
    BackupObject {
        properties,
        tags_read: true,
        ..object("own-2", of)
    }
}

fn gone() -> OriginState {
    OriginState::Absent(Absence::proven(NoSuchKey(()), NotListed(())))
}

fn here(state: &ObjectState) -> OriginState {
    OriginState::Present(state.clone(), None)
}

fn read(state: &ObjectState, of: &str) -> OriginState {
    OriginState::Present(state.clone(), Some(crc(of)))
}

fn rules() -> Rules<'static> {
    Rules {
        origin: "b",
        ..Rules::default()
    }
}

fn decided(seen: &OriginState, copy: BackupObject) -> Action {
    decide(&rules(), seen, &BackupState::Present(copy))
}

fn copies(etag: &str) -> Action {
    Action::Copy(Condition::Unchanged(ETag::new(etag)))
}

fn adopts(etag: &str, of: &str) -> Action {
    Action::Adopt {
        etag: ETag::new(etag),
        bytes: MarkedBytes::Checksum(crc(of)),
    }
}

#[test]
fn an_object_that_is_gone_is_removed_only_where_it_is_our_copy() {
    let v1 = origin("1", 1);
    let absent = decide(&rules(), &gone(), &BackupState::Absent);
    assert_eq!(absent, Action::Keep);
    let delete = Action::Delete(ETag::new("own"));
    assert_eq!(decided(&gone(), copy("b", &v1, "x")), delete);
    assert_eq!(
        decided(&gone(), copy("another", &v1, "x")),
        Action::LeaveForeign
    );
    assert_eq!(decided(&gone(), object("1", "x")), Action::LeaveForeign);
    let keep = Rules {
        deletes: Deletes::Keep,
        ..rules()
    };
    let backup = BackupState::Present(copy("b", &v1, "x"));
    assert_eq!(decide(&keep, &gone(), &backup), Action::LeaveKept);
}

#[test]
fn a_copy_is_kept_while_state_bytes_and_properties_are_right() {
    let mut v1 = origin("1", 1);
    v1.properties
        .headers
        .insert("content-type", "text/plain".to_owned());
    assert_eq!(
        decide(&rules(), &here(&v1), &BackupState::Absent),
        Action::Copy(Condition::Absent)
    );
    let right = || copy("b", &v1, "x");
    assert_eq!(decided(&here(&v1), right()), Action::Keep);
    assert_eq!(decided(&here(&origin("2", 2)), right()), copies("own"));
    // Other bytes under the mark, as long as before.
    let mut damaged = right();
    damaged.checksum = Some(crc("y"));
    assert_eq!(decided(&here(&v1), damaged), copies("own"));
    let mut cut = right();
    cut.size = 2;
    assert_eq!(decided(&here(&v1), cut), copies("own"));
    // Other properties, in the backup or since in the origin.
    let changes: [fn(&mut BackupObject); 4] = [
        |copy| {
            let _ = copy
                .properties
                .headers
                .insert("content-type", "text/html".to_owned());
        },
        |copy| copy.properties.headers.clear(),
        |copy| {
            let _ = copy
                .properties
                .metadata
                .insert("a".to_owned(), "b".to_owned());
        },
        |copy| {
            copy.tags_read = true;
            let _ = copy.properties.tags.insert("a".to_owned(), "b".to_owned());
        },
    ];
    for change in changes {
        let mut changed = right();
        change(&mut changed);
        assert_eq!(
            decided(&here(&v1), changed.clone()),
            adopts("own", "x"),
            "{changed:?}"
        );
    }
    let touched = ObjectState {
        last_modified: 9,
        ..v1.clone()
    };
    assert_eq!(decided(&here(&touched), right()), adopts("own", "x"));
    let large = |state: &ObjectState| ObjectState {
        size: ADOPT_MAX + 1,
        ..state.clone()
    };
    let backup = copy("b", &large(&v1), "x");
    assert_eq!(decided(&here(&large(&touched)), backup), copies("own"));
}

#[test]
fn a_type_that_the_store_gives_to_an_untyped_object_is_no_change() {
    let v1 = origin("1", 1);
    for (kind, action) in [
        ("binary/octet-stream", Action::Keep),
        ("application/octet-stream", Action::Keep),
        ("text/html", adopts("own", "x")),
    ] {
        let mut copy = copy("b", &v1, "x");
        let headers = &mut copy.properties.headers;
        headers.insert("content-type", kind.to_owned());
        assert_eq!(decided(&here(&v1), copy), action, "{kind}");
    }
}

#[test]
fn where_the_store_keeps_no_checksum_the_etags_speak_if_both_are_md5s() {
    let v1 = origin(MD5, 1);
    for (etag, action) in [
        (MD5, Action::Keep),
        (OTHER_MD5, copies(OTHER_MD5)),
        // Not an MD5, so that nothing speaks against it.
        ("abc-2", Action::Keep),
    ] {
        let mut untold = copy("b", &v1, "x");
        (untold.etag, untold.checksum) = (ETag::new(etag), None);
        assert_eq!(decided(&here(&v1), untold), action, "{etag}");
    }
}

#[test]
fn a_copy_in_parts_is_believed_once_it_is_sealed() {
    let v1 = origin("1-2", 1);
    let seal = |of: &str, etag: &str| Seal {
        checksum: crc(of),
        etag: Some(ETag::new(etag)),
    };
    let right = seal("x", "own-2");
    assert_eq!(
        decided(&here(&v1), sealed(&v1, "x", Some(&right))),
        Action::Keep
    );
    assert_eq!(
        decided(&here(&v1), sealed(&v1, "y", Some(&right))),
        copies("own-2")
    );
    assert_eq!(decided(&here(&v1), sealed(&v1, "x", None)), copies("own-2"));
    // A store that tells no checksum: the seal has its ETag.
    for (etag, action) in [("own-2", Action::Keep), ("other-2", copies("own-2"))] {
        let mut untold = sealed(&v1, "x", Some(&seal("x", etag)));
        untold.checksum = None;
        assert_eq!(decided(&here(&v1), untold), action, "{etag}");
    }
    // A store without tags has no seals.
    let mut untagged = sealed(&v1, "x", None);
    untagged.tags_read = false;
    assert_eq!(decided(&here(&v1), untagged), Action::Keep);
    // In place the checksum goes into the mark.
    let touched = origin("1-2", 9);
    assert_eq!(
        decided(&here(&touched), sealed(&v1, "x", Some(&right))),
        adopts("own-2", "x")
    );
}

#[test]
fn a_mark_of_the_first_version_is_renewed_in_place() {
    let v1 = origin(MD5, 1);
    let old = |origin: &str| {
        Mark::parse(&format!("1:{}:{MD5}:{origin}", v1.fingerprint())).expect("a mark")
    };
    let before = || marked(object(MD5, "x"), &old("b"));
    assert_eq!(decided(&here(&v1), before()), adopts(MD5, "x"));
    let mut other = before();
    other.etag = ETag::new(OTHER_MD5);
    assert_eq!(decided(&here(&v1), other), copies(OTHER_MD5));
    // There is nothing to renew it with.
    let mut untold = before();
    untold.checksum = None;
    assert_eq!(decided(&here(&v1), untold), Action::Keep);
    // Too large to be renewed in place: it is right all the same.
    let large = ObjectState {
        size: ADOPT_MAX + 1,
        ..v1.clone()
    };
    let mark = Mark::parse(&format!("1:{}:{MD5}:b", large.fingerprint())).expect("a mark");
    let mut copy = marked(object(MD5, "x"), &mark);
    copy.size = large.size;
    assert_eq!(decided(&here(&large), copy), Action::Keep);
}

#[test]
fn two_objects_of_one_etag_are_told_apart_where_the_bytes_were_read() {
    let v1 = origin(MD5, 1);
    let unmarked = || object(MD5, "x");
    assert_eq!(decided(&here(&v1), unmarked()), adopts(MD5, "x"));
    assert_eq!(decided(&read(&v1, "x"), unmarked()), adopts(MD5, "x"));
    assert_eq!(decided(&read(&v1, "y"), unmarked()), Action::RefuseForeign);
    let next = origin(MD5, 2);
    let ours = || copy("b", &v1, "x");
    assert_eq!(decided(&read(&next, "x"), ours()), adopts("own", "x"));
    assert_eq!(decided(&read(&next, "y"), ours()), copies("own"));
    // The bytes are wanted exactly where they would be adopted.
    let wants = |seen: &OriginState, copy: BackupObject| {
        wants_bytes(&rules(), seen, &BackupState::Present(copy))
    };
    assert!(wants(&here(&v1), unmarked()) && wants(&here(&next), ours()));
    assert!(!wants(&read(&v1, "x"), unmarked()) && !wants(&here(&v1), ours()));
    assert!(!wants(&here(&origin("2", 2)), ours()) && !wants(&gone(), ours()));
    assert!(!wants_bytes(&rules(), &here(&v1), &BackupState::Absent));
}

#[test]
fn tags_are_wanted_where_a_copy_seems_right_and_has_or_should_have_some() {
    let plain = origin("1", 1);
    let mut tagged = plain.clone();
    tagged
        .properties
        .tags
        .insert("a".to_owned(), "b".to_owned());
    let of = |state: &ObjectState, count: Option<usize>| {
        let mut copy = copy("b", state, "x");
        copy.properties.tags.clear();
        copy.tag_count = count;
        copy
    };
    for (state, count, wanted) in [
        (&plain, None, false),
        (&plain, Some(0), false),
        (&plain, Some(1), true),
        (&tagged, None, true),
        (&tagged, Some(1), true),
    ] {
        let backup = BackupState::Present(of(state, count));
        assert_eq!(
            wants_tags(&rules(), &here(state), &backup),
            wanted,
            "{backup:?}"
        );
    }
    let mut read = of(&tagged, Some(1));
    read.tags_read = true;
    assert!(!wants_tags(
        &rules(),
        &here(&tagged),
        &BackupState::Present(read.clone())
    ));
    assert_eq!(
        decided(&here(&tagged), read),
        adopts("own", "x"),
        "its tag is missing"
    );
    let stale = BackupState::Present(of(&plain, Some(1)));
    assert!(!wants_tags(&rules(), &here(&origin("2", 2)), &stale));
}

proptest! {
    #[test]
    fn a_key_that_was_made_right_needs_nothing_more(
        etag in "[0-9a-f]{4}", size in 0u64..10, modified in 0i64..3, own in "[0-9a-f]{4}",
        kind in 0u8..4, told in any::<bool>(), overwrite in any::<bool>()
    ) {
        let state = ObjectState { size, ..origin(&etag, modified) };
        let foreign = if overwrite { Foreign::Overwrite } else { Foreign::Refuse };
        let rules = Rules { foreign, ..rules() };
        let mut before = match kind {
            0 => object(&own, "x"),
            1 => copy("b", &origin("1", 1), "x"),
            2 => copy("another", &state, "x"),
            _ => sealed(&state, "x", None),
        };
        before.checksum = before.checksum.filter(|_| told);
        for before in [BackupState::Present(before), BackupState::Absent] {
            let after = match (decide(&rules, &here(&state), &before), &before) {
                (Action::Adopt { bytes, .. }, BackupState::Present(old)) => {
                    let mark = Mark::of("b", &state, bytes);
                    let properties = fit(&state.properties, &mark, None).properties;
                    BackupState::Present(BackupObject { properties, ..old.clone() })
                }
                (Action::Copy(_), _) => {
                    let mut new = copy("b", &state, "x");
                    new.checksum = new.checksum.filter(|_| told);
                    BackupState::Present(new)
                }
                (Action::Keep | Action::RefuseForeign, _) => continue,
                (other, _) => panic!("{other:?}"),
            };
            let again = decide(&rules, &here(&state), &after);
            prop_assert_eq!(again, Action::Keep, "{:?} {:?}", before, after);
        }
    }
}

//! Several operations in one request, and their results.

use super::*;
use alloc::vec;

#[test]
fn a_multi_has_a_header_before_each_operation_and_one_at_the_end() {
    let version = -1;
    let operations = vec![
        create(CreateRequest::Create, CreateMode::Persistent),
        create(CreateRequest::CreateContainer, CreateMode::Container),
        create(CreateRequest::CreateTtl, CreateMode::PersistentWithTtl),
        Operation::SetData { path: path("/a"), data: None, version },
        Operation::Check { path: path("/a"), version },
        Operation::Delete { path: path("/a"), version },
    ];
    let body = [
        "00000001 00 ffffffff",
        CREATE,
        "00000000",
        "00000013 00 ffffffff",
        CREATE,
        "00000004",
        "00000015 00 ffffffff",
        CREATE,
        "00000005 0000000000001388",
        "00000005 00 ffffffff 00000002 2f61 ffffffff ffffffff",
        "0000000d 00 ffffffff 00000002 2f61 ffffffff",
        "00000002 00 ffffffff 00000002 2f61 ffffffff",
        END,
    ];
    check_request(14, &body.concat(), Operation::Multi { operations });
    check_request(14, END, Operation::Multi { operations: vec![] });
    // The end is told by one byte; errors in headers of requests say nothing.
    check_read(14, "00000001 02 00000000", Operation::Multi { operations: vec![] });
    let delete = Operation::Delete { path: path("/a"), version };
    check_read(
        14,
        &["00000002 00 0000004d 00000002 2f61 ffffffff", END, "6a"].concat(),
        Operation::Multi { operations: vec![delete] },
    );
}

#[test]
fn a_multi_of_the_wrong_operations_cannot_be_read() {
    let delete = "00000002 00 ffffffff 00000002 2f61 ffffffff";
    let get_data = "00000004 00 ffffffff 00000002 2f61 00";
    check_malformed(14, false, delete);
    for number in [14, 22] {
        check_malformed(number, false, &[delete, get_data, END].concat());
        check_malformed(number, false, &[get_data, delete, END].concat());
    }
    for number in ["00000003", "00000014", "0000000e", "ffffffff"] {
        check_malformed(14, false, &[number, "00 ffffffff 00000002 2f61 00", END].concat());
        check_malformed(22, false, &[number, "00 ffffffff 00000002 2f61 00", END].concat());
    }
}

#[test]
fn a_multi_stumbles_over_any_path_that_is_null() {
    let pathless = |opcode| vec![Operation::Malformed { opcode, readable: true }];
    for operation in
        ["00000002 00 ffffffff ffffffff ffffffff", "00000005 00 ffffffff ffffffff 00000000 ffffffff"]
    {
        let body = hex(&[operation, END].concat());
        let whole = Operation::Malformed { opcode: 14, readable: false };
        assert_eq!(self::operation(Release::V3_9_5, 14, &body), whole);
        assert_eq!(
            self::operation(Release::V3_8_0, 14, &body),
            Operation::Multi { operations: pathless(14) }
        );
    }
    let read = ["00000004 00 ffffffff ffffffff 00", END].concat();
    check_read(22, &read, Operation::MultiRead { operations: pathless(4) });
    let whole = Operation::Multi { operations: pathless(4) };
    assert_eq!(operation(Release::V3_8_0, 14, &hex(&read)), whole);
}

#[test]
fn what_is_wrong_behind_a_null_acl_does_not_matter_to_3_9() {
    let no_acl = "00000001 00 ffffffff 00000002 2f61 00000000 ffffffff 00000000";
    let nothing = "00000001 00 ffffffff ffffffff 00000000 ffffffff 00000000";
    let bad_flag = "00000001 00 ffffffff ffffffff 00000000 ffffffff 00000009";
    let [delete, pathless] =
        ["00000002 00 ffffffff 00000002 2f61 ffffffff", "00000002 00 ffffffff ffffffff ffffffff"];
    let [get_data, get_nothing] =
        ["00000004 00 ffffffff 00000002 2f61 00", "00000004 00 ffffffff ffffffff 00"];
    let multi = "0000000e 00 ffffffff";
    for (parts, stops) in [
        (&[no_acl, multi, END][..], true),
        (&[delete, no_acl, multi, END], true),
        (&[no_acl, get_data, END], true),
        (&[get_data, no_acl, END], true),
        (&[get_nothing, get_data, no_acl, END], true),
        (&[nothing, get_data, END], true),
        (&[no_acl], true),
        (&[multi, END, no_acl, END], false),
        (&[bad_flag, no_acl, multi, END], false),
        (&[get_data, delete, no_acl, END], false),
    ] {
        let body = hex(&parts.concat());
        let malformed = |readable| Operation::Malformed { opcode: 14, readable };
        assert_eq!(operation(Release::V3_9_5, 14, &body), malformed(stops), "{parts:?}");
        assert_eq!(operation(Release::V3_8_0, 14, &body), malformed(false), "{parts:?}");
    }
    for parts in [[pathless, no_acl], [no_acl, pathless], [nothing, delete], [delete, nothing]] {
        let body = hex(&[parts.concat(), END.into()].concat());
        let stops = Operation::Malformed { opcode: 14, readable: true };
        assert_eq!(operation(Release::V3_9_5, 14, &body), stops, "{parts:?}");
        assert!(matches!(operation(Release::V3_8_0, 14, &body), Operation::Multi { .. }), "{parts:?}");
    }
    let flag_first = hex(&[bad_flag, no_acl, END].concat());
    let read_on = Operation::Malformed { opcode: 14, readable: false };
    assert_eq!(operation(Release::V3_9_5, 14, &flag_first), read_on);
    // Nothing else is wrong with it, and the server finds out.
    let good = hex(&[no_acl, delete, END].concat());
    assert!(matches!(operation(Release::V3_9_5, 14, &good), Operation::Multi { .. }));
}

#[test]
fn a_multi_that_reads_and_creates_without_a_path_is_unreadable_to_3_9_if_more_is_wrong() {
    let open = "00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65";
    let create =
        |acl: &str, flags: &str| hex(&["00000001 00 ffffffff ffffffff 00000000", acl, flags, END].concat());
    let unreadable = Operation::Malformed { opcode: 22, readable: false };
    for (acl, flags, more) in
        [(open, "00000000", false), (open, "ffffffff", true), ("ffffffff", "00000000", true)]
    {
        let body = create(acl, flags);
        assert_eq!(operation(Release::V3_9_5, 22, &body) == unreadable, more, "{acl} {flags}");
        assert_ne!(operation(Release::V3_8_0, 22, &body), unreadable, "{acl} {flags}");
    }
}

#[test]
fn what_a_broken_multi_has_answered_so_far_stands_behind_the_error() {
    let mut bytes = Vec::new();
    let broken = Reply::BrokenMulti { results: vec![] };
    server(Release::V3_8_0).send(&reply(9, 0x42, Ok(broken)), &mut bytes).unwrap();
    assert_eq!(bytes, framed(&hex(&["00000009 0000000000000042 fffffffb", END].concat())));
}

#[test]
fn a_multi_that_reads_watches_nothing() {
    let body =
        ["00000004 00 ffffffff 00000002 2f61 01", "00000008 00 ffffffff 00000002 2f61 00", END].concat();
    let operations = vec![
        Operation::GetData { path: path("/a"), watch: false },
        Operation::GetChildren { path: path("/a"), watch: false },
    ];
    check_read(22, &body, Operation::MultiRead { operations });
}

#[test]
fn the_results_of_a_multi_have_headers_too() {
    let multi = || Operation::Multi { operations: vec![] };
    // The bodies are those of 3.9.5.
    let results = vec![
        Ok(Reply::Created { path: path("/a") }),
        Ok(Reply::CreatedWithStat { path: path("/a"), stat: STAT }),
        Ok(Reply::DataSet { stat: STAT }),
        Ok(Reply::Checked),
        Ok(Reply::Deleted),
    ];
    let body = [
        "00000001 00 00000000 00000002 2f61",
        "0000000f 00 00000000 00000002 2f61",
        STAT_HEX,
        "00000005 00 00000000",
        STAT_HEX,
        "0000000d 00 00000000",
        "00000002 00 00000000",
        END,
    ];
    check_reply(multi(), Reply::Multi { results }, &body.concat());
    let failed = vec![Err(ErrorCode::Ok), Err(ErrorCode::NoNode), Err(ErrorCode::RuntimeInconsistency)];
    let body = "ffffffff 00 00000000 00000000 ffffffff 00 ffffff9b ffffff9b ffffffff 00 fffffffe fffffffe ffffffff 01 ffffffff";
    check_reply(multi(), Reply::Multi { results: failed }, body);
    let read = vec![
        Ok(Reply::Data { data: None, stat: STAT }),
        Ok(Reply::Children { children: vec![path("b")].into() }),
        Err(ErrorCode::NoNode),
    ];
    let body = [
        "00000004 00 00000000 ffffffff",
        STAT_HEX,
        "00000008 00 00000000 00000001 00000001 62 ffffffff 00 ffffff9b ffffff9b",
        END,
    ];
    check_reply(Operation::MultiRead { operations: vec![] }, Reply::Multi { results: read }, &body.concat());
}

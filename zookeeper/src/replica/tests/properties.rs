//! What holds after any requests.

use super::*;
use alloc::boxed::Box;
use proptest::prelude::*;

fn any_path() -> impl Strategy<Value = Arc<str>> {
    let names = prop::collection::vec(prop::sample::select(&["a", "b", "c"][..]), 1..=3);
    let path = names.prop_map(|names| Arc::from(alloc::format!("/{}", names.join("/"))));
    prop_oneof![
        12 => path,
        1 => prop::sample::select(&["", "/", "a", "/a/", "/a/..", "/\0", "/zookeeper", "/a0000000000"][..])
            .prop_map(Arc::from),
    ]
}

fn any_acl() -> impl Strategy<Value = Option<Vec<Acl>>> {
    let entry =
        (0..=acl::ALL, prop::sample::select(&[("world", "anyone"), ("auth", ""), ("digest", "u:h")][..]));
    let entry = entry
        .prop_map(|(permissions, (scheme, id))| Acl { permissions, identity: Identity::new(scheme, id) });
    prop_oneof![6 => Just(Some(Acl::open())), 2 => prop::collection::vec(entry, 0..3).prop_map(Some), 1 => Just(None)]
}

fn any_create() -> impl Strategy<Value = Operation> {
    use CreateMode::{
        Container, Ephemeral, EphemeralSequential, Persistent, PersistentSequential,
        PersistentSequentialWithTtl, PersistentWithTtl, Unknown,
    };
    let request = prop::sample::select(
        &[
            CreateRequest::Create,
            CreateRequest::Create2,
            CreateRequest::CreateContainer,
            CreateRequest::CreateTtl,
        ][..],
    );
    let mode = prop::sample::select(
        &[
            Persistent,
            Ephemeral,
            PersistentSequential,
            EphemeralSequential,
            Container,
            PersistentWithTtl,
            PersistentSequentialWithTtl,
            Unknown(9),
        ][..],
    );
    (request, any_path(), any_acl(), mode, prop::sample::select(&[-1, 0, 3000][..])).prop_map(
        |(request, path, acl, mode, ttl_ms)| {
            Operation::Create(Box::new(Create { request, path, data: None, acl, mode, ttl_ms }))
        },
    )
}

fn any_part() -> impl Strategy<Value = Operation> {
    let version = || -1..3;
    prop_oneof![
        3 => any_create(),
        2 => (any_path(), version()).prop_map(|(path, version)| Operation::Delete { path, version }),
        1 => (any_path(), version()).prop_map(|(path, version)| set_data(&path, version)),
        1 => (any_path(), version()).prop_map(|(path, version)| Operation::Check { path, version }),
    ]
}

fn any_write() -> impl Strategy<Value = Operation> {
    let set_acl = (any_path(), any_acl(), -1..3);
    prop_oneof![
        8 => any_part(),
        1 => set_acl.prop_map(|(path, acl, version)| Operation::SetAcl { path, acl, version }),
        1 => any_path().prop_map(|path| Operation::DeleteContainer { path }),
        3 => prop::collection::vec(any_part(), 0..5).prop_map(|operations| Operation::Multi { operations }),
    ]
}

fn any_body() -> impl Strategy<Value = (u64, TransactionBody)> {
    let identities = prop::sample::select(&[None, Some(("digest", "u:h")), Some(("super", ""))][..]);
    let write = (any_write(), identities).prop_map(|(operation, identity)| {
        let identities = identity.into_iter().map(|(scheme, id)| Identity::new(scheme, id)).collect();
        TransactionBody::write(operation, identities)
    });
    let timeout = Duration::from_secs(4);
    let body = prop_oneof![
        20 => write,
        1 => Just(TransactionBody::OpenSession { timeout }),
        1 => (0_u64..3).prop_map(|order| TransactionBody::CloseSession { order, expired: false }),
        1 => Just(TransactionBody::Refused(ErrorCode::SessionMoved)),
    ];
    (0_u64..3, body)
}

fn transactions() -> impl Strategy<Value = Vec<Transaction>> {
    let bodies = prop::collection::vec((any_body(), 1_u64..3), 0..60);
    bodies.prop_map(|bodies| {
        let mut zxid = 0;
        let number = |((session, body), step)| {
            zxid += step;
            Transaction { zxid: Zxid(zxid), wall_ms: wall_ms(zxid), session: SessionId(session), body }
        };
        bodies.into_iter().map(number).collect()
    })
}

/// Whether the answer says that nothing was done.
fn is_refused(result: &Result<Reply, ErrorCode>) -> bool {
    match result {
        Err(_) => true,
        Ok(Reply::Multi { results }) => results.iter().any(Result::is_err),
        Ok(_) => false,
    }
}

proptest! {
    #[test]
    fn replicas_that_apply_the_same_transactions_are_equal_and_sound(
        transactions in transactions(),
        release in prop::sample::select(&RELEASES[..]),
    ) {
        let mut replica = Replica::new(release, true);
        let mut other = replica.clone();
        for transaction in &transactions {
            let before = replica.clone();
            let applied = replica.apply(transaction);
            replica.tree().check_invariants();
            prop_assert_eq!(&applied, &other.apply(transaction));
            prop_assert_eq!(replica.last_zxid(), transaction.zxid);
            if is_refused(&applied.result) {
                prop_assert!(before.tree() == replica.tree(), "what was refused has left a trace");
                prop_assert!(applied.changes.is_empty());
            }
            prop_assert!(
                applied.changes.is_empty() == (before.tree() == replica.tree())
                    || matches!(
                        &transaction.body,
                        TransactionBody::Write(write)
                            if matches!(write.operation, Operation::SetAcl { .. } | Operation::Multi { .. })
                    ),
                "a change that is not told, or the other way round"
            );
        }
        prop_assert!(replica == other);
    }

    /// A replica that is copied half way goes on as its original does: nothing is shared that should not be.
    #[test]
    fn a_copy_does_not_change_with_its_original(transactions in transactions(), at in 0_usize..60) {
        let mut replica = Replica::new(Release::V3_9_5, true);
        let at = at.min(transactions.len());
        for transaction in &transactions[..at] {
            replica.apply(transaction);
        }
        let copy = replica.clone();
        let mut again = Replica::new(Release::V3_9_5, true);
        for transaction in &transactions[at..] {
            replica.apply(transaction);
        }
        for transaction in &transactions[..at] {
            again.apply(transaction);
        }
        prop_assert!(copy == again);
    }

    /// A multi does what its parts would do one after the other, except that they have one number.
    #[test]
    fn a_multi_does_what_its_parts_do_one_by_one(
        before in transactions(),
        parts in prop::collection::vec(any_part(), 0..5),
    ) {
        let mut replica = Replica::new(Release::V3_8_0, true);
        for transaction in &before {
            replica.apply(transaction);
        }
        let zxid = replica.last_zxid().0;
        let write = |zxid: u64, operation| Transaction {
            zxid: Zxid(zxid),
            wall_ms: 0,
            session: SessionId(1),
            body: TransactionBody::write(operation, Arc::from([])),
        };
        let mut one_by_one = replica.clone();
        let mut told = Vec::new();
        let mut failed = false;
        for (part, zxid) in parts.iter().zip(zxid + 1..) {
            // What a part means depends on where it stands only for the four requests that create.
            let part = match part {
                Operation::Create(create) if create.mode.is_ttl() || create.mode == CreateMode::Container => return Ok(()),
                Operation::Create(create) => Operation::Create(Box::new(Create { request: CreateRequest::Create, ..*create.clone() })),
                part => part.clone(),
            };
            let applied = one_by_one.apply(&write(zxid, part));
            told.extend(applied.changes);
            failed |= applied.result.is_err();
        }
        let operations = parts.clone();
        let applied = replica.apply(&write(zxid + 1, Operation::Multi { operations }));
        prop_assert_eq!(failed, is_refused(&applied.result));
        if !failed {
            prop_assert_eq!(applied.changes, told);
            prop_assert!(replica.tree().paths().eq(one_by_one.tree().paths()));
            for path in replica.tree().paths() {
                let (one, other) = (replica.tree().stat(path).unwrap(), one_by_one.tree().stat(path).unwrap());
                prop_assert_eq!((one.version, one.cversion, one.num_children), (other.version, other.cversion, other.num_children));
            }
        }
    }
}

//! The records that requests and replies have in common; which of them have which is left to others.

use super::jute::{Reader, Unreadable, Writer};
use crate::acl::{Acl, Identity, STUMBLING};
use crate::operation::CreateMode;
use crate::types::{Data, SessionId, Stat, Zxid};
use alloc::borrow::Cow;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

pub(super) fn zxid_of(number: i64) -> Zxid {
    Zxid(number.cast_unsigned())
}

pub(super) fn number_of(zxid: Zxid) -> i64 {
    zxid.0.cast_signed()
}

pub(super) fn read_data(reader: &mut Reader<'_>) -> Result<Data, Unreadable> {
    Ok(reader.buffer()?.map(Arc::from))
}

pub(super) fn write_data(writer: &mut Writer<'_>, data: &Data) {
    writer.buffer(data.as_deref());
}

pub(super) fn read_stat(reader: &mut Reader<'_>) -> Result<Stat, Unreadable> {
    let [czxid, mzxid] = [reader.long()?, reader.long()?].map(zxid_of);
    let [ctime, mtime] = [reader.long()?, reader.long()?];
    let [version, cversion, aversion] = [reader.int()?, reader.int()?, reader.int()?];
    let owner = reader.long()?;
    let [data_length, num_children] = [reader.int()?, reader.int()?];
    let pzxid = zxid_of(reader.long()?);
    let ephemeral_owner = (owner != 0).then_some(SessionId(owner.cast_unsigned()));
    Ok(Stat {
        czxid,
        mzxid,
        pzxid,
        ctime,
        mtime,
        version,
        cversion,
        aversion,
        ephemeral_owner,
        data_length,
        num_children,
    })
}

pub(super) fn write_stat(writer: &mut Writer<'_>, stat: &Stat) {
    writer.long(number_of(stat.czxid));
    writer.long(number_of(stat.mzxid));
    writer.long(stat.ctime);
    writer.long(stat.mtime);
    writer.int(stat.version);
    writer.int(stat.cversion);
    writer.int(stat.aversion);
    writer.long(stat.ephemeral_owner.map_or(0, |owner| owner.0.cast_signed()));
    writer.int(stat.data_length);
    writer.int(stat.num_children);
    writer.long(number_of(stat.pzxid));
}

/// An identity without a scheme is nobody, as one of the empty scheme is.
pub(super) fn read_identity(reader: &mut Reader<'_>) -> Result<Identity, Unreadable> {
    let scheme = reader.string_or_null()?.unwrap_or_default().into_owned();
    let id = reader.string_or_null()?.unwrap_or_default().into_owned();
    Ok(Identity { scheme, id })
}

pub(super) fn write_identity(writer: &mut Writer<'_>, identity: &Identity) {
    writer.string(&identity.scheme);
    writer.string(&identity.id);
}

/// An entry as it is on the wire: what is allowed, and the scheme and the id, which may be null.
type RawEntry<'a> = (i32, Option<Cow<'a, str>>, Option<Cow<'a, str>>);

/// Reads an ACL. Servers look for entries that are there twice before they look at any other thing, and stumble over a null
/// that they compare; an entry that they stumble over then stands in front of all others.
pub(super) fn read_acl(reader: &mut Reader<'_>) -> Result<Option<Vec<Acl>>, Unreadable> {
    let raw = reader
        .vector(12, |reader| Ok((reader.int()?, reader.string_or_null()?, reader.string_or_null()?)))?;
    let Some(raw) = raw else { return Ok(None) };
    let first = compares_null(&raw).then(|| Acl { permissions: 0, identity: Identity::new(STUMBLING, "") });
    Ok(Some(first.into_iter().chain(raw.into_iter().map(entry_of)).collect()))
}

/// Whether an entry has a null where it is compared with those before it: first what they allow, then the schemes, then
/// the ids.
fn compares_null(entries: &[RawEntry<'_>]) -> bool {
    let has_null = |(_, scheme, id): &RawEntry<'_>| scheme.is_none() || id.is_none();
    if !entries.iter().any(has_null) {
        return false;
    }
    let (mut allowed, mut allowed_in) = (BTreeSet::new(), BTreeSet::new());
    entries.iter().any(|(permissions, scheme, id)| {
        let known = !allowed.insert(permissions);
        let known_in = !allowed_in.insert((permissions, scheme));
        match (scheme, id) {
            (None, _) => known,
            (Some(_), None) => known_in,
            (Some(_), Some(_)) => false,
        }
    })
}

/// An entry without a scheme is of nobody, and so are most without an id. But those schemes whose ids servers look at must
/// have one.
fn entry_of((permissions, scheme, id): RawEntry<'_>) -> Acl {
    let identity = match (scheme.as_deref().unwrap_or_default(), id) {
        ("world" | "digest" | "ip", None) => Identity::new(STUMBLING, ""),
        (scheme, _) if scheme.starts_with(STUMBLING) => Identity::new("", ""),
        (scheme, id) => Identity::new(scheme, &id.unwrap_or_default()),
    };
    Acl { permissions, identity }
}

pub(super) fn write_acl(writer: &mut Writer<'_>, acl: &[Acl]) {
    writer.vector(acl, |writer, entry| {
        writer.int(entry.permissions);
        write_identity(writer, &entry.identity);
    });
}

pub(super) fn mode_of(flag: i32) -> CreateMode {
    match flag {
        0 => CreateMode::Persistent,
        1 => CreateMode::Ephemeral,
        2 => CreateMode::PersistentSequential,
        3 => CreateMode::EphemeralSequential,
        4 => CreateMode::Container,
        5 => CreateMode::PersistentWithTtl,
        6 => CreateMode::PersistentSequentialWithTtl,
        unknown => CreateMode::Unknown(unknown),
    }
}

pub(super) fn flag_of(mode: CreateMode) -> i32 {
    match mode {
        CreateMode::Persistent => 0,
        CreateMode::Ephemeral => 1,
        CreateMode::PersistentSequential => 2,
        CreateMode::EphemeralSequential => 3,
        CreateMode::Container => 4,
        CreateMode::PersistentWithTtl => 5,
        CreateMode::PersistentSequentialWithTtl => 6,
        CreateMode::Unknown(flag) => flag,
    }
}

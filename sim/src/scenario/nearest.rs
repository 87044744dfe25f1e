//! The known name that was probably meant.

/// How the message about an unknown name ends: with the known name that is nearest to what was written, if that may well
/// be the one that was meant.
pub(crate) fn did_you_mean<'a>(found: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest(found, known).map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

/// The known name that is nearest to `found`, if at most a third of it differs.
pub(crate) fn nearest<'a>(found: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.map(|name| (strsim::damerau_levenshtein(found, name), name)).min();
    near.filter(|(distance, name)| *distance * 3 <= name.len().max(3)).map(|(_, name)| name)
}

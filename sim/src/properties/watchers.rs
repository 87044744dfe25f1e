//! The properties of one run, and which of them each kind of step is shown to.

use super::{Finding, Interest, KINDS, Property, SAFETY, safety};
use std::collections::BTreeSet;

/// Those who look on.
pub(crate) struct Watchers {
    all: Vec<Box<dyn Property>>,
    /// For each kind of step, a bit for each place in `all` whose property it is of interest to.
    concerned: [u64; KINDS],
}

impl Watchers {
    /// All safety properties, or those among `names`.
    pub(crate) fn new(names: Option<&BTreeSet<String>>) -> Watchers {
        let mut all = safety();
        all.retain(|property| names.is_none_or(|names| names.contains(property.name())));
        let mut concerned = [0; KINDS];
        for (place, property) in (0..u64::BITS).zip(&all) {
            property.interest().kinds().for_each(|kind| concerned[kind] |= 1 << place);
        }
        Watchers { all, concerned }
    }

    /// Lets those look to whom a step of these kinds is of interest; what they find, with their names.
    pub(crate) fn ask(
        &mut self,
        kinds: Interest,
        mut show: impl FnMut(&mut dyn Property) -> Option<Finding>,
    ) -> Vec<(&'static str, Finding)> {
        let mut findings = Vec::new();
        let mut concerned = kinds.kinds().fold(0_u64, |concerned, kind| concerned | self.concerned[kind]);
        while concerned != 0 {
            let property = &mut *self.all[concerned.trailing_zeros() as usize];
            concerned &= concerned - 1;
            if let Some(finding) = show(property) {
                findings.push((property.name(), finding));
            }
        }
        findings
    }
}

const _: () = assert!(SAFETY.len() <= u64::BITS as usize, "each property has a bit");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_shown_to_those_to_whom_one_of_its_kinds_is_of_interest() {
        let properties = safety();
        for kinds in (0..=Interest::EVERYTHING.0).map(Interest) {
            let mut shown = Vec::new();
            Watchers::new(None).ask(kinds, |property| {
                shown.push(property.name());
                None
            });
            let concerned = properties.iter().filter(|property| property.interest().meets(kinds));
            assert_eq!(shown, concerned.map(|property| property.name()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn only_those_named_look() {
        let names = BTreeSet::from(["one-history".to_owned(), "no-false-expiry".to_owned()]);
        let found = Watchers::new(Some(&names))
            .ask(Interest::EVERYTHING, |_| Finding { text: String::new(), excuse: None }.into());
        let found: Vec<_> = found.into_iter().map(|(name, _)| name).collect();
        assert_eq!(found, ["no-false-expiry", "one-history"]);
    }
}

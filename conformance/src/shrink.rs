//! Takes steps away from a run in which two servers differ, as long as they go on differing.

use crate::endpoint::Unavailable;
use crate::run::{Difference, Plan, Verdict, run};
use std::time::{Duration, Instant};

/// Shrinking stops after this time, however far it has come.
const TIME_MAX: Duration = Duration::from_secs(300);

/// The shortest run with a difference that could be found, and its difference. `progress` hears of every success.
///
/// # Errors
///
/// If a server cannot be had any more.
pub fn shrink(first: Difference, progress: &mut dyn FnMut(usize)) -> Result<Difference, Unavailable> {
    let deadline = Instant::now() + TIME_MAX;
    let mut best = first;
    let mut kept = numbers_up_to_difference(&best);
    for last in [10, 30, 100, 300, 1000, 3000] {
        let tail = kept[kept.len().saturating_sub(last)..].to_vec();
        if tail.len() < kept.len()
            && let Some(difference) = still_different(&best.plan, &tail)?
        {
            kept = numbers_up_to_difference(&difference);
            best = difference;
            progress(kept.len());
            break;
        }
    }
    let mut chunk = kept.len().div_ceil(2);
    while chunk > 0 && Instant::now() < deadline {
        let mut from = 0;
        while from < kept.len() && Instant::now() < deadline {
            let to = (from + chunk).min(kept.len());
            let rest: Vec<usize> = kept[..from].iter().chain(&kept[to..]).copied().collect();
            match still_different(&best.plan, &rest)? {
                Some(difference) => {
                    kept = numbers_up_to_difference(&difference);
                    best = difference;
                    progress(kept.len());
                }
                None => from = to,
            }
        }
        chunk = if chunk == 1 { 0 } else { chunk.div_ceil(2) };
    }
    Ok(best)
}

fn still_different(plan: &Plan, only: &[usize]) -> Result<Option<Difference>, Unavailable> {
    let plan = Plan { only: Some(only.to_vec()), ..plan.clone() };
    Ok(match run(&plan, &mut |_, _| ())? {
        Verdict::Same(_) => None,
        Verdict::Different(difference) => Some(*difference),
    })
}

/// The numbers of the steps that were done until the servers differed.
fn numbers_up_to_difference(difference: &Difference) -> Vec<usize> {
    let numbers = difference.plan.numbered_steps().into_iter().map(|(number, _)| number);
    numbers.take_while(|number| difference.step.is_none_or(|step| *number <= step)).collect()
}

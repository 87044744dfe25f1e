//! Every scenario file in both worlds: what comes of it here and there, side by side, in docs/worlds.md.

mod table;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use table::Row;
use zeromaster_scenarios::ScenarioFile;

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/worlds.md")
}

/// Runs them all, on as many threads as there are cores.
fn rows(files: &[ScenarioFile]) -> Vec<Row> {
    let next = AtomicUsize::new(0);
    let rows: Mutex<Vec<(usize, Row)>> = Mutex::new(Vec::new());
    let jobs = std::thread::available_parallelism().map_or(1, |jobs| jobs.get());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let number = next.fetch_add(1, Ordering::Relaxed)
                    && let Some(file) = files.get(number)
                {
                    let row = Row::of(file);
                    rows.lock().unwrap().push((number, row));
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap();
    rows.sort_by_key(|(number, _)| *number);
    rows.into_iter().map(|(_, row)| row).collect()
}

#[test]
fn every_scenario_that_madsim_can_express_has_the_same_verdict_there() {
    let rows = rows(&zeromaster_scenarios::all().unwrap());
    let wrong: Vec<String> = rows.iter().filter_map(Row::is_wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let (page, made) = (page(), table::page(&rows));
    let written = std::fs::read_to_string(&page).unwrap_or_default();
    if written != made {
        // Where nobody looks at the difference nothing is mended, or the second try would pass.
        if std::env::var_os("CI").is_none() {
            std::fs::write(&page, made).unwrap();
        }
        panic!(
            "docs/worlds.md was not up to date; without CI in the environment it is now: look at the difference"
        );
    }
}

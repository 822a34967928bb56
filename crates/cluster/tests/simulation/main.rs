//! Members in a network that loses, delays, repeats and cuts; they crash, lose their disks and run
//! full; their clocks are off by hours. Virtual time, and chance that repeats: a failure prints its
//! seed, and `CIDCAST_SIMULATION_SEED` runs that one alone.
//!
//! At every step: no copy that is wanted is let go while too few others have it, and nobody keeps
//! more than it offers. After everything has healed: one pinset, and every root at as many members
//! as can have it.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "test")]

mod chance;
mod member;
mod outcome;
mod story;
mod world;

/// Runs without being asked for more; `CIDCAST_SIMULATION_SEEDS` asks for another number.
const SEEDS: u64 = 100;

#[test]
fn a_cluster_heals() {
    if let Some(seed) = number("CIDCAST_SIMULATION_SEED") {
        let healed = story::run(seed);
        println!("seed {seed}: {healed:?}");
        return;
    }
    let seeds = number("CIDCAST_SIMULATION_SEEDS").unwrap_or(SEEDS);
    let halves = [0, 1].map(|from| std::thread::spawn(move || half(from, seeds)));
    let mut times: Vec<u64> = halves
        .into_iter()
        .flat_map(|half| half.join().expect("a seed failed: it is printed above"))
        .collect();
    times.sort_unstable();
    let middle = times.get(times.len() / 2);
    println!(
        "{seeds} seeds healed; in the middle after {middle:?} s, at the latest after {:?} s",
        times.last()
    );
}

/// Every other seed.
fn half(from: u64, seeds: u64) -> Vec<u64> {
    (from..seeds).step_by(2).map(one).collect()
}

/// Seconds until everything had healed.
fn one(seed: u64) -> u64 {
    match std::panic::catch_unwind(|| story::run(seed)) {
        Ok(seconds) => seconds,
        Err(panic) => {
            eprintln!("CIDCAST_SIMULATION_SEED={seed} fails");
            std::panic::resume_unwind(panic)
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

//! Numbers that look random and are the same in every run.

/// splitmix64.
#[derive(Debug, Clone)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0)
    }

    /// From 0 up to 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(super) fn happens(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// A wait until something that happens every `mean` on average.
    pub(super) fn wait(&mut self, mean: f64) -> u64 {
        (-(1.0 - self.unit()).ln() * mean) as u64
    }

    pub(super) fn pick<T: Copy>(&mut self, among: &[T]) -> Option<T> {
        let most = among.len() as u64;
        let chosen = self.next().checked_rem(most)?;
        among.get(chosen as usize).copied()
    }

    /// `most` of them, in random order.
    pub(super) fn sample<T: Copy>(&mut self, mut among: Vec<T>, most: usize) -> Vec<T> {
        let mut taken = Vec::new();
        while taken.len() < most && !among.is_empty() {
            let chosen = self.next() % among.len() as u64;
            taken.push(among.swap_remove(chosen as usize));
        }
        taken
    }
}

/// A number that looks random and is always the same for the same one.
pub(super) fn mixed(number: u64) -> u64 {
    let mut z = number;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

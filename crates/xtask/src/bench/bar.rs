//! The bars that this project is held to, and how far a measurement is from them.

use std::fmt;

/// A limit of a ratio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Bar {
    AtMost(f64),
    AtLeast(f64),
    /// Only to be known.
    None,
}

/// The ratios of all rounds beside their bar.
#[derive(Debug)]
pub(super) struct Measured {
    /// What was measured, in the words of the table of bars.
    pub(super) what: &'static str,
    /// What the ratio is of.
    pub(super) beside: &'static str,
    pub(super) bar: Bar,
    /// One for each round, at least one.
    pub(super) ratios: Vec<f64>,
}

impl Measured {
    pub(super) fn passes(&self) -> bool {
        let median = self.median();
        match self.bar {
            Bar::AtMost(limit) => median <= limit,
            Bar::AtLeast(limit) => median >= limit,
            Bar::None => true,
        }
    }

    /// The middle ratio, or between the two middle ones; NaN, which passes nothing, of none.
    fn median(&self) -> f64 {
        let sorted = self.sorted();
        let upper = sorted.len() / 2;
        let lower = sorted.len().saturating_sub(1) / 2;
        match (sorted.get(lower), sorted.get(upper)) {
            (Some(lower), Some(upper)) => f64::midpoint(*lower, *upper),
            _ => f64::NAN,
        }
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.ratios.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sorted = self.sorted();
        let lowest = sorted.first().copied().unwrap_or(f64::NAN);
        let highest = sorted.last().copied().unwrap_or(f64::NAN);
        write!(
            f,
            "{:<32} {:>6.3} × {} ({lowest:.3} to {highest:.3} in {})",
            self.what,
            self.median(),
            self.beside,
            sorted.len(),
        )?;
        let (sign, limit) = match self.bar {
            Bar::AtMost(limit) => ("≤", limit),
            Bar::AtLeast(limit) => ("≥", limit),
            Bar::None => return Ok(()),
        };
        let verdict = if self.passes() { "pass" } else { "MISSED" };
        write!(f, ", bar {sign} {limit}: {verdict}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(bar: Bar, ratios: &[f64]) -> Measured {
        Measured {
            what: "a thing",
            beside: "another",
            bar,
            ratios: ratios.to_vec(),
        }
    }

    #[test]
    fn one_round_that_went_wrong_does_not_decide() {
        assert!(measured(Bar::AtMost(1.0), &[0.9, 7.0, 0.8]).passes());
        assert!(measured(Bar::AtLeast(1.5), &[0.1, 1.6, 1.7]).passes());
        assert!(!measured(Bar::AtMost(1.0), &[1.1, 0.2, 1.1]).passes());
    }

    #[test]
    fn an_even_number_of_rounds_has_a_middle() {
        assert!(measured(Bar::AtMost(1.0), &[0.5, 1.5]).passes());
        assert!(!measured(Bar::AtMost(0.9), &[0.5, 1.5]).passes());
    }

    #[test]
    fn nothing_measured_is_nothing_passed() {
        assert!(!measured(Bar::AtMost(1.0), &[]).passes());
        assert!(!measured(Bar::AtLeast(1.0), &[]).passes());
    }

    #[test]
    fn the_line_shows_the_bar_and_the_spread() {
        let line = measured(Bar::AtLeast(1.5), &[2.0, 1.0, 3.0]).to_string();
        assert!(
            line.contains("2.000 × another (1.000 to 3.000 in 3)"),
            "{line}"
        );
        assert!(line.ends_with("bar ≥ 1.5: pass"), "{line}");
    }
}

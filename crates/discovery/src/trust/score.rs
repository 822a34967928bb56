//! The rule of scores: 10 more for what is delivered, 10 less for what is not, revoked at 0.

use cidcast_catalog::Conduct;

/// The most that anybody has.
pub const MAX_SCORE: u16 = 1000;
/// What one deed earns or costs.
const STEP: u16 = 10;
/// Who is only unreachable does not fall below: a machine that is off for good has done nothing
/// wrong, and what it published must outlive it.
const FLOOR_OF_THE_ABSENT: u16 = STEP;

/// What somebody did, as far as this node saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// It gave what it was asked for, or something new and valid.
    Delivered,
    /// It could not be reached, or did not answer in time.
    Unreachable,
    /// What it sent is no message of the protocol.
    Malformed,
    /// What it sent is not signed by whom it names.
    Forged,
    /// It sent more than is allowed, or more often.
    Excessive,
    /// It answered with something else than it was asked for.
    OffTheMark,
    /// It signed two announcements with one number.
    Forked,
    /// It signed something that breaks the rules of its feed: a number, a link or a time.
    BrokeRules,
}

impl Deed {
    /// In words, for the operator.
    pub fn why(self) -> &'static str {
        match self {
            Self::Delivered => "delivered what was asked for",
            Self::Unreachable => "could not be reached or did not answer in time",
            Self::Malformed => "sent something that is no message",
            Self::Forged => "sent something that is not signed by whom it names",
            Self::Excessive => "sent more than is allowed",
            Self::OffTheMark => "answered with something else than it was asked for",
            Self::Forked => "signed two announcements with one number",
            Self::BrokeRules => "signed an announcement that breaks the rules of its feed",
        }
    }

    pub(super) fn conduct(self) -> Conduct {
        match self {
            Self::Delivered => Conduct::Good,
            _ => Conduct::Bad,
        }
    }

    /// The score after it. Who is revoked stays so until the operator says otherwise.
    pub fn after(self, score: u16) -> u16 {
        match self {
            _ if score == 0 => 0,
            Self::Delivered => score.saturating_add(STEP).min(MAX_SCORE),
            Self::Unreachable => score.min(FLOOR_OF_THE_ABSENT.max(score.saturating_sub(STEP))),
            Self::Malformed
            | Self::Forged
            | Self::Excessive
            | Self::OffTheMark
            | Self::Forked
            | Self::BrokeRules => score.saturating_sub(STEP),
        }
    }
}

#[cfg(test)]
mod tests {
    use cidcast_catalog::FIRST_SCORE;
    use proptest::prelude::*;

    use super::*;

    fn any_deed() -> impl Strategy<Value = Deed> {
        prop::sample::select(vec![
            Deed::Delivered,
            Deed::Unreachable,
            Deed::Malformed,
            Deed::Forged,
            Deed::Excessive,
            Deed::OffTheMark,
            Deed::Forked,
            Deed::BrokeRules,
        ])
    }

    fn after(deeds: &[Deed]) -> u16 {
        let mut score = FIRST_SCORE;
        for deed in deeds {
            score = deed.after(score);
        }
        score
    }

    #[test]
    fn ten_bad_deeds_in_a_row_revoke_a_newcomer_and_nine_do_not() {
        assert_eq!(after(&[Deed::Forged; 9]), 10);
        assert_eq!(after(&[Deed::Forged; 10]), 0);
    }

    #[test]
    fn ninety_good_deeds_reach_the_ceiling() {
        assert_eq!(after(&[Deed::Delivered; 89]), 990);
        assert_eq!(after(&[Deed::Delivered; 200]), MAX_SCORE);
    }

    #[test]
    fn who_is_off_for_good_is_not_revoked_for_it() {
        assert_eq!(after(&[Deed::Unreachable; 500]), 10);
    }

    proptest! {
        #[test]
        fn a_score_stays_in_its_range_and_moves_one_step_at_most(
            deeds in prop::collection::vec(any_deed(), 0..300),
        ) {
            let mut score = FIRST_SCORE;
            for deed in deeds {
                let next = deed.after(score);
                prop_assert!(next <= MAX_SCORE);
                prop_assert!(next.abs_diff(score) <= STEP);
                match deed.conduct() {
                    Conduct::Good => prop_assert!(next >= score),
                    _ => prop_assert!(next <= score),
                }
                prop_assert!(score != 0 || next == 0, "revoked for good");
                score = next;
            }
        }

        #[test]
        fn one_bad_deed_costs_what_one_good_deed_earned(score in 10u16..MAX_SCORE - 10) {
            prop_assert_eq!(Deed::Forged.after(Deed::Delivered.after(score)), score);
        }
    }
}

//! Counting tests in what test runners print.

use std::ops::AddAssign;

/// How many tests (or checks) ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl Count {
    /// A check that passed without counting anything is one.
    pub(crate) fn at_least_one(self) -> Self {
        if self == Self::default() {
            Self { passed: 1, ..self }
        } else {
            self
        }
    }

    /// Adds what a line of a test runner says: cargo's `test result:` or the closing lines of
    /// Node's runner.
    pub(crate) fn read(&mut self, line: &str) {
        if let Some(result) = line.strip_prefix("test result:") {
            self.passed += before(result, " passed;");
            self.failed += before(result, " failed;");
            self.skipped += before(result, " ignored;");
            return;
        }
        let Some(rest) = line.strip_prefix("# ").or_else(|| line.strip_prefix("ℹ ")) else {
            return;
        };
        let Some((what, number)) = rest.split_once(' ') else {
            return;
        };
        let Ok(number) = number.trim().parse::<u64>() else {
            return;
        };
        match what {
            "pass" => self.passed += number,
            "fail" | "cancelled" => self.failed += number,
            "skipped" | "todo" => self.skipped += number,
            _ => {}
        }
    }
}

/// The number that stands before `mark`.
fn before(text: &str, mark: &str) -> u64 {
    let Some((head, _)) = text.split_once(mark) else {
        return 0;
    };
    head.rsplit(' ')
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> Count {
        let mut count = Count::default();
        text.lines().for_each(|line| count.read(line));
        count
    }

    #[test]
    fn the_result_lines_of_cargo_test_add_up() {
        let said = "running 3 tests\ntest a ... ok\n\
            test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n\
            test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out\n";
        assert_eq!(
            count(said),
            Count {
                passed: 14,
                failed: 3,
                skipped: 1
            }
        );
    }

    #[test]
    fn the_closing_lines_of_node_count_in_both_of_its_forms() {
        let said = "# tests 7\n# pass 5\n# fail 1\n# cancelled 0\n# skipped 1\n# duration_ms 5.5\n";
        assert_eq!(
            count(said),
            Count {
                passed: 5,
                failed: 1,
                skipped: 1
            }
        );
        assert_eq!(
            count(&said.replace('#', "ℹ")),
            Count {
                passed: 5,
                failed: 1,
                skipped: 1
            }
        );
    }

    #[test]
    fn what_a_test_prints_about_passing_is_not_counted() {
        assert_eq!(
            count("I passed; 3 passed; 4\n# pass word\n#pass 3\n"),
            Count::default()
        );
    }

    #[test]
    fn a_check_counts_as_one() {
        assert_eq!(Count::default().at_least_one().passed, 1);
        assert_eq!(
            Count {
                passed: 5,
                ..Count::default()
            }
            .at_least_one()
            .passed,
            5
        );
        assert_eq!(
            Count {
                skipped: 5,
                ..Count::default()
            }
            .at_least_one()
            .passed,
            0
        );
    }
}

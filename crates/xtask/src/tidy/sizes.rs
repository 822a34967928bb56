//! Files and functions fit a head.

use std::fmt;

use super::source::Source;

const FILE_MAX: usize = 800;
const FILE_USUAL: usize = 500;
const FILE_MEDIAN: usize = 200;
const FUNCTION_MAX: usize = 70;
const FUNCTION_USUAL: usize = 40;
/// How many of a hundred have to be of the usual size.
const USUALLY: usize = 95;

/// The sizes of all files and functions.
#[derive(Debug, Default)]
pub(crate) struct Sizes {
    files: Vec<(usize, String)>,
    functions: Vec<(usize, String)>,
}

impl Sizes {
    pub(crate) fn of(sources: &[&Source]) -> Self {
        let mut sizes = Self::default();
        for source in sources {
            let path = source.path.display();
            sizes
                .files
                .push((source.production_lines, path.to_string()));
            for function in &source.functions {
                let place = format!("{path}:{}: {}", function.line, function.name);
                sizes.functions.push((function.lines, place));
            }
        }
        sizes.files.sort();
        sizes.functions.sort();
        sizes
    }

    pub(crate) fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for (what, all, max, usual) in [
            ("file", &self.files, FILE_MAX, FILE_USUAL),
            ("function", &self.functions, FUNCTION_MAX, FUNCTION_USUAL),
        ] {
            for (lines, place) in all.iter().filter(|(lines, _)| *lines > max) {
                complaints.push(format!(
                    "{place} has {lines} lines; a {what} has {max} at most: split it"
                ));
            }
            let large: Vec<_> = all.iter().filter(|(lines, _)| *lines > usual).collect();
            if large.len() * 100 > all.len() * (100 - USUALLY) {
                let places = large
                    .iter()
                    .map(|(lines, place)| format!("\n    {lines} {place}"));
                complaints.push(format!(
                    "{} of {} {what}s are longer than {usual} lines; {USUALLY} % have to be shorter:{}",
                    large.len(),
                    all.len(),
                    places.collect::<String>()
                ));
            }
        }
        if let Some((median, _)) = middle(&self.files)
            && *median > FILE_MEDIAN
        {
            complaints.push(format!(
                "the median file has {median} lines; {FILE_MEDIAN} at most"
            ));
        }
        complaints
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, all) in [("files", &self.files), ("functions", &self.functions)] {
            let (Some(median), Some(longest)) = (middle(all), all.last()) else {
                continue;
            };
            let (median, (longest, place)) = (median.0, longest);
            writeln!(
                f,
                "{} {what}: median {median} lines, longest {longest} ({place})",
                all.len()
            )?;
        }
        Ok(())
    }
}

fn middle<T>(sorted: &[T]) -> Option<&T> {
    sorted.get(sorted.len().saturating_sub(1) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(files: &[usize], functions: &[usize]) -> Vec<String> {
        let named = |sizes: &[usize]| {
            let mut named: Vec<_> = sizes
                .iter()
                .map(|lines| (*lines, format!("a{lines}")))
                .collect();
            named.sort();
            named
        };
        Sizes {
            files: named(files),
            functions: named(functions),
        }
        .complaints()
    }

    #[test]
    fn ordinary_sizes_are_fine() {
        assert_eq!(sizes(&[1, 200, 500], &[1, 40]), Vec::<String>::new());
        assert_eq!(sizes(&[], &[]), Vec::<String>::new());
    }

    #[test]
    fn the_hard_limits_name_the_place() {
        let mut files = vec![10; 99];
        files.push(801);
        let mut functions = vec![10; 99];
        functions.push(71);
        let complaints = sizes(&files, &functions);
        assert_eq!(complaints.len(), 2, "{complaints:?}");
        assert!(
            complaints[0].contains("a801") && complaints[1].contains("a71"),
            "{complaints:?}"
        );
    }

    #[test]
    fn one_in_twenty_may_be_large_and_no_more() {
        let mut files = vec![10; 95];
        files.extend([600; 5]);
        assert_eq!(sizes(&files, &[]).len(), 0);
        files.push(600);
        assert_eq!(sizes(&files, &[]).len(), 1);
    }

    #[test]
    fn the_median_is_held_low() {
        assert_eq!(sizes(&[100, 201, 201], &[]).len(), 1);
    }
}

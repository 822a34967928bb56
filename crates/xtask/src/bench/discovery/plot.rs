//! A picture of how travel grows with the network.

use std::fmt::Write as _;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 250.0;

/// Seconds until half of the nodes had an announcement, and until 99 % had, by nodes: SVG.
pub(super) fn travel(curve: &[(f64, [f64; 2])]) -> String {
    let seconds = curve.iter().flat_map(|(_, seconds)| *seconds);
    let most = seconds.fold(0.1, f64::max);
    let x = |nodes: f64| LEFT + (nodes.log10() - 1.0) / 2.0 * (WIDTH - LEFT - 40.0);
    let y = |seconds: f64| BOTTOM - seconds / most * (BOTTOM - 30.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <path d=\"M{LEFT} 20V{BOTTOM}H{WIDTH}\" fill=\"none\" stroke=\"#888\"/>\n"
    );
    for part in [0.0, 0.5, 1.0] {
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{:.2} s</text>",
            LEFT - 6.0,
            y(most * part) + 4.0,
            most * part
        );
    }
    for (nodes, _) in curve {
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{nodes} nodes</text>",
            x(*nodes),
            BOTTOM + 20.0
        );
    }
    let lines = [("50 % have it", "#1f77b4"), ("99 % have it", "#d62728")];
    for (which, (name, colour)) in lines.into_iter().enumerate() {
        let points = curve.iter().filter_map(|(nodes, seconds)| {
            let seconds = seconds.get(which)?;
            Some(format!("{:.1},{:.1}", x(*nodes), y(*seconds)))
        });
        let points: Vec<String> = points.collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n\
             <text x=\"{:.0}\" y=\"{}\" fill=\"{colour}\">{name}</text>",
            points.join(" "),
            LEFT + 20.0,
            36 + 18 * which
        );
    }
    svg + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_has_a_line_for_each_share() {
        let svg = travel(&[(10.0, [0.1, 0.2]), (1000.0, [0.5, 1.0])]);
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(svg.contains("1000 nodes") && svg.ends_with("</svg>\n"));
    }
}

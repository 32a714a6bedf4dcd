//! Converts metrics from the `OpenMetrics` text format to the older one of Prometheus. In the older
//! format the name of a counter's family ends in `_total`, like its series; `OpenMetrics` also has
//! units and an end marker.

use std::collections::HashSet;

/// For clients that do not request `OpenMetrics`, such as `promtool check metrics`.
pub fn to_prometheus_text(open_metrics: &str) -> String {
    let counters: HashSet<&str> = open_metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        match of_counter(line, &counters) {
            Some((kind, name, rest)) => {
                text.extend([kind, name, "_total ", rest]);
            }
            None => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

/// A line about the family of a counter: what precedes its name, the name, and what follows.
fn of_counter<'l>(
    line: &'l str,
    counters: &HashSet<&str>,
) -> Option<(&'static str, &'l str, &'l str)> {
    let kinds = ["# HELP ", "# TYPE "];
    kinds.into_iter().find_map(|kind| {
        let (name, rest) = line.strip_prefix(kind)?.split_once(' ')?;
        counters.contains(name).then_some((kind, name, rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_families_of_counters_are_renamed() {
        let open_metrics = "# HELP a Requests.\n# TYPE a counter\na_total{b=\"c\"} 1\n\
                            # HELP a_bytes Size.\n# TYPE a_bytes gauge\n# UNIT a_bytes bytes\na_bytes 2\n# EOF\n";
        assert_eq!(
            to_prometheus_text(open_metrics),
            "# HELP a_total Requests.\n# TYPE a_total counter\na_total{b=\"c\"} 1\n\
             # HELP a_bytes Size.\n# TYPE a_bytes gauge\na_bytes 2\n"
        );
    }
}

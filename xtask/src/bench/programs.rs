//! The benchmarks that are programs of a package. Each prints tables of two columns, work and figure, whose heads
//! name the unit last.

use anyhow::Result;

use super::table::Table;
use crate::{
    console::say,
    workspace::{command, output},
};

pub(super) fn run(package: &str, bench: &str) -> Result<()> {
    say(&format!("Measuring {package}."));
    let printed =
        output(command("cargo")?.args(["bench", "--quiet", "--package", package, "--bench", bench]))?;
    parse(&printed).show(package);
    Ok(())
}

fn parse(printed: &str) -> Table {
    let mut table = Table::default();
    let mut unit = "";
    for line in printed.lines() {
        // Columns are two spaces apart; "p99 ms" is one unit.
        let Some((work, last)) = line.trim().rsplit_once("  ") else { continue };
        match last.parse() {
            Ok(figure) => table.add(work.trim_end(), unit, figure),
            Err(_) => unit = last,
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_with_the_unit_above_them() {
        let mut expected = Table::default();
        expected.add("PUT of 64 KiB", "blobs/s", 4000.0);
        expected.add("PUT of 64 KiB", "p99 ms", 12.5);
        let printed =
            "durable      blobs/s\nPUT of 64 KiB     4000\n\nwaiting   p99 ms\nPUT of 64 KiB   12.5\n";
        assert_eq!(parse(printed).rows(), expected.rows());
    }
}

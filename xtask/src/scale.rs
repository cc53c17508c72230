//! Runs the Signal Tree's simulation (`crates/maniac-signal-tree/examples/scale.rs`) and writes what it found: a table and a plot.

use crate::{Outcome, tree, workspace};
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

const PAGE: &str = "docs/scale.md";
const PLOT: &str = "docs/scale.svg";

/// A line that the simulation prints.
struct Row {
    load: String,
    workers: u32,
    structure: String,
    lines: f64,
    looks: f64,
}

pub(crate) fn run() -> Outcome {
    let rows = parse(&simulate()?)?;
    let root = tree::root();
    for (path, text) in [(PAGE, page(&rows)), (PLOT, plot(&rows))] {
        fs::write(root.join(path), text).map_err(|error| format!("{path} cannot be written: {error}"))?;
        println!("written: {path}");
    }
    Ok(true)
}

fn simulate() -> Result<String, String> {
    let root = tree::root();
    let output = Command::new(workspace::program())
        .args(["run", "--quiet", "--release", "--package=maniac-signal-tree", "--example=scale"])
        .env("RUSTFLAGS", "--cfg maniac_count")
        .env("CARGO_TARGET_DIR", root.join("target/count"))
        .current_dir(root)
        .output()
        .map_err(|error| format!("cargo could not be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("the simulation failed:\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    String::from_utf8(output.stdout).map_err(|_| "the simulation printed what is not UTF-8".to_owned())
}

fn parse(text: &str) -> Result<Vec<Row>, String> {
    let rows: Option<Vec<Row>> = text
        .lines()
        .skip(1)
        .map(|line| {
            let mut cells = line.split('\t');
            Some(Row {
                load: cells.next()?.to_owned(),
                workers: cells.next()?.parse().ok()?,
                structure: cells.next()?.to_owned(),
                lines: cells.next()?.parse().ok()?,
                looks: cells.next()?.parse().ok()?,
            })
        })
        .collect();
    rows.filter(|rows| !rows.is_empty())
        .ok_or_else(|| format!("the simulation printed another form than expected:\n{text}"))
}

/// The values that occur, in the order in which they first do.
fn distinct<T: PartialEq + Clone>(all: impl Iterator<Item = T>) -> Vec<T> {
    all.fold(Vec::new(), |mut seen, value| {
        if !seen.contains(&value) {
            seen.push(value);
        }
        seen
    })
}

fn page(rows: &[Row]) -> String {
    let mut text = String::from(
        "# What finding work costs, by the number of workers\n\n\
         Made by `cargo xtask scale`. The real Signal Tree over counting atomics, and a work-stealing deque for each worker (Chase and Lev, 2005; a thief takes one task\n\
         of a victim chosen at random), on a simulated machine with exclusive and shared cache lines: `crates/maniac-signal-tree/examples/scale.rs`. For each task that ran: cache\n\
         lines that had to come from another core, and words of shared memory that were read or written. Workers that find nothing look again.\n\n\
         ![lines for each task, by workers](scale.svg)\n",
    );
    for load in distinct(rows.iter().map(|row| row.load.clone())) {
        let _ = write!(text, "\n## Load: {load}\n\n| workers |");
        let here: Vec<&Row> = rows.iter().filter(|row| row.load == load).collect();
        let structures = distinct(here.iter().map(|row| row.structure.clone()));
        for structure in &structures {
            let _ = write!(text, " {structure}: lines | looks |");
        }
        let _ = writeln!(text, "\n|{}", "---|".repeat(1 + 2 * structures.len()));
        for workers in distinct(here.iter().map(|row| row.workers)) {
            let _ = write!(text, "| {workers} |");
            for row in here.iter().filter(|row| row.workers == workers) {
                let _ = write!(text, " {:.2} | {:.1} |", row.lines, row.looks);
            }
            text.push('\n');
        }
    }
    text
}

const WIDTH: f64 = 800.0;
/// Room for the names beside the lines.
const NAMES: f64 = 270.0;
const HEIGHT: f64 = 380.0;
const LEFT: f64 = 50.0;
const BOTTOM: f64 = 330.0;
const COLOURS: [&str; 4] = ["#2563eb", "#dc2626", "#60a5fa", "#f87171"];

/// Lines for each task over the number of workers, which doubles from mark to mark.
fn plot(rows: &[Row]) -> String {
    let top = rows.iter().map(|row| row.lines).fold(1.0, f64::max).ceil();
    let first = rows.iter().map(|row| row.workers).min().unwrap_or(1);
    let steps = f64::from(rows.iter().map(|row| row.workers).max().unwrap_or(1) / first).log2().max(1.0);
    let x = |workers: u32| LEFT + f64::from(workers / first).log2() / steps * (WIDTH - LEFT - NAMES);
    let y = |lines: f64| BOTTOM - lines / top * (BOTTOM - 20.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for mark in 0..=top as u32 {
        let at = y(f64::from(mark));
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {at:.1}H{:.1}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{mark}</text>",
            WIDTH - NAMES,
            LEFT - 8.0,
            at + 4.0
        );
    }
    for workers in distinct(rows.iter().map(|row| row.workers)) {
        let (at, under) = (x(workers), BOTTOM + 18.0);
        let _ = writeln!(svg, "<text x=\"{at:.1}\" y=\"{under}\" text-anchor=\"middle\">{workers}</text>");
    }
    let series = distinct(rows.iter().map(|row| (row.load.clone(), row.structure.clone())));
    for ((load, structure), colour) in series.iter().zip(COLOURS) {
        let of = rows.iter().filter(|row| row.load == *load && row.structure == *structure);
        let points: Vec<String> =
            of.clone().map(|row| format!("{:.1},{:.1}", x(row.workers), y(row.lines))).collect();
        let last = of.clone().next_back().map_or(0.0, |row| y(row.lines));
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{structure}, {load}</text>",
            points.join(" "),
            WIDTH - NAMES + 8.0,
            last + 4.0
        );
    }
    let _ = write!(
        svg,
        "<text x=\"{LEFT}\" y=\"{:.1}\">cache lines moved for each task, by workers (simulated)</text>\n</svg>\n",
        BOTTOM + 40.0
    );
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_a_table_and_a_plot() {
        let rows = parse("load\tworkers\tstructure\tlines\tlooks\nl\t8\ttree\t1.5\t9\nl\t8\tdeques\t3\t12\n")
            .unwrap();
        assert!(page(&rows).contains("| 8 | 1.50 | 9.0 | 3.00 | 12.0 |"));
        assert!(plot(&rows).contains("deques, l"));
        assert!(parse("load\nnonsense").is_err());
        assert!(parse("load").is_err());
    }
}

//! What two sides of a race cost.

use std::{hint::black_box, time::Instant};

use cpu_time::ProcessTime;

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    quantile(&mut values, 0.5)
}

pub(crate) fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = ((values.len() as f64 * part) as usize).min(values.len().saturating_sub(1));
    values.get(index).copied().unwrap_or_default()
}

/// What one side of a race has cost: CPU and wall time of each turn, in microseconds.
#[derive(Default)]
pub(crate) struct Cost {
    pub(crate) cpu: Vec<f64>,
    pub(crate) wall: Vec<f64>,
}

impl Cost {
    pub(crate) fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let (cpu, wall) = (ProcessTime::now(), instant());
        let done = black_box(work());
        self.cpu.push(cpu.elapsed().as_secs_f64() * 1e6);
        self.wall.push(wall.elapsed().as_secs_f64() * 1e6);
        done
    }
}

/// Prints what `unit` things of a turn cost each, in CPU time, beside the driver if it took turns.
pub(crate) fn show(size: u32, what: &str, unit: f64, store: Cost, driver: Option<Cost>) {
    let cpu = median(store.cpu.clone()) / unit;
    let mut wall = store.wall;
    let (p50, p99) = (quantile(&mut wall, 0.5), quantile(&mut wall, 0.99));
    print!("{size:>9} {what:<36} {cpu:>10.2} ");
    match driver {
        Some(driver) => {
            let ratios = store.cpu.iter().zip(&driver.cpu).map(|(ours, theirs)| ours / theirs);
            let ratio = median(ratios.collect());
            print!("{:>10.2} {ratio:>7.2} ", median(driver.cpu) / unit);
        }
        None => print!("{:>10} {:>7} ", "-", "-"),
    }
    println!("{p50:>10.0} {p99:>10.0}");
}

pub(crate) fn header() {
    println!(
        "{:>9} {:<36} {:>10} {:>10} {:>7} {:>10} {:>10}",
        "domains", "CPU and wall time, microseconds", "store", "driver", "ratio", "p50", "p99"
    );
}

//! What finding work costs with 8 to 512 workers, on a simulated machine: cache lines that move and words that are looked at, for each task, by the
//! Signal Tree and by a deque for each worker (Chase and Lev, "Dynamic circular work-stealing deque", SPAA 2005; a
//! thief takes one task from a victim chosen at random).
//!
//! The tree is the real one over counting atomics; the workers take turns in random order, so that nothing is measured but what
//! the algorithms do. `cargo xtask scale` runs it and writes `docs/scale.md`.
//! `RUSTFLAGS="--cfg maniac_count" cargo run -p maniac-signal-tree --release --example scale [TASKS]`
#![allow(unexpected_cfgs, reason = "maniac_count is this crate's own")]
#![allow(clippy::print_stdout, reason = "an example")]

#[cfg(not(maniac_count))]
fn main() {
    println!("build it with RUSTFLAGS=\"--cfg maniac_count\": only then the tree's atomics count");
}

#[cfg(maniac_count)]
fn main() {
    // For each worker, and as many before them for warming up.
    let tasks: usize = std::env::args().nth(1).map_or(1000, |word| word.parse().expect("a number of tasks"));
    println!("load\tworkers\tstructure\tlines\tlooks");
    for load in [simulation::Load::HalfBusy, simulation::Load::OneProducer] {
        for workers in [8, 16, 32, 64, 128, 256, 512] {
            for (name, cost) in simulation::run(load, workers, tasks * workers) {
                println!("{}\t{workers}\t{name}\t{:.3}\t{:.3}", load.name(), cost.lines, cost.looks);
            }
        }
    }
}

#[cfg(maniac_count)]
mod simulation {
    use maniac_signal_tree::count::{self, AtomicU64};
    use maniac_signal_tree::{Hand, LeafIndex, Neighbours, SignalTree, TakeMode, Taken};
    use std::cell::RefCell;
    use std::collections::HashMap;
    use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

    /// Who makes work, and how much of it there is.
    #[derive(Clone, Copy)]
    pub(crate) enum Load {
        /// As many tasks as workers, half of them ready; one that has run is ready again or, one time in ten, another one in its place.
        HalfBusy,
        /// One worker makes tasks, up to four for each worker, and all others run them.
        OneProducer,
    }

    impl Load {
        pub(crate) fn name(self) -> &'static str {
            match self {
                Load::HalfBusy => "half of the workers have a task",
                Load::OneProducer => "one worker makes all tasks",
            }
        }
    }

    /// For each task that ran.
    pub(crate) struct Cost {
        pub(crate) lines: f64,
        pub(crate) looks: f64,
    }

    /// SplitMix64.
    struct Random(u64);

    impl Random {
        fn below(&mut self, end: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) % end as u64) as usize
        }
    }

    /// Who has each line, under a protocol of exclusive and shared lines.
    #[derive(Default)]
    struct Machine {
        core: usize,
        lines: HashMap<usize, [u64; 8]>,
        moved: u64,
        looks: u64,
    }

    thread_local! {
        static MACHINE: RefCell<Machine> = RefCell::default();
    }

    fn access(access: count::Access) {
        MACHINE.with_borrow_mut(|machine| {
            machine.looks += 1;
            let core = machine.core;
            let holders = machine.lines.entry(access.address / 64).or_default();
            let here = holders[core / 64] >> (core % 64) & 1 == 1;
            let alone = holders.iter().map(|word| word.count_ones()).sum::<u32>() == 1;
            machine.moved += u64::from(!(here && (alone || !access.writes)));
            if access.writes {
                *holders = [0; 8];
            }
            holders[core / 64] |= 1 << (core % 64);
        });
    }

    /// The ready tasks of all workers.
    trait Structure {
        const NAME: &'static str;
        fn new(workers: usize) -> Self;
        /// Makes `task` ready, by worker `by`.
        fn make_ready(&mut self, by: usize, task: usize);
        /// The next task of `worker`: its own or, with one attempt, somebody else's.
        fn next(&mut self, worker: usize, random: &mut Random) -> Option<usize>;
    }

    struct Tree {
        tree: SignalTree,
        leaves: Vec<LeafIndex>,
        workers: Vec<TreeWorker>,
    }

    struct TreeWorker {
        hand: Hand,
        steal_hand: Hand,
        neighbours: Neighbours,
        batch: Option<Taken>,
    }

    impl Structure for Tree {
        const NAME: &'static str = "Signal Tree";

        fn new(workers: usize) -> Self {
            let tree = SignalTree::new(workers, workers).unwrap();
            let leaves = (0..workers).map(|worker| tree.add_leaf(worker).unwrap()).collect();
            let make = |worker| TreeWorker {
                hand: Hand::new(),
                steal_hand: Hand::new(),
                neighbours: Neighbours::all(worker, workers).unwrap(),
                batch: None,
            };
            Tree { tree, leaves, workers: (0..workers).map(make).collect() }
        }

        /// Task `n` is slot `n / workers` in the partition of worker `n % workers`.
        fn make_ready(&mut self, _: usize, task: usize) {
            let (home, slot) = (task % self.leaves.len(), task / self.leaves.len());
            let _ = self.tree.set(self.leaves[home].slot(slot as u32));
        }

        fn next(&mut self, worker: usize, _: &mut Random) -> Option<usize> {
            let me = &mut self.workers[worker];
            if me.batch.as_ref().is_none_or(Taken::is_empty) {
                me.batch = self
                    .tree
                    .take(worker, &mut me.hand, TakeMode::Whole)
                    .or_else(|| self.tree.steal(&me.neighbours, &mut me.steal_hand, TakeMode::Half));
            }
            let slot = me.batch.as_mut()?.pop()? as usize;
            Some((slot & 0xfff) * self.leaves.len() + (slot >> 12))
        }
    }

    /// Deques as in the paper, of a fixed size. The atomics count; the order in which one thread runs all workers is theirs.
    struct Deques(Vec<Deque>);

    #[repr(align(128))]
    struct Deque {
        top: Padded,
        bottom: Padded,
        tasks: Vec<AtomicU64>,
    }

    #[repr(align(128))]
    struct Padded(AtomicU64);

    const ROOM: u64 = 4096;

    impl Deque {
        fn place(&self, at: u64) -> &AtomicU64 {
            &self.tasks[(at % ROOM) as usize]
        }

        fn push(&self, task: u64) {
            let bottom = self.bottom.0.load(Relaxed);
            assert!(bottom - self.top.0.load(Acquire) < ROOM, "the simulated load keeps within the deque");
            self.place(bottom).swap(task, Relaxed);
            self.bottom.0.swap(bottom + 1, Release);
        }

        fn pop(&self) -> Option<u64> {
            let (bottom, top) = (self.bottom.0.load(Relaxed), self.top.0.load(Acquire));
            if bottom == top {
                return None;
            }
            self.bottom.0.swap(bottom - 1, AcqRel);
            let task = self.place(bottom - 1).load(Relaxed);
            if bottom - 1 == self.top.0.load(Acquire) {
                // The last one: against thieves.
                self.top.0.compare_exchange(top, top + 1, AcqRel, Relaxed).expect("workers take turns");
                self.bottom.0.swap(bottom, Relaxed);
            }
            Some(task)
        }

        fn steal(&self) -> Option<u64> {
            let (top, bottom) = (self.top.0.load(Acquire), self.bottom.0.load(Acquire));
            if top >= bottom {
                return None;
            }
            let task = self.place(top).load(Relaxed);
            self.top.0.compare_exchange(top, top + 1, AcqRel, Relaxed).ok().map(|_| task)
        }
    }

    impl Structure for Deques {
        const NAME: &'static str = "deques";

        fn new(workers: usize) -> Self {
            let make = |_| Deque {
                top: Padded(AtomicU64::new(0)),
                bottom: Padded(AtomicU64::new(0)),
                tasks: (0..ROOM).map(|_| AtomicU64::new(0)).collect(),
            };
            Deques((0..workers).map(make).collect())
        }

        /// As runtimes with deques do: it goes to who made it ready.
        fn make_ready(&mut self, by: usize, task: usize) {
            self.0[by].push(task as u64);
        }

        fn next(&mut self, worker: usize, random: &mut Random) -> Option<usize> {
            let task = self.0[worker].pop().or_else(|| self.0[random.below(self.0.len())].steal())?;
            Some(task as usize)
        }
    }

    pub(crate) fn run(load: Load, workers: usize, tasks: usize) -> [(&'static str, Cost); 2] {
        [
            (Tree::NAME, simulate::<Tree>(load, workers, tasks)),
            (Deques::NAME, simulate::<Deques>(load, workers, tasks)),
        ]
    }

    fn simulate<S: Structure>(load: Load, workers: usize, tasks: usize) -> Cost {
        count::on_access(|_| ());
        let mut random = Random(1);
        let mut structure = S::new(workers);
        MACHINE.set(Machine::default());
        count::on_access(access);
        // The tasks that are not ready, and for one producer whose slots they are: all of worker 0's partition.
        let mut idle: Vec<usize> = match load {
            Load::HalfBusy => (0..workers).collect(),
            Load::OneProducer => (0..(4 * workers).min(4096)).map(|slot| slot * workers).collect(),
        };
        if let Load::HalfBusy = load {
            for worker in 0..workers / 2 {
                let task = idle.swap_remove(random.below(idle.len()));
                structure.make_ready(worker, task);
            }
        }
        let mut ran = 0;
        let mut counting = None;
        while ran < 2 * tasks {
            if ran >= tasks && counting.is_none() {
                // The first half is for warming up.
                counting = Some(MACHINE.with_borrow(|machine| (ran, machine.moved, machine.looks)));
            }
            let worker = random.below(workers);
            MACHINE.with_borrow_mut(|machine| machine.core = worker);
            if let (Load::OneProducer, 0) = (load, worker) {
                idle.drain(..).for_each(|task| structure.make_ready(0, task));
                continue;
            }
            let Some(task) = structure.next(worker, &mut random) else { continue };
            ran += 1;
            idle.push(task);
            if let Load::HalfBusy = load {
                let place = if random.below(10) == 0 { random.below(idle.len()) } else { idle.len() - 1 };
                let task = idle.swap_remove(place);
                structure.make_ready(worker, task);
            }
        }
        let (since, moved, looks) = counting.expect("the second half was begun");
        MACHINE.with_borrow(|machine| Cost {
            lines: (machine.moved - moved) as f64 / (ran - since) as f64,
            looks: (machine.looks - looks) as f64 / (ran - since) as f64,
        })
    }
}

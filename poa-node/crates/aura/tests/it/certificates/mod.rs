//! Finality certificates on a simulated network: seeded loss, delay, partitions, restarts, keys on two nodes, and keys
//! that sign whatever helps a fork. Thousands of steps a run; a failure prints the seed, and `AURUM_SIM_SEED=N` repeats
//! it alone.
//!
//! What is simulated is everything around [`Participant`](aurum_aura::certificate::Participant), which is the node's own:
//! blocks are made by the proposers of their steps, fork choice is the node's (certified, then justified, then score).

mod network;
mod node;
mod random;
mod world;

use network::{Conduct, Simulation, Weather};
use random::Random;
use world::World;

/// Runs `check` for a few seeds (for `AURUM_SIM_SEEDS` many), or for the one in `AURUM_SIM_SEED`, and names the seed when it
/// fails.
fn for_seeds(count: u64, check: impl Fn(u64) + std::panic::RefUnwindSafe) {
    let number = |name| std::env::var(name).ok().map(|value| value.parse().expect("a seed is a number"));
    let (chosen, count) = (number("AURUM_SIM_SEED"), number("AURUM_SIM_SEEDS").unwrap_or(count));
    for seed in chosen.map_or(0..count, |seed: u64| seed..seed + 1) {
        if let Err(panic) = std::panic::catch_unwind(|| check(seed)) {
            eprintln!("failed with AURUM_SIM_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// Partitions that come and go, messages that are late or lost, nodes that restart.
fn storm(simulation: &mut Simulation, random: &mut Random, steps: u64) {
    let nodes = simulation.nodes();
    let mut done = 0;
    while done < steps {
        let length = 5 + random.below(40);
        let weather = match random.below(4) {
            0 => Weather { loss: 0, delay: 3 },
            1 => Weather { loss: 20, delay: 8 },
            2 => Weather { loss: 50, delay: 25 },
            _ => Weather { loss: 5, delay: 60 },
        };
        let sides: Vec<u64> = match random.below(3) {
            0 => vec![0; nodes],
            _ => (0..nodes).map(|_| random.below(2)).collect(),
        };
        simulation.set_weather(weather, &sides);
        if random.below(3) == 0 {
            let node = random.below(nodes as u64) as usize;
            simulation.restart(node);
        }
        simulation.run(length);
        done += length;
    }
}

/// Everybody connected, nothing lost: certificates must follow the head again, with the faulty at work as before.
fn calm(simulation: &mut Simulation) {
    simulation.set_weather(Weather { loss: 0, delay: 3 }, &[]);
    let before = simulation.highest();
    simulation.run(120);
    if simulation.honest().any(|(_, finalized, head)| finalized <= before || head - finalized >= 25) {
        simulation.describe();
    }
    for (node, finalized, head) in simulation.honest() {
        assert!(finalized > before, "node {node}: nothing became final after the heal ({finalized} <= {before})");
        assert!(head - finalized < 25, "node {node}: certificates lag, {finalized} of {head}");
    }
}

/// Keys that are faulty: fewer than a third.
const fn faulty(n: usize) -> usize {
    (n - 1) / 3
}

#[test]
fn certificates_follow_the_head_when_nothing_fails() {
    for_seeds(2, |seed| {
        for n in [1, 2, 3, 4, 7, 10] {
            let mut simulation = Simulation::new(World::new(n), seed, &vec![Conduct::Honest; n]);
            simulation.set_weather(Weather { loss: 0, delay: 3 }, &[]);
            simulation.run(60);
            for (node, finalized, head) in simulation.honest() {
                assert!(head >= 55 && head - finalized <= 2, "{n} keys, node {node}: {finalized} of {head}");
            }
        }
    });
}

#[test]
fn keys_on_two_nodes_never_certify_both_sides() {
    for_seeds(2, |seed| {
        for n in [4, 7, 10] {
            let mut conduct = vec![Conduct::Cloned; faulty(n)];
            conduct.resize(n, Conduct::Honest);
            let mut random = Random::new(seed ^ 0xc10e);
            let mut simulation = Simulation::new(World::new(n), seed, &conduct);
            for _ in 0..4 {
                storm(&mut simulation, &mut random, 250);
                calm(&mut simulation);
            }
        }
    });
}

#[test]
fn keys_that_sign_everything_never_certify_a_contradiction() {
    for_seeds(2, |seed| {
        for n in [4, 7, 10] {
            let mut conduct = vec![Conduct::SignsAll; faulty(n)];
            conduct.resize(n, Conduct::Honest);
            let mut random = Random::new(seed ^ 0x51a1);
            let mut simulation = Simulation::new(World::new(n), seed, &conduct);
            for _ in 0..4 {
                storm(&mut simulation, &mut random, 250);
                calm(&mut simulation);
            }
        }
    });
}

#[test]
fn a_change_of_validators_in_a_storm_certifies_one_chain() {
    for_seeds(2, |seed| {
        let mut random = Random::new(seed ^ 0x5e75);
        for (old, new) in [(0..4, 2..6), (0..4, 0..5), (0..7, 3..10), (0..7, 0..4)] {
            let keys = old.end.max(new.end);
            let mut conduct = vec![Conduct::Honest; keys];
            // In both sets, and fewer than a third of either.
            conduct[3] = if seed % 2 == 0 { Conduct::Cloned } else { Conduct::SignsAll };
            let mut world = World::new(old.end);
            world.change_at(40 + random.below(200), new.clone());
            world.change_at(260 + random.below(200), old.clone());
            let mut simulation = Simulation::new(world, seed, &conduct);
            storm(&mut simulation, &mut random, 600);
            calm(&mut simulation);
        }
    });
}

#[test]
fn a_vote_split_by_a_fork_does_not_stop_certificates() {
    for_seeds(3, |seed| {
        let mut simulation = Simulation::new(World::new(4), seed, &[Conduct::Honest; 4]);
        for _ in 0..8 {
            // Two against two for a few blocks: both sides vote, neither has a quorum.
            simulation.set_weather(Weather { loss: 0, delay: 2 }, &[0, 1, 0, 1]);
            simulation.run(3 + seed % 7);
            calm(&mut simulation);
        }
    });
}

#[test]
fn a_third_of_the_keys_cloned_does_certify_a_contradiction() {
    // The proof that the checks above can fail: two of four keys on both sides of a partition are a third and more.
    let contradicted = (0..40).any(|seed| {
        let conduct = [Conduct::Cloned, Conduct::Cloned, Conduct::Honest, Conduct::Honest];
        let mut simulation = Simulation::new(World::new(4), seed, &conduct);
        simulation.tolerate_contradictions();
        simulation.set_weather(Weather { loss: 0, delay: 2 }, &[0, 0, 0, 1, 1, 1]);
        simulation.run(100);
        simulation.contradictions() > 0
    });
    assert!(contradicted, "the simulation cannot see a contradiction");
}

#[test]
fn keys_that_forget_their_votes_do_certify_a_contradiction() {
    // As above, with the rules broken instead of the number: two disks are lost with all that was voted and certified.
    let mut simulation = Simulation::new(World::new(4), 1, &[Conduct::Honest; 4]);
    simulation.tolerate_contradictions();
    simulation.set_weather(Weather { loss: 0, delay: 2 }, &[0, 0, 0, 1]);
    simulation.run(40);
    assert_eq!(simulation.contradictions(), 0);
    simulation.wipe(1);
    simulation.wipe(2);
    simulation.set_weather(Weather { loss: 0, delay: 2 }, &[0, 1, 1, 1]);
    simulation.run(40);
    assert!(simulation.contradictions() > 0, "the guard makes no difference to the simulation");
}

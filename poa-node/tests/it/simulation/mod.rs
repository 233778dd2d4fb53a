//! A consortium in one thread: seeded chance, virtual time, a network that delays, doubles, reorders, loses and splits,
//! nodes that stop and start, authorities that cheat. [`check`] says what must hold at every moment.
//!
//! Two kinds of nodes run under the same network and the same checks: [`whole`] ones (database, EVM, pool, author) for
//! hundreds of steps, and [`model`]s made of the engine's pure parts for thousands.
//!
//! What rolling finality promises (aura.md §1.10), and what is asserted, is this:
//!
//! - always, whatever network and cheats do: a node never leaves a block that is final to it; a block is final only if
//!   enough distinct authorities have signed it or a descendant; an honest authority seals no step twice; no honest node
//!   accepts what the permission contract forbids; a restart changes nothing;
//! - no two final blocks at one height, as long as any two quorums have an honest authority in common, blocks travel within
//!   a step among those who hear each other, and who is reunited agrees before the next partition;
//! - reunited nodes agree, and finality advances (without transactions only if enough authorities are heard in each round:
//!   [`who_carries_no_empty_steps_keeps_those_before_it_unheard`]), within a bounded number of steps, as long as the honest of any quorum
//!   outnumber all others. Otherwise the faulty can side with those to whom less is final, and neither side gives way: that
//!   is the only other stall that is let pass ([`kept`]).
//!
//! It promises no more: [`regrouping_before_all_agree_can_finalize_two_blocks_without_any_fault`] and
//! [`one_cloned_key_breaks_a_bare_majority_of_three`] find two final blocks, which also shows that these checks can fail.
//! That gap is what finality certificates close.
//!
//! All that holds while a contract says who seals and changes that, while authorities let steps pass, and while permissions
//! come and go. With finality certificates more is promised, and asserted: one history of final blocks and certificates
//! whatever the network does ([`certificates_of_whole_nodes_never_contradict_each_other`]).
//!
//! `AURUM_SEED` runs one seed instead of the usual ones, and a failure prints the seed to set; `AURUM_SEEDS` runs so many.

mod branch;
mod check;
mod contracts;
mod dice;
mod kit;
mod model;
mod replica;
mod script;
mod whole;
mod world;

use std::sync::Arc;

use alloy::primitives::U256;
use aurum_types::SealedBlock;
use check::Violation;
use kit::{Features, Kit, STEP};
use model::Flaws;
use script::{honest, models, models_with, patience, wholes, with_candidates, with_faulty};
use world::{Links, Role, World};

/// Prints, when a run fails or panics, how to repeat it.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("AURUM_SEED={} repeats the failed run", self.0);
        }
    }
}

/// Runs `run` for the seeds from 1 to `count`, or to `AURUM_SEEDS`, or for the one of `AURUM_SEED`.
fn seeds(count: u64, mut run: impl FnMut(u64)) {
    let number = |name: &str| std::env::var(name).ok().map(|seed| seed.parse().expect("seeds are numbers"));
    let (only, count) = (number("AURUM_SEED"), number("AURUM_SEEDS").unwrap_or(count));
    for seed in only.map_or(1..=count, |seed| seed..=seed) {
        let _repeat = Seed(seed);
        run(seed);
    }
}

fn held(result: Result<(), Violation>) {
    if let Err(violation) = result {
        panic!("{violation}");
    }
}

/// Consortia in which any two quorums have an honest authority in common, even with these faults.
fn sound_consortia() -> Vec<(usize, bool, Vec<Role>)> {
    let cast = vec![
        (4, true, vec![]),
        (4, true, vec![Role::Clone(1)]),
        (4, true, vec![Role::TwoBlocks]),
        (4, false, vec![Role::OutOfTurn]),
        (4, true, vec![Role::Forbidden]),
        (5, false, vec![]),
        (7, true, vec![Role::Clone(1), Role::TwoBlocks]),
        (7, false, vec![]),
    ];
    for (count, two_thirds, faulty) in &cast {
        assert!(count + faulty.len() < 2 * Kit::new(*count, *two_thirds).quorum());
    }
    cast
}

/// Fails unless the run broke no promise. A stall is none where the heaviest branch lacks what is final to somebody, and
/// the faulty are so many, or make so many blocks, that they can keep it the heaviest; nor where they leave too many empty steps out of their blocks.
fn kept(world: &World, result: Result<(), Violation>, faulty: &[Role]) {
    let count = world.check.validators(world.honest()[0]).len();
    let quorum = world.kit.quorum_of(count);
    // Where steps may pass, who seals a block in each of its own has more blocks, and so more score, than honest ones have.
    let outweighed = world.kit.features.empty_steps.is_some() && !faulty.is_empty();
    let outnumbered = 2 * quorum > count + 2 * faulty.len() && !outweighed;
    match result {
        Ok(()) => {}
        Err(Violation::NotLive { .. }) if count - unheard_of(world) < quorum => println!("unheard: {faulty:?}"),
        Err(Violation::NotLive { .. }) if !outnumbered && !one_way_is_open(world) => println!("stalled: {faulty:?}"),
        Err(violation) => panic!("{count} authorities, {quorum} are a quorum, {faulty:?}: {violation}"),
    }
    assert_eq!(world.check.conflicts, 0);
}

#[test]
fn thousands_of_steps_break_no_promise() {
    seeds(3, |seed| {
        for (count, two_thirds, faulty) in sound_consortia() {
            let kit = Arc::new(Kit::new(count, two_thirds));
            let mut world = models(seed, &kit, Links::BOUNDED, &with_faulty(count, &faulty), true);
            let result = script::one_at_a_time(&mut world, 40);
            kept(&world, result, &faulty);
        }
    });
}

#[test]
fn whole_nodes_break_no_promise() {
    seeds(1, |seed| {
        for (count, two_thirds, faulty) in
            [(4, true, vec![Role::Clone(1)]), (4, true, vec![Role::Forbidden]), (4, false, vec![Role::TwoBlocks])]
        {
            let kit = Arc::new(Kit::new(count, two_thirds));
            let mut world = wholes(seed, &kit, Links::BOUNDED, &with_faulty(count, &faulty), |_| false);
            let result = script::one_at_a_time(&mut world, 8);
            kept(&world, result, &faulty);
        }
    });
}

/// A contract says who seals, and its governor changes that, and who may do what, in the middle of everything.
const GOVERNED: Features = Features { candidates: Some(2), empty_steps: None, certificates: false };

#[test]
fn thousands_of_steps_with_changing_validators_break_no_promise() {
    let cast = [
        (4, true, None, vec![]),
        (4, true, None, vec![Role::Clone(1)]),
        (5, true, None, vec![Role::TwoBlocks]),
        (5, false, None, vec![]),
        (4, true, Some(2), vec![]),
        (4, true, Some(2), vec![Role::OutOfTurn]),
        (5, true, Some(2), vec![Role::Forbidden]),
        (7, true, Some(4), vec![Role::Clone(1), Role::TwoBlocks]),
    ];
    let mut made = 0;
    seeds(2, |seed| {
        for (count, two_thirds, empty_steps, faulty) in &cast {
            let kit = Arc::new(Kit::with(*count, *two_thirds, Features { empty_steps: *empty_steps, ..GOVERNED }));
            let cast = with_candidates(&kit, faulty);
            let mut world = models(seed, &kit, Links::BOUNDED, &cast, true);
            let result = script::one_at_a_time(&mut world, 20);
            kept(&world, result, faulty);
            made += world.made().0;
        }
    });
    println!("{made} changes");
    assert!(made > 0, "nothing was changed");
}

#[test]
fn whole_nodes_with_changing_validators_and_permissions_break_no_promise() {
    let (mut changes, mut creations) = (0, 0);
    seeds(1, |seed| {
        for (empty_steps, faulty) in [(Some(3), vec![]), (None, vec![Role::Clone(1)]), (Some(2), vec![Role::Forbidden])]
        {
            let kit = Arc::new(Kit::with(4, true, Features { empty_steps, ..GOVERNED }));
            let cast = with_candidates(&kit, &faulty);
            let mut world = wholes(seed, &kit, Links::BOUNDED, &cast, |_| false);
            let result = script::one_at_a_time(&mut world, 6);
            kept(&world, result, &faulty);
            let made = world.made();
            (changes, creations) = (changes + made.0, creations + made.1);
        }
    });
    println!("{changes} changes, {creations} contracts created under permissions that came and went");
    assert!(changes > 0 && creations > 0, "{changes} changes, {creations} contracts");
}

/// An authority that carries nobody's empty steps in its blocks leaves those unheard that let their steps pass right before it:
/// of n authorities, (n − 1) modulo (`maximumEmptySteps` + 1), in every round without transactions. By OpenEthereum's rules as
/// here, finality then stands still where the others are no quorum.
#[test]
fn who_carries_no_empty_steps_keeps_those_before_it_unheard() {
    for (count, most, unheard) in [(4, 2, 0), (4, 3, 3), (5, 2, 1), (6, 2, 2), (7, 2, 0)] {
        let kit = Arc::new(Kit::with(count, true, Features { empty_steps: Some(most), ..Features::default() }));
        let mut world = models(1, &kit, Links::BOUNDED, &with_faulty(count, &[Role::OutOfTurn]), true);
        assert_eq!(unheard_of(&world), unheard, "{count} authorities, {most} empty steps");
        held(world.run_steps(20 * count as u64));
        let finalized = world.replica(0).standing().finalized.number;
        let goes_on = count - unheard >= kit.quorum();
        assert_eq!(finalized > 10, goes_on, "{count} authorities, {most} empty steps: {finalized} is final");
    }
}

/// How many authorities are unheard in a round without transactions because a cheat carries no empty steps.
fn unheard_of(world: &World) -> usize {
    let Some(most) = world.kit.features.empty_steps else { return 0 };
    let round: Vec<_> = world.check.validators(world.honest()[0]).iter().map(|one| world.is_honest(*one)).collect();
    let Some(cheat) = round.iter().position(|is_honest| !is_honest) else { return 0 };
    let (before, after) = round.split_at(cheat);
    let in_a_row = [after, before].concat();
    let most = usize::try_from(most).expect("a few");
    in_a_row.split(|is_honest| !is_honest).map(|honest| honest.len() % (most + 1)).sum()
}

/// With certificates, less than a third of cheats can neither make two blocks final nor stop the others for good, whatever
/// the network does; and every node can prove what is final to it.
#[test]
fn certificates_of_whole_nodes_never_contradict_each_other() {
    let mut changes = 0;
    seeds(1, |seed| {
        for (candidates, empty_steps, faulty) in
            [(None, None, vec![Role::Clone(1)]), (Some(1), None, vec![]), (Some(1), Some(2), vec![Role::TwoBlocks])]
        {
            let kit = Arc::new(Kit::with(4, true, Features { candidates, empty_steps, certificates: true }));
            let cast = with_candidates(&kit, &faulty);
            let mut world = wholes(seed, &kit, Links::BOUNDED, &cast, |_| false);
            held(script::one_at_a_time(&mut world, 4));
            changes += world.made().0;
            // Regrouped before they agree, with wrong clocks and losses.
            world.set_links(Links::UNBOUNDED);
            held(script::all_at_once(&mut world, 12));
            world.set_links(Links::BOUNDED);
            (0..world.len()).for_each(|node| world.skew(node, 0));
            world.heal();
            held(world.converge(2 * patience(kit.authorities())));
        }
    });
    println!("{changes} changes");
    assert!(changes > 0, "nothing was changed");
}

#[test]
fn a_seed_of_whole_nodes_tells_the_same_history_twice() {
    let run = |seed| {
        let kit = Arc::new(Kit::new(4, true));
        let mut world = wholes(seed, &kit, Links::BOUNDED, &honest(4), |_| false);
        held(script::one_at_a_time(&mut world, 2));
        world.history()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

/// Without a bound on delays, losses and clocks, and without peace between partitions, agreement is not promised. All else
/// is.
#[test]
fn an_unbounded_network_breaks_nothing_but_agreement() {
    let (mut agreed, mut parted) = (0, 0);
    for (count, two_thirds, faulty) in
        [(4, true, vec![]), (4, true, vec![Role::TwoBlocks]), (7, false, vec![Role::Clone(1)]), (7, true, vec![])]
    {
        let kit = Arc::new(Kit::new(count, two_thirds));
        for seed in 1..=10 {
            let _repeat = Seed(seed);
            let mut world = models(seed, &kit, Links::UNBOUNDED, &with_faulty(count, &faulty), false);
            held(script::all_at_once(&mut world, 60));
            world.set_links(Links::BOUNDED);
            (0..world.len()).for_each(|node| world.skew(node, 0));
            world.heal();
            let one_way = one_way_is_open(&world);
            match world.converge(patience(count)) {
                Ok(()) if world.check.conflicts == 0 => agreed += 1,
                Err(Violation::NotLive { .. }) | Ok(()) if !one_way || world.check.conflicts > 0 => parted += 1,
                other => panic!("seed {seed}, {count} authorities: {other:?}"),
            }
        }
    }
    println!("{agreed} runs ended in one chain, {parted} with final blocks on different branches");
    assert!(agreed > parted, "{agreed} to {parted}");
}

/// Whether the heaviest branch holds whatever is final to anybody: then everybody can follow it.
fn one_way_is_open(world: &World) -> bool {
    let standing: Vec<_> = world.honest().iter().map(|node| (*node, world.replica(*node).standing())).collect();
    let branches = standing.iter().map(|(node, at)| world.replica(*node).path_to(at.head.hash, 0, usize::MAX));
    let score =
        |branch: &Vec<SealedBlock>| branch.iter().fold(U256::ZERO, |sum, block| sum + block.header().difficulty);
    let heaviest = branches.max_by_key(score).unwrap_or_default();
    standing
        .iter()
        .all(|(_, at)| at.finalized.number == 0 || heaviest.iter().any(|block| block.hash() == at.finalized.hash))
}

/// The cloning attack: one key seals on both sides of a partition.
fn clone_across_a_partition(seed: u64, count: usize, two_thirds: bool) -> Result<(), Violation> {
    let kit = Arc::new(Kit::new(count, two_thirds));
    let cast = with_faulty(count, &[Role::Clone(1)]);
    let mut world = models(seed, &kit, Links::BOUNDED, &cast, true);
    world.run_steps(10)?;
    // Half of the honest with the one, half with the other.
    let mut groups: Vec<_> = (0..cast.len()).map(|node| node % 2).collect();
    (groups[count - 1], groups[count]) = (0, 1);
    world.partition(groups);
    world.run_steps(5 * count as u64)?;
    world.heal();
    world.converge(patience(count))
}

#[test]
fn one_cloned_key_breaks_a_bare_majority_of_three() {
    seeds(5, |seed| {
        for count in [3, 5, 7] {
            let result = clone_across_a_partition(seed, count, false);
            assert!(matches!(result, Err(Violation::TwoFinal { .. })), "{count} authorities: {result:?}");
        }
    });
}

#[test]
fn one_cloned_key_breaks_neither_an_even_majority_nor_two_thirds() {
    seeds(5, |seed| {
        for (count, two_thirds) in [(4, false), (6, false), (4, true), (5, true), (7, true)] {
            let result = clone_across_a_partition(seed, count, two_thirds);
            assert!(result.is_ok(), "{count} authorities, two thirds {two_thirds}: {result:?}");
        }
    });
}

#[test]
fn regrouping_before_all_agree_can_finalize_two_blocks_without_any_fault() {
    let kit = Arc::new(Kit::new(4, true));
    let regrouped = |seed| {
        let mut world = models(seed, &kit, Links::BOUNDED, &honest(4), true);
        for _ in 0..100 {
            let first = world.dice.index(3) + 1;
            world.partition((0..4).map(|node| usize::from(node == 0 || node == first)).collect());
            let steps = world.dice.in_range(1..6);
            world.run_steps(steps)?;
        }
        Ok(())
    };
    let found = (1..=50).find(|seed| matches!(regrouped(*seed), Err(Violation::TwoFinal { .. })));
    assert!(found.is_some(), "OpenEthereum's rule promises less than this network would need");
}

/// Four of seven make blocks final, three have more turns: the branch that comes is heavier, and lacks a final block.
fn a_heavier_branch_without_a_final_block(flaws: Flaws) -> Result<(), Violation> {
    let kit = Arc::new(Kit::new(7, false));
    let mut world = models_with(1, &kit, Links::BOUNDED, &honest(7), true, |_| flaws);
    world.run_steps(7)?;
    // Who is next belongs to the three.
    let next = usize::try_from((kit::START / STEP + 7) % 7).unwrap();
    world.partition((0..7).map(|node| usize::from((node + 7 - next) % 7 < 3)).collect());
    world.run_steps(10)?;
    world.heal();
    world.converge(patience(7))
}

#[test]
fn a_node_that_ignores_finality_in_its_fork_choice_is_caught() {
    held(a_heavier_branch_without_a_final_block(Flaws::default()));
    let result = a_heavier_branch_without_a_final_block(Flaws { reverts_final: true, ..Flaws::default() });
    assert!(matches!(result, Err(Violation::Reverted { .. })), "{result:?}");
}

#[test]
fn a_node_that_shows_a_block_before_it_is_on_disk_is_caught() {
    let run = |flaws: Flaws| -> Result<(), Violation> {
        let kit = Arc::new(Kit::new(3, true));
        let mut world = models_with(1, &kit, Links::BOUNDED, &honest(3), true, |_| flaws);
        // Right after whoever's turn it is has sealed.
        world.run_for(100)?;
        for _ in 0..6 {
            world.run_steps(1)?;
            (0..3).try_for_each(|node| world.start(node))?;
        }
        Ok(())
    };
    held(run(Flaws::default()));
    let result = run(Flaws { forgets_its_last_block: true, ..Flaws::default() });
    assert!(matches!(result, Err(Violation::SealedTwice { .. })), "{result:?}");
}

#[test]
fn a_node_that_asks_no_permission_contract_is_caught() {
    let cast = with_faulty(4, &[Role::Forbidden]);
    let kit = Arc::new(Kit::new(4, true));
    let flaws = |node| Flaws { permits_everything: node == 0, ..Flaws::default() };
    let result = models_with(1, &kit, Links::BOUNDED, &cast, true, flaws).run_steps(12);
    assert!(matches!(result, Err(Violation::NotPermitted { node: 0, .. })), "{result:?}");
    let result = wholes(1, &kit, Links::BOUNDED, &cast, |node| node == 0).run_steps(12);
    assert!(matches!(result, Err(Violation::NotPermitted { node: 0, .. })), "{result:?}");
    held(wholes(1, &kit, Links::BOUNDED, &cast, |_| false).run_steps(12));
}

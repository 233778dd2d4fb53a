//! Casts and misfortunes that several tests share.

use std::sync::Arc;

use crate::simulation::{
    check::Violation,
    kit::{Kit, STEP},
    model::{Flaws, ModelNode},
    replica::Replica,
    whole::WholeNode,
    world::{Links, Role, World},
};

/// Who takes part: for every node, whose key it has and what it is. The first nodes are the validators in their order.
pub(crate) type Cast = Vec<(usize, Role)>;

/// `count` honest authorities.
pub(crate) fn honest(count: usize) -> Cast {
    (0..count).map(|authority| (authority, Role::Honest)).collect()
}

/// The same, with the last `faulty.len()` of them as they are named; each clone comes with a second node of its key.
pub(crate) fn with_faulty(count: usize, faulty: &[Role]) -> Cast {
    let mut cast = honest(count);
    for (authority, role) in (0..count).rev().zip(faulty) {
        cast[authority].1 = *role;
        if let Role::Clone(variant) = role {
            cast.push((authority, Role::Clone(variant + 1)));
        }
    }
    cast
}

/// All authorities of `kit`, who may come to seal; the last of those who do at the beginning as they are named.
pub(crate) fn with_candidates(kit: &Kit, faulty: &[Role]) -> Cast {
    let mut cast = with_faulty(kit.validators.len(), faulty);
    let clones = cast.split_off(kit.validators.len());
    cast.extend((kit.validators.len()..kit.authorities()).map(|authority| (authority, Role::Honest)));
    cast.extend(clones);
    cast
}

/// Nodes of the engine's pure parts.
pub(crate) fn models(seed: u64, kit: &Arc<Kit>, links: Links, cast: &Cast, conflicts_end: bool) -> World {
    models_with(seed, kit, links, cast, conflicts_end, |_| Flaws::default())
}

/// The same, with `flaws` for each node.
pub(crate) fn models_with(
    seed: u64,
    kit: &Arc<Kit>,
    links: Links,
    cast: &Cast,
    conflicts_end: bool,
    flaws: impl Fn(usize) -> Flaws,
) -> World {
    let node = |(index, (authority, role)): (usize, &(usize, Role))| {
        let mut flaws = flaws(index);
        flaws.permits_everything |= *role == Role::Forbidden;
        let replica: Box<dyn Replica> = Box::new(ModelNode::new(kit, kit.key(*authority), flaws));
        (*role, *authority, replica)
    };
    World::new(seed, kit, links, cast.iter().enumerate().map(node).collect(), conflicts_end)
}

/// Whole nodes: database, EVM, pool, author. `careless` ones ask no permission contract, as those that seal what it
/// forbids never do.
pub(crate) fn wholes(seed: u64, kit: &Arc<Kit>, links: Links, cast: &Cast, careless: impl Fn(usize) -> bool) -> World {
    let node = |(index, (authority, role)): (usize, &(usize, Role))| {
        let careless = careless(index) || *role != Role::Honest;
        let replica: Box<dyn Replica> = Box::new(WholeNode::new(kit, kit.key(*authority), careless));
        (*role, *authority, replica)
    };
    World::new(seed, kit, links, cast.iter().enumerate().map(node).collect(), true)
}

/// Steps within which reunited nodes agree and go on. A group that makes blocks final while the others, fewer, happen to
/// have more turns is behind by a round at most, and gains a block or more a round.
pub(crate) const fn patience(authorities: usize) -> u64 {
    (authorities * (authorities + 4)) as u64
}

/// One misfortune after the other, each overcome before the next: partitions into any groups at any moment, nodes that
/// stop and start, in one group or in several.
pub(crate) fn one_at_a_time(world: &mut World, rounds: u64) -> Result<(), Violation> {
    let authorities = world.kit.authorities();
    for _ in 0..rounds {
        world.pass_on();
        world.submit()?;
        // Now, or in the middle of what comes.
        let change_in = world.dice.index(4);
        if change_in == 0 {
            world.change()?;
        }
        let (calm, moment) = (world.dice.in_range(1..8), world.dice.in_range(0..STEP));
        world.run_for(calm * STEP + moment)?;
        if world.dice.percent(80) {
            let count = 2 + world.dice.index(2);
            let groups = (0..world.len()).map(|_| world.dice.index(count)).collect();
            world.partition(groups);
        }
        for turn in 1..=world.dice.index(4) + 1 {
            if turn == change_in {
                world.change()?;
            }
            let node = world.dice.index(world.len());
            let (before, down) = (world.dice.in_range(0..6 * STEP), world.dice.in_range(0..6 * STEP));
            world.run_for(before)?;
            world.submit()?;
            world.stop(node);
            let at_once = world.dice.percent(50);
            world.run_for(if at_once { 0 } else { down })?;
            world.start(node)?;
        }
        world.heal();
        world.converge(patience(authorities))?;
    }
    Ok(())
}

/// Misfortunes upon misfortunes: nodes are regrouped before they agree again, stop, and have clocks that are wrong.
pub(crate) fn all_at_once(world: &mut World, rounds: u64) -> Result<(), Violation> {
    for _ in 0..rounds {
        match world.dice.in_range(0..4) {
            0 => {
                let groups = (0..world.len()).map(|_| world.dice.index(2)).collect();
                world.partition(groups);
            }
            1 => world.heal(),
            2 => {
                let (node, by) = (world.dice.index(world.len()), world.dice.in_range(0..4 * STEP));
                world.skew(node, i64::try_from(by).unwrap_or(0) - 2 * STEP as i64);
            }
            _ => {
                let node = world.dice.index(world.len());
                world.stop(node);
                let down = world.dice.in_range(0..4 * STEP);
                world.run_for(down)?;
                world.start(node)?;
            }
        }
        let time = world.dice.in_range(0..8 * STEP);
        world.run_for(time)?;
    }
    Ok(())
}

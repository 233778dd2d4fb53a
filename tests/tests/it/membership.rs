//! Who joins late, who was cut off, who became a validator at run time: all end up with the same chain.

use std::{fs, path::Path, time::Duration};

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{Address, B256, U256},
    providers::{DynProvider, Provider as _},
    rpc::types::TransactionRequest,
    signers::local::PrivateKeySigner,
};
use anyhow::{Context, Result, ensure};
use aurum_contracts::ValidatorSet;
use aurum_tests::{
    consortium::{self, Authority, ChainOptions, Company},
    council::{self, VALIDATOR_SET},
    finality::Abroad,
    foreign::{self, wallet_provider},
    home::{Home, ObserverPorts},
    node::Node,
    ports::{Ports, check_free, shift},
    proxy::Proxy,
    story::Story,
    wait,
};

/// Most for anything a few steps bring.
const LIMIT: Duration = Duration::from_secs(60);
/// Steps for which an authority is cut off.
const CUT_OFF: u64 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_lost_and_new_members_agree() -> Result<()> {
    let story = Story::begin("membership", env!("CARGO_TARGET_TMPDIR"))?;
    let ports = Ports::shifted(shift::MEMBERSHIP);
    check_free(&ports.all(6))?;
    let chain = ChainOptions { step_duration: 1, ..ChainOptions::default() };
    let mut home = Home::prepare(story.folder(), &chain, ports)?;
    let cable = put_on_a_cable(&mut home, ports).await?;
    home.start().await?;
    home.healthy(LIMIT).await?;
    story.say("four authorities and an observer; the fourth authority on a cable");

    cut_off_and_back(&home, &cable, &story).await?;
    finality_needs_a_majority(&mut home, &story).await?;
    let mut fifth = joins_late(&home, ports, story.folder()).await?;
    story.say("a fifth company's node joined late and has the same head and root");
    let mut public = foreign::stand_in(story.folder(), ports)?;
    public.start()?;
    public.ready().await?;
    let abroad = follow_from(&public, &home).await?;
    let first = becomes_validator(&home, &fifth, &story).await?;
    is_proven_abroad(&abroad, &home, first).await?;
    public.stop()?;
    story.say("a contract on another chain followed the change by certificates alone");

    fifth.node.stop()?;
    home.stop()?;
    story.end()
}

/// Rewrites the reserved peers so that everything between the fourth authority and the others goes through proxies.
async fn put_on_a_cable(home: &mut Home, ports: Ports) -> Result<Vec<Proxy>> {
    let behind_proxy = |port: u16| port + 20;
    let mut cable = Vec::new();
    for index in 0..4 {
        cable.push(Proxy::start(behind_proxy(ports.p2p(index)), ports.p2p(index)).await?);
    }
    let through = |index: u16, enode: &str| {
        let (direct, proxied) = (ports.p2p(index), behind_proxy(ports.p2p(index)));
        enode.replace(&format!(":{direct}"), &format!(":{proxied}"))
    };
    let (mut of_the_fourth, mut of_the_others) = (String::new(), String::new());
    for (index, authority) in (0..).zip(&home.consortium.authorities) {
        let proxied = through(index, &authority.enode);
        ensure!(proxied != authority.enode, "{} has no port", authority.enode);
        of_the_fourth += &format!("{}\n", if index == 3 { &authority.enode } else { &proxied });
        of_the_others += &format!("{}\n", if index == 3 { &proxied } else { &authority.enode });
    }
    let folder = home.consortium.shared.clone();
    let original = home.consortium.reserved_peers().display().to_string();
    for (index, node) in home.nodes_mut().enumerate() {
        let (name, text) =
            if index == 3 { ("of_the_fourth", &of_the_fourth) } else { ("of_the_others", &of_the_others) };
        let path = folder.join(format!("reserved_peers_{name}"));
        fs::write(&path, text)?;
        let argument = node.args_mut().iter_mut().find(|argument| **argument == original);
        *argument.context("the node has reserved peers")? = path.display().to_string();
    }
    Ok(cable)
}

async fn finalized(chain: &DynProvider) -> Result<(u64, B256)> {
    let block = chain.get_block_by_number(BlockNumberOrTag::Finalized).await?.context("nothing is final")?;
    Ok((block.header.number, block.header.hash))
}

async fn hash_at(chain: &DynProvider, number: u64) -> Result<Option<B256>> {
    Ok(chain.get_block_by_number(BlockNumberOrTag::Number(number)).await?.map(|block| block.header.hash))
}

async fn cut_off_and_back(home: &Home, cable: &[Proxy], story: &Story) -> Result<()> {
    let (majority, lost) = (home.observer.provider()?, home.authorities[3].provider()?);
    cable.iter().for_each(Proxy::cut);
    wait::until("the fourth authority is alone", LIMIT, || async {
        Ok((home.authorities[3].peer_count().await? == 0).then_some(()))
    })
    .await?;
    let (final_with_majority, _) = finalized(&majority).await?;
    let fork = lost.get_block_number().await? + 1;
    // Only the lost node hears of this.
    let person = PrivateKeySigner::random();
    let wallet = wallet_provider(&home.authorities[3].url(), person.clone())?;
    let request = TransactionRequest::default().to(Address::repeat_byte(0xde)).value(U256::ZERO);
    let pending = *wallet.send_transaction(request).await?.tx_hash();

    let step: u64 = lost.raw_request("aura_getStep".into(), ()).await?;
    wait::until("the steps pass", LIMIT, || async {
        let now: u64 = lost.raw_request("aura_getStep".into(), ()).await?;
        Ok((now >= step + CUT_OFF).then_some(()))
    })
    .await?;
    let (now_final, _) = finalized(&majority).await?;
    ensure!(
        now_final > final_with_majority + CUT_OFF / 4,
        "three of four finalize: {final_with_majority} to {now_final}"
    );
    let (number, hash) = finalized(&lost).await?;
    ensure!(
        number < fork && hash_at(&majority, number).await? == Some(hash),
        "one of four finalized block {number} alone"
    );
    ensure!(lost.get_block_number().await? >= fork + 2, "the lost authority seals on its own");
    ensure!(lost.get_transaction_receipt(pending).await?.is_some(), "and takes transactions");
    let branch = hash_at(&lost, fork).await?;
    ensure!(branch != hash_at(&majority, fork).await?, "it is on a branch of its own");

    cable.iter().for_each(Proxy::heal);
    let head = majority.get_block_number().await?;
    home.authorities[3].reaches(head, LIMIT).await?;
    wait::until("the lost authority is on the others' chain", LIMIT, || async {
        Ok((hash_at(&lost, fork).await? == hash_at(&majority, fork).await?).then_some(()))
    })
    .await?;
    wait::until("its transaction is in everybody's chain", LIMIT, || async {
        Ok(majority.get_transaction_receipt(pending).await?.map(|_| ()))
    })
    .await?;
    home.observer.finalizes(head, LIMIT).await?;
    home.authorities[3].finalizes(head, LIMIT).await?;
    home.agree_at(head).await?;
    story.say(&format!(
        "an authority was cut off for {CUT_OFF} steps, finalized nothing alone, and is back with the others"
    ));
    Ok(())
}

async fn finality_needs_a_majority(home: &mut Home, story: &Story) -> Result<()> {
    for node in &mut home.authorities[2..] {
        node.stop()?;
    }
    let observer = home.observer.provider()?;
    let head = observer.get_block_number().await?;
    home.observer.reaches(head + 4, LIMIT).await?;
    let stalled = finalized(&observer).await?;
    home.observer.reaches(head + 8, LIMIT).await?;
    ensure!(finalized(&observer).await? == stalled, "two of four finalize nothing");
    for node in &mut home.authorities[2..] {
        node.start()?;
    }
    home.observer.finalizes(head + 8, LIMIT).await?;
    for node in home.nodes() {
        node.finalizes(head + 8, LIMIT).await?;
    }
    home.agree_at(head + 8).await?;
    story.say("two of four sealed and finalized nothing; with three and four, all of it became final");
    Ok(())
}

/// A company that was not there at genesis.
struct Fifth {
    node: Node,
    account: Address,
}

async fn joins_late(home: &Home, ports: Ports, folder: &Path) -> Result<Fifth> {
    let name = consortium::name(4);
    let own =
        Company { folder: folder.join("consortium").join(&name), endpoint: format!("127.0.0.1:{}", ports.p2p(5)) };
    let company = Authority::create(&name, &own)?;
    let mut node = home.joiner(
        "fifth",
        ObserverPorts { p2p: ports.p2p(5), http: ports.authority_http(5), metrics: ports.metrics(6) },
    )?;
    for (flag, value) in [
        ("--engine-signer", company.address.to_string()),
        ("--keys-path", company.folder.join("keys").display().to_string()),
        ("--password", company.password_file().display().to_string()),
        ("--node-key", company.folder.join("node.key").display().to_string()),
    ] {
        node.args_mut().extend([flag.to_owned(), value]);
    }
    node.start()?;
    node.ready().await?;
    let head = home.observer.provider()?.get_block_number().await?;
    node.reaches(head, LIMIT).await?;
    home.agree_at(head).await?;
    let number = BlockNumberOrTag::Number(head);
    let theirs = home.observer.provider()?.get_block_by_number(number).await?.context("the head is there")?;
    let own = node.provider()?.get_block_by_number(number).await?.context("the head is there")?;
    ensure!(
        (own.header.hash, own.header.state_root) == (theirs.header.hash, theirs.header.state_root),
        "the late node has another block {head}"
    );
    Ok(Fifth { node, account: company.address })
}

/// Returns the first block that the new validator sealed.
async fn becomes_validator(home: &Home, fifth: &Fifth, story: &Story) -> Result<u64> {
    let observer = home.observer.provider()?;
    let before: Vec<Address> = observer.raw_request("aura_getValidators".into(), ()).await?;
    ensure!(before.len() == 4 && !before.contains(&fifth.account), "validators {before:?}");
    let signalled = council::add_validator(home, fifth.account).await?;
    let contract = ValidatorSet::new(VALIDATOR_SET, &observer);
    // The engine's call leaves no log; the contract's state tells in which block it was made.
    let in_force = wait::until("the change is in force", LIMIT, || async {
        for number in signalled..=observer.get_block_number().await? {
            if contract.getValidators().block(number.into()).call().await?.contains(&fifth.account) {
                return Ok(Some(number));
            }
        }
        Ok(None)
    })
    .await?;
    let first = wait::until("the new validator seals", LIMIT, || async {
        let head = observer.get_block_number().await?;
        for number in signalled..=head {
            let block = observer.get_block_by_number(BlockNumberOrTag::Number(number)).await?;
            if block.is_some_and(|block| block.header.beneficiary == fifth.account) {
                return Ok(Some(number));
            }
        }
        Ok(None)
    })
    .await?;
    // The change waits for the finality of its signal: with four validators, two more blocks at least.
    ensure!(
        in_force > signalled + 2 && first >= in_force,
        "signalled {signalled}, in force {in_force}, sealed {first}"
    );
    let after: Vec<Address> = observer.raw_request("aura_getValidators".into(), ()).await?;
    ensure!(after.len() == 5 && after.contains(&fifth.account), "validators {after:?}");
    for node in home.nodes().chain([&fifth.node]) {
        node.finalizes(first, LIMIT).await?;
        ensure!(
            hash_at(&node.provider()?, first).await? == hash_at(&observer, first).await?,
            "{} differs",
            node.name()
        );
    }
    story
        .say(&format!("added in block {signalled}, in force from {in_force}, it sealed block {first}, which is final"));
    Ok(first)
}

/// A verifier on another chain that knows of the home chain what its genesis says, and a first certificate.
async fn follow_from(public: &Node, home: &Home) -> Result<Abroad> {
    let observer = home.observer.provider()?;
    let genesis = hash_at(&observer, 0).await?.context("genesis is there")?;
    let validators = home.consortium.authorities.iter().map(|authority| authority.address);
    // As the contract lists them: the order is part of the history that is voted for.
    let listed = ValidatorSet::new(VALIDATOR_SET, &observer).getValidators().block(0.into()).call().await?;
    ensure!(validators.clone().all(|address| listed.contains(&address)) && listed.len() == 4, "{listed:?}");
    let wallet = wallet_provider(&public.url(), foreign::dev_signer(0)?)?;
    let abroad = Abroad::deploy(wallet, observer.get_chain_id().await?, genesis, listed).await?;
    let (head, _) = finalized(&observer).await?;
    ensure!(abroad.bring(&home.observer, head).await? >= head, "block {head} is final abroad");
    Ok(abroad)
}

async fn is_proven_abroad(abroad: &Abroad, home: &Home, number: u64) -> Result<()> {
    let observer = home.observer.provider()?;
    let proven = abroad.bring(&home.observer, number).await?;
    ensure!(proven >= number, "{number} is final at home, {proven} abroad");
    let hash = abroad.contract.finalizedHash().call().await?;
    ensure!(hash_at(&observer, proven).await? == Some(hash), "another block {proven} is final abroad");
    let voters = abroad.contract.validators().call().await?;
    let validators: Vec<Address> = observer.raw_request("aura_getValidators".into(), ()).await?;
    ensure!(voters == validators && voters.len() == 5, "{voters:?} vote abroad, {validators:?} at home");
    Ok(())
}

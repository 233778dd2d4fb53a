//! A node that lies is noticed, and believed again when it tells the truth.

use alloy::primitives::{Address, U256};

use crate::{
    proxy::{Liar, Lie},
    world::{Options, World},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_lying_node_is_noticed_and_nothing_is_lost() {
    let (listener, address) = Liar::bind().await;
    let options = Options { foreign_url: Some(format!("http://{address}")), ..Options::default() };
    let Some(mut world) = World::start(options).await else { return };
    let liar = Liar::serve(listener, world.foreign.url());
    world.relayers[0].start();
    let recipient = Address::repeat_byte(0xd1);
    let mut total = 0;
    world.until("the relayer follows both chains", async || world.relayers[0].is_ready().await).await;
    let lies = [
        (Lie::TruncatedLogs, "answer is not true"),
        (Lie::StrangeLogs, "a log of another address"),
        (Lie::LaggingFinal, "went back"),
        (Lie::OtherHashes, "has another final block"),
    ];
    for (lie, word) in lies {
        liar.tell(lie);
        world.deposit(10, recipient).await;
        world
            .until(&format!("{lie:?} is noticed"), async || {
                let Some((_, status)) = world.relayers[0].get("/api/v1/status").await else { return false };
                status["foreign"]["fault"].as_str().is_some_and(|fault| fault.contains(word))
            })
            .await;
        assert!(liar.told() > 0);
        assert_eq!(world.home_balance(recipient).await, U256::from(total), "nothing is attested on a lie");
        liar.tell(Lie::None);
        total += 10;
        world.home_balance_becomes(recipient, total).await;
    }

    let text = world.relayers[0].text("/metrics").await;
    assert!(text.contains("aurum_relayer_rpc_contradictions_total{chain=\"foreign\"}"), "{text}");

    // Not a lie: a node that serves short ranges only. A long range is read in short pieces.
    world.relayers[0].kill();
    world.relayers[0].lose_journal();
    liar.tell(Lie::ShortRanges);
    world.deposit(10, recipient).await;
    world.relayers[0].start();
    world.home_balance_becomes(recipient, total + 10).await;
    assert!(liar.told() > 0);
    world.totals_agree().await;
}

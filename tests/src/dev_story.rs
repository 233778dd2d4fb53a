//! A story on a development chain of its own: what the clients do that need no consortium.

use anyhow::Result;

use crate::{dev::DevChain, ports::Ports, story::Story, tools};

/// A story and its chain.
#[derive(Debug)]
pub struct DevStory {
    /// Its folder and its log.
    pub story: Story,
    /// A block for each transaction, funded accounts.
    pub chain: DevChain,
}

impl DevStory {
    /// Begins as [`Story::begin`], with a running chain; `None`, and a line that says so, when something in `needed` is not
    /// installed ([`tools::have`]).
    ///
    /// # Errors
    /// When the folder cannot be emptied, a port is taken, or the node does not start.
    pub async fn begin(name: &str, temporary: &str, ports: Ports, needed: &[&str]) -> Result<Option<Self>> {
        if !tools::have(needed) {
            return Ok(None);
        }
        let story = Story::begin(name, temporary)?;
        let chain = DevChain::start(story.folder(), ports).await?;
        Ok(Some(Self { story, chain }))
    }

    /// Runs a script of `tests/clients` ([`tools::script`]) and repeats what it says.
    ///
    /// # Errors
    /// When it fails; the error holds what it printed.
    pub async fn script<const N: usize>(&self, name: &str, arguments: [String; N]) -> Result<()> {
        self.story.say(tools::script(name, arguments).await?.trim());
        Ok(())
    }

    /// Stops the chain and ends well.
    ///
    /// # Errors
    /// When the node cannot be stopped or the folder cannot be tidied.
    pub fn end(mut self) -> Result<()> {
        self.chain.node.stop()?;
        self.story.end()
    }
}

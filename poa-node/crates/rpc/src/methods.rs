//! The only way a method gets a name: with a handler that takes a grant.
//!
//! ```text
//! request ─▶ who (Identity) ─▶ work pool ─▶ grant ─▶ decode ─▶ handler, once ─▶ encode ─▶ response
//!                              all of it off tokio's threads
//! ```

use std::sync::Arc;

use aurum_chain::Identity;
use jsonrpsee::{
    RpcModule,
    core::{RegisterMethodError, server::Methods},
    types::{ErrorObjectOwned, Params},
};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::{
    caller::Caller,
    cancel::{self, Waiting},
    context::{Context, FromGate},
    error::{Answer, Failure},
    params::FromParams,
    reference,
    work::WorkPool,
};

/// Methods under construction.
pub(crate) struct Registrar {
    module: RpcModule<()>,
    pub(crate) context: Arc<Context>,
    pub(crate) work: WorkPool,
    /// For what takes long: however many of those there are, reads go on.
    tracers: WorkPool,
}

impl Registrar {
    pub(crate) fn new(context: Arc<Context>, work: WorkPool) -> Self {
        let (most, running) = (context.limits.tracers, context.metrics.running("long"));
        let tracers = WorkPool::new(most, most.saturating_mul(16), running);
        Self { module: RpcModule::new(()), context, work, tracers }
    }

    /// Registers `handler` under `name`, unless its namespace is not served.
    ///
    /// # Errors
    /// A name that is taken, or not in the [`reference`].
    pub(crate) fn add<G, P, R, H>(&mut self, name: &'static str, handler: H) -> Result<(), RegisterMethodError>
    where
        G: FromGate,
        P: FromParams,
        R: Serialize,
        H: Fn(&Context, &G, P) -> Answer<R> + Copy + Send + Sync + 'static,
    {
        let work = self.work.clone();
        self.add_in(work, name, handler)
    }

    /// [`Self::add`] for a method that may take seconds.
    ///
    /// # Errors
    /// A name that is taken.
    pub(crate) fn add_long<G, P, R, H>(&mut self, name: &'static str, handler: H) -> Result<(), RegisterMethodError>
    where
        G: FromGate,
        P: FromParams,
        R: Serialize,
        H: Fn(&Context, &G, P) -> Answer<R> + Copy + Send + Sync + 'static,
    {
        let work = self.tracers.clone();
        self.add_in(work, name, handler)
    }

    fn add_in<G, P, R, H>(&mut self, work: WorkPool, name: &'static str, handler: H) -> Result<(), RegisterMethodError>
    where
        G: FromGate,
        P: FromParams,
        R: Serialize,
        H: Fn(&Context, &G, P) -> Answer<R> + Copy + Send + Sync + 'static,
    {
        if !self.context.apis.serves(name) {
            return Ok(());
        }
        if !reference::has(name, P::LEN) {
            return Err(RegisterMethodError::MethodNotFound(format!("{name} with {} parameters", P::LEN)));
        }
        let context = Arc::clone(&self.context);
        self.module.register_async_method(name, move |params, _, extensions| {
            let (context, work) = (Arc::clone(&context), work.clone());
            let identity = Caller::of(&extensions).identity();
            let params = params.into_owned();
            let waiting = Waiting::default();
            async move {
                let cancel = waiting.flag();
                let handle = move || cancel::during(cancel, || run(&context, &identity, &params, handler));
                let answer = work.run(handle).await;
                answer.map_err(ErrorObjectOwned::from)
            }
        })?;
        Ok(())
    }

    /// The module itself, for subscriptions ([`crate::eth::subscribe`]), which have their own path to a grant.
    pub(crate) const fn module(&mut self) -> &mut RpcModule<()> {
        &mut self.module
    }

    /// Every method registered so far.
    pub(crate) fn finish(self) -> Methods {
        self.module.into()
    }
}

/// One request, on a blocking thread.
fn run<G, P, R>(
    context: &Context,
    identity: &Identity,
    params: &Params<'_>,
    handler: impl Fn(&Context, &G, P) -> Answer<R>,
) -> Answer<Box<RawValue>>
where
    G: FromGate,
    P: FromParams,
    R: Serialize,
{
    let grant = context.grant::<G>(identity)?;
    let params = P::from_params(params.as_str())?;
    let result = handler(context, &grant, params)?;
    let raw = to_raw_value(&result).map_err(|error| Failure::Internal(error.to_string()))?;
    let limit = context.limits.response_bytes;
    if raw.get().len() > limit as usize {
        return Err(Failure::Limit(
            "SIZE_LIMIT",
            format!("response of {} bytes exceeds the limit of {limit}", raw.get().len()),
        ));
    }
    Ok(raw)
}

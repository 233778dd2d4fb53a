//! What can be typed, and what is told back.

mod account;
mod check;
mod report;

use std::path::PathBuf;

use alloy::primitives::Address;
use clap::{Parser, Subcommand};
use keygen::{
    Endpoint, Grant, InitRequest, KeygenError, Rights, create_authority, init, parse_address, read_authorities,
    read_node_key, shared_files,
    spec::{DEFAULT_GAS_LIMIT, Fund, GasPrice, SpecRequest, ValidatorsKind},
    write_shared,
};
use report::Report;
use serde_json::json;

/// Keys, ceremony and chain specs for a consortium
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
    /// Answer in JSON
    #[arg(long, global = true, env = "AURUM_JSON")]
    json: bool,
}

impl Args {
    pub(crate) const fn json(&self) -> bool {
        self.json
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make one company's keys and its public authority.json
    Authority(AuthorityArgs),
    /// Make the chain's shared files out of every company's authority.json, or check a spec: `keygen spec check FILE`
    #[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
    Spec(SpecArgs),
    /// Make a whole demonstration: every company's keys and the shared files
    Init(InitArgs),
    /// Make, list and inspect accounts
    #[command(subcommand)]
    Account(account::AccountCommand),
}

#[derive(Debug, clap::Args)]
struct AuthorityArgs {
    /// The company: lower-case letters, digits, hyphens
    #[arg(long, env = "AURUM_NAME")]
    name: String,
    /// HOST:PORT at which the other nodes reach this one [default: <name>:30303]
    #[arg(long, env = "AURUM_ENDPOINT", value_name = "HOST:PORT")]
    endpoint: Option<Endpoint>,
    /// Take the account's key from this file of 64 hex digits instead of a new one
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Let in keys that the whole world knows
    #[arg(long, env = "AURUM_DEV")]
    dev: bool,
    /// Folder to make
    #[arg(long, env = "AURUM_OUT", value_name = "DIR")]
    out: PathBuf,
}

#[derive(Debug, clap::Args)]
struct SpecArgs {
    #[command(subcommand)]
    check: Option<SpecCommand>,
    /// Every company's authority.json
    #[arg(required = true, value_name = "AUTHORITY.JSON")]
    authorities: Vec<PathBuf>,
    #[command(flatten)]
    chain: ChainArgs,
    /// Folder to make
    #[arg(long, env = "AURUM_OUT", value_name = "DIR", required_unless_present = "dry_run")]
    out: Option<PathBuf>,
    /// Print spec.json and make nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Subcommand)]
enum SpecCommand {
    /// Say what a chain spec means and what is odd about it
    Check(check::CheckArgs),
}

#[derive(Debug, clap::Args)]
struct ChainArgs {
    /// The chain's name: lower-case letters, digits, hyphens
    #[arg(long, env = "AURUM_CHAIN_NAME", default_value = "home")]
    name: String,
    /// EIP-155 chain id
    #[arg(long, env = "AURUM_CHAIN_ID", default_value_t = 2026)]
    chain_id: u64,
    /// Seconds a step
    #[arg(long, env = "AURUM_STEP_DURATION", value_name = "SECONDS", default_value_t = 2)]
    step_duration: u64,
    /// `free`, or `fixed:<wei>`
    #[arg(long, env = "AURUM_GAS_PRICE", value_name = "PRICE", default_value = "free")]
    gas_price: GasPrice,
    /// Who receives the fees of a fixed price [default: the first admin]
    #[arg(long, value_name = "ADDR", value_parser = account)]
    fee_collector: Option<Address>,
    /// Gas limit of a block
    #[arg(long, env = "AURUM_GAS_LIMIT", default_value_t = DEFAULT_GAS_LIMIT)]
    gas_limit: u64,
    /// Where the list of authorities is kept: `contract`, or `list` for good
    #[arg(long, value_name = "KIND", default_value = "contract")]
    validators: ValidatorsKind,
    /// Coins at genesis, in wei or with a unit: 0x…=1.5ether; may be repeated
    #[arg(long, value_name = "ADDR=AMOUNT")]
    fund: Vec<Fund>,
    /// Rights of an account, of read, basic, call, create, all, none; may be repeated
    #[arg(long, value_name = "ADDR=RIGHTS")]
    grant: Vec<Grant>,
    /// Rights of accounts that are not listed
    #[arg(long, value_name = "RIGHTS", default_value_t = Rights::DEFAULT)]
    default_rights: Rights,
    /// Who decides about rights and authorities; may be repeated [default: the authorities]
    #[arg(long, value_name = "ADDR", num_args = 1.., value_parser = account)]
    admin: Vec<Address>,
    /// How many admins must agree [default: more than half]
    #[arg(long, value_name = "N")]
    admin_threshold: Option<usize>,
    /// Let in keys that the whole world knows
    #[arg(long, env = "AURUM_DEV")]
    dev: bool,
}

#[derive(Debug, clap::Args)]
struct InitArgs {
    /// How many companies
    #[arg(long, env = "AURUM_AUTHORITIES", default_value_t = 4)]
    authorities: u16,
    /// Port of the first node on this machine; the others follow
    #[arg(long, env = "AURUM_PORT", default_value_t = 30303)]
    port: u16,
    /// Nodes reach each other as <name>:PORT, in containers, instead of on this machine
    #[arg(long)]
    by_name: bool,
    #[command(flatten)]
    chain: ChainArgs,
    /// Folder to make
    #[arg(long, env = "AURUM_OUT", value_name = "DIR")]
    out: PathBuf,
}

fn account(text: &str) -> Result<Address, KeygenError> {
    parse_address("account", text)
}

impl ChainArgs {
    fn request(&self) -> SpecRequest {
        SpecRequest {
            name: self.name.clone(),
            chain_id: self.chain_id,
            step_duration: self.step_duration,
            gas_price: self.gas_price,
            fee_collector: self.fee_collector,
            gas_limit: self.gas_limit,
            validators: self.validators,
            funds: self.fund.clone(),
            grants: self.grant.clone(),
            default_rights: self.default_rights,
            admins: self.admin.clone(),
            admin_threshold: self.admin_threshold,
            dev: self.dev,
        }
    }
}

/// Does what was typed.
pub(crate) fn run(args: &Args) -> Result<Report, KeygenError> {
    match &args.command {
        Command::Authority(args) => authority(args),
        Command::Spec(SpecArgs { check: Some(SpecCommand::Check(args)), .. }) => check::run(args),
        Command::Spec(args) => spec(args),
        Command::Init(args) => {
            let request = InitRequest {
                authorities: args.authorities,
                port: args.port,
                by_name: args.by_name,
                spec: args.chain.request(),
            };
            let authorities = init(&args.out, &request)?;
            let mut report = Report::new(format!("Chain {} of {} companies.", args.chain.name, authorities.len()));
            for one in &authorities {
                let folder = args.out.join(&one.name);
                report.line(format!("{:10} {}  {}", one.name, one.address, folder.display()));
            }
            report.line(format!("{:10} {}", "shared", args.out.join("shared").display()));
            Ok(report.with(json!({ "authorities": authorities, "out": args.out })))
        }
        Command::Account(command) => account::run(command),
    }
}

fn authority(args: &AuthorityArgs) -> Result<Report, KeygenError> {
    let endpoint = match &args.endpoint {
        Some(endpoint) => endpoint.clone(),
        None => format!("{}:30303", args.name).parse()?,
    };
    let key = args.key_file.as_deref().map(read_node_key).transpose()?;
    let one = create_authority(&args.out, &args.name, endpoint, key, args.dev)?;
    let folder = args.out.display();
    let mut report = Report::new(format!("Keys of {} are in {folder}.", one.name));
    report.line(format!("account   {}", one.address));
    report.line(format!("node      {}", one.enode()));
    report.line(format!(
        "Send {folder}/authority.json to whoever writes the chain spec. Nothing else leaves this folder:"
    ));
    report.line("keep a copy of keys/ and password where a thief of one does not find the other.".to_owned());
    Ok(report.with(json!({ "authority": one, "out": args.out })))
}

fn spec(args: &SpecArgs) -> Result<Report, KeygenError> {
    let authorities = read_authorities(&args.authorities)?;
    let request = args.chain.request();
    let (Some(out), false) = (&args.out, args.dry_run) else {
        let files = shared_files(&request, &authorities)?;
        let text = files.into_iter().next().map(|(_, text)| text).unwrap_or_default();
        return Ok(Report::new(text.trim_end().to_owned()).with(json!({ "spec": text })));
    };
    let files = write_shared(out, &request, &authorities)?;
    let mut report = Report::new(format!("Chain {} of {} authorities:", request.name, authorities.len()));
    for file in &files {
        report.line(file.display().to_string());
    }
    report.line("The same inputs give the same bytes: let every company make them and compare spec.json.".to_owned());
    Ok(report.with(json!({ "files": files })))
}

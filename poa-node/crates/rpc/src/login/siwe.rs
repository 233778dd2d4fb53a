//! The message of EIP-4361 ("Sign-In with Ethereum"): written for challenges, read from whatever a wallet's page has made.

use std::fmt;

use alloy::primitives::Address;

use super::timestamp;

/// Longest message that is read, bytes.
const MAX_LENGTH: usize = 4096;
const WANTS: &str = " wants you to sign in with your Ethereum account:";

/// Why a text is no such message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a message of EIP-4361: {0}")]
pub(crate) struct MessageError(&'static str);

/// What is signed. Times are Unix seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// `https` in `https://rpc.acme.example wants you…`, where it is said.
    pub(crate) scheme: Option<String>,
    /// Who asks for the signature: RFC 3986 authority.
    pub(crate) domain: String,
    pub(crate) address: Address,
    pub(crate) statement: Option<String>,
    pub(crate) uri: String,
    pub(crate) chain_id: u64,
    pub(crate) nonce: String,
    pub(crate) issued_at: u64,
    pub(crate) expiration_time: Option<u64>,
    pub(crate) not_before: Option<u64>,
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = &self.scheme {
            write!(f, "{scheme}://")?;
        }
        write!(f, "{}{WANTS}\n{}\n\n", self.domain, self.address)?;
        if let Some(statement) = &self.statement {
            writeln!(f, "{statement}")?;
        }
        write!(f, "\nURI: {}\nVersion: 1\nChain ID: {}\nNonce: {}", self.uri, self.chain_id, self.nonce)?;
        write!(f, "\nIssued At: {}", timestamp::format(self.issued_at))?;
        if let Some(end) = self.expiration_time {
            write!(f, "\nExpiration Time: {}", timestamp::format(end))?;
        }
        if let Some(start) = self.not_before {
            write!(f, "\nNot Before: {}", timestamp::format(start))?;
        }
        Ok(())
    }
}

impl Message {
    /// Reads a message: every line in the order of the EIP's grammar, and nothing besides. A request id and resources may
    /// follow; they mean nothing here.
    ///
    /// # Errors
    /// [`MessageError`] names the first line that does not fit.
    pub(crate) fn parse(text: &str) -> Result<Self, MessageError> {
        if text.len() > MAX_LENGTH {
            return Err(MessageError("it is longer than 4096 bytes"));
        }
        let mut lines = text.split('\n').peekable();
        let first = lines.next().and_then(|line| line.strip_suffix(WANTS)).ok_or(MessageError("its first line"))?;
        let (scheme, domain) = match first.split_once("://") {
            Some((scheme, domain)) => (Some(scheme.to_owned()), domain),
            None => (None, first),
        };
        if domain.is_empty() || domain.contains(|c: char| c == '/' || c.is_whitespace()) {
            return Err(MessageError("the domain"));
        }
        // EIP-55 is demanded: a wallet that shows another spelling may show another account.
        let address = lines.next().and_then(|line| Address::parse_checksummed(line, None).ok());
        let address = address.ok_or(MessageError("the address, with EIP-55's capitals"))?;
        if lines.next() != Some("") {
            return Err(MessageError("an empty line after the address"));
        }
        let statement = match lines.next() {
            Some("") => None,
            Some(statement) => {
                if lines.next() != Some("") {
                    return Err(MessageError("an empty line after the statement"));
                }
                Some(statement.to_owned())
            }
            None => return Err(MessageError("it ends after the address")),
        };
        let mut required = |tag: &'static str, what: &'static str| {
            lines.next().and_then(|line| line.strip_prefix(tag)).ok_or(MessageError(what))
        };
        let uri = required("URI: ", "URI")?.to_owned();
        if required("Version: ", "Version")? != "1" {
            return Err(MessageError("Version, which is 1"));
        }
        let chain_id = required("Chain ID: ", "Chain ID")?.parse().map_err(|_| MessageError("Chain ID"))?;
        let nonce = required("Nonce: ", "Nonce")?.to_owned();
        if nonce.len() < 8 || !nonce.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(MessageError("Nonce, of at least eight letters and digits"));
        }
        let issued_at = required("Issued At: ", "Issued At")?;
        let issued_at = timestamp::parse(issued_at).ok_or(MessageError("Issued At, as RFC 3339"))?;
        let mut optional = |tag: &'static str, what: &'static str| match lines.next_if(|line| line.starts_with(tag)) {
            Some(line) => timestamp::parse(&line[tag.len()..]).map(Some).ok_or(MessageError(what)),
            None => Ok(None),
        };
        let expiration_time = optional("Expiration Time: ", "Expiration Time, as RFC 3339")?;
        let not_before = optional("Not Before: ", "Not Before, as RFC 3339")?;
        lines.next_if(|line| line.starts_with("Request ID: "));
        if lines.next_if(|line| *line == "Resources:").is_some() {
            while lines.next_if(|line| line.starts_with("- ")).is_some() {}
        }
        if lines.next().is_some() {
            return Err(MessageError("a line that does not belong there"));
        }
        Ok(Self {
            scheme,
            domain: domain.to_owned(),
            address,
            statement,
            uri,
            chain_id,
            nonce,
            issued_at,
            expiration_time,
            not_before,
        })
    }

    /// Host and port of the URI.
    pub(crate) fn uri_authority(&self) -> Option<&str> {
        let (_, rest) = self.uri.split_once("://")?;
        rest.split(['/', '?', '#']).next()
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::address;

    use super::Message;

    /// The first example of EIP-4361.
    const EXAMPLE: &str = "example.com wants you to sign in with your Ethereum account:
0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2

I accept the ExampleOrg Terms of Service: https://example.com/tos

URI: https://example.com/login
Version: 1
Chain ID: 1
Nonce: 32891756
Issued At: 2021-09-30T16:25:24Z
Resources:
- ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/
- https://example.com/my-web2-claim.json";

    #[test]
    fn reads_the_example_of_the_eip() {
        let message = Message::parse(EXAMPLE).unwrap();
        assert_eq!((message.domain.as_str(), message.scheme.as_deref()), ("example.com", None));
        assert_eq!(message.address, address!("C02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"));
        assert_eq!((message.chain_id, message.nonce.as_str()), (1, "32891756"));
        assert_eq!((message.issued_at, message.expiration_time), (1_633_019_124, None));
        assert_eq!(message.uri_authority(), Some("example.com"));
        let with_scheme = Message::parse(&format!("https://{EXAMPLE}")).unwrap();
        assert_eq!(with_scheme.scheme.as_deref(), Some("https"));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let full = Message {
            scheme: Some("https".to_owned()),
            expiration_time: Some(1_700_000_300),
            not_before: Some(1_700_000_000),
            ..Message::parse(EXAMPLE).unwrap()
        };
        assert_eq!(Message::parse(&full.to_string()), Ok(full.clone()));
        let bare = Message { statement: None, scheme: None, ..full };
        assert!(bare.to_string().contains("6Cc2\n\n\nURI: "), "{bare}");
        assert_eq!(Message::parse(&bare.to_string()), Ok(bare));
    }

    #[test]
    fn what_is_out_of_place_is_refused() {
        let changes = [
            ("example.com wants", "exam ple.com wants"),
            ("example.com wants", " wants"),
            ("example.com wants", "example.com/a wants"),
            ("0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2", "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"),
            ("Version: 1", "Version: 2"),
            ("Chain ID: 1", "Chain ID: one"),
            ("Nonce: 32891756", "Nonce: 3289175"),
            ("Nonce: 32891756", "Nonce: 3289-756"),
            ("Issued At: 2021-09-30T16:25:24Z", "Issued At: yesterday"),
            ("Issued At: 2021-09-30T16:25:24Z", "Expiration Time: 2021-09-30T16:25:24Z"),
            ("Resources:\n", "Resources:\nnonsense\n"),
            ("Version: 1\nChain ID: 1", "Chain ID: 1\nVersion: 1"),
            ("\n\nURI", "\nURI"),
        ];
        for (from, to) in changes {
            let text = EXAMPLE.replacen(from, to, 1);
            assert_ne!(text, EXAMPLE);
            Message::parse(&text).expect_err(to);
        }
        for text in ["", "\n\n\n", &EXAMPLE[..60], &EXAMPLE.replace('\n', "\r\n"), &"x".repeat(5000)] {
            Message::parse(text).expect_err("no message");
        }
    }
}

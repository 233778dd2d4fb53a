//! A blocking HTTP/1.1 client of one keep-alive connection: next to nothing of the processor the nodes share.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::TcpStream,
    time::Duration,
};

/// A node that needs longer for one request does not answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// A larger answer is not read: no answer to a load generator is that long.
const MAX_BODY: usize = 256 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    /// The connection.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The server's answer is not `200 OK`.
    #[error("HTTP {status}: {body}")]
    Status {
        /// Its code.
        status: u16,
        /// The beginning of its body.
        body: String,
    },
}

/// One connection, opened when first used and again when the server closed it.
#[derive(Debug)]
pub(super) struct Http {
    host: String,
    head: String,
    connection: Option<BufReader<TcpStream>>,
    message: Vec<u8>,
    line: String,
}

impl Http {
    /// Of `http://host:port[/path]`.
    pub(super) fn new(url: &str) -> Self {
        let rest = url.strip_prefix("http://").unwrap_or(url);
        let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: ");
        Self { host: host.to_owned(), head, connection: None, message: Vec::new(), line: String::new() }
    }

    /// Posts `body` and returns the answer's. A raw transaction posted twice is known, never doubled, so a connection that the
    /// server closed meanwhile is opened again and the request repeated.
    pub(super) fn post(&mut self, body: &[u8]) -> Result<Vec<u8>, HttpError> {
        let reused = self.connection.is_some();
        match self.exchange(body) {
            Err(HttpError::Io(_)) if reused => self.exchange(body),
            other => other,
        }
    }

    fn exchange(&mut self, body: &[u8]) -> Result<Vec<u8>, HttpError> {
        // Taken out, so that a connection on which anything failed is not used again.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let stream = TcpStream::connect(&self.host)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(ANSWER_LIMIT))?;
                BufReader::with_capacity(1 << 16, stream)
            }
        };
        self.message.clear();
        self.message.extend_from_slice(self.head.as_bytes());
        self.message.extend_from_slice(body.len().to_string().as_bytes());
        self.message.extend_from_slice(b"\r\n\r\n");
        self.message.extend_from_slice(body);
        connection.get_mut().write_all(&self.message)?;
        let (status, stays_open, answer) = read_answer(&mut connection, &mut self.line)?;
        if stays_open {
            self.connection = Some(connection);
        }
        if status == 200 {
            return Ok(answer);
        }
        let body = String::from_utf8_lossy(&answer[..answer.len().min(200)]).into_owned();
        Err(HttpError::Status { status, body })
    }
}

/// Status, whether the connection stays open, and the body.
fn read_answer(from: &mut impl BufRead, line: &mut String) -> io::Result<(u16, bool, Vec<u8>)> {
    next_line(from, line)?;
    let status = line.split(' ').nth(1).and_then(|code| code.trim().parse().ok()).ok_or_else(|| bad("status line"))?;
    let (mut length, mut chunked, mut stays_open) = (0, false, true);
    loop {
        next_line(from, line)?;
        let header = line.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(|_| bad("content-length"))?;
        } else if header.starts_with("transfer-encoding:") {
            chunked = header.contains("chunked");
        } else if header.starts_with("connection:") {
            stays_open = !header.contains("close");
        }
    }
    let mut body = Vec::new();
    if chunked {
        loop {
            next_line(from, line)?;
            let size = line.trim().split(';').next().unwrap_or_default();
            let size = usize::from_str_radix(size, 16).map_err(|_| bad("chunk size"))?;
            read_more(from, &mut body, size)?;
            next_line(from, line)?;
            if size == 0 {
                break;
            }
        }
    } else {
        read_more(from, &mut body, length)?;
    }
    Ok((status, stays_open, body))
}

fn read_more(from: &mut impl BufRead, body: &mut Vec<u8>, size: usize) -> io::Result<()> {
    let start = body.len();
    if start.saturating_add(size) > MAX_BODY {
        return Err(bad("body: too long"));
    }
    body.resize(start + size, 0);
    from.read_exact(&mut body[start..])
}

fn next_line(from: &mut impl BufRead, line: &mut String) -> io::Result<()> {
    line.clear();
    if from.read_line(line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the answer has a bad {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(answer: &str, expected: (u16, bool, &str)) {
        let (status, stays_open, body) = read_answer(&mut answer.as_bytes(), &mut String::new()).unwrap();
        assert_eq!((status, stays_open, String::from_utf8(body).unwrap().as_str()), expected);
    }

    #[test]
    fn reads_bodies_of_known_length_and_in_chunks() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", (200, true, "{}"));
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x\r\nd\r\n0\r\n\r\n",
            (200, true, "abcd"),
        );
        check("HTTP/1.1 503 busy\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", (503, false, ""));
    }

    #[test]
    fn refuses_what_is_no_answer() {
        for text in ["", "garbage\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"] {
            assert!(read_answer(&mut text.as_bytes(), &mut String::new()).is_err(), "{text:?}");
        }
    }
}

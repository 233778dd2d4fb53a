//! Bytes and JSON by chance.

#![allow(dead_code, unreachable_pub, reason = "a module of the tests of two packages")]

use serde_json::{Value, json};

/// xorshift64*: the same run each time.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    pub fn bytes(&mut self, most: usize) -> Vec<u8> {
        let len = self.below(most);
        (0..len).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    /// JSON of any shape, with texts that look like what methods take.
    pub fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 9 } else { 12 }) {
            0 => Value::Null,
            1 => json!(self.next() & 1 == 0),
            2 => json!(self.next()),
            3 => json!(-1.5e300),
            4 => json!(format!("0x{:x}", self.next())),
            5 => json!(format!("0x{}", "ab".repeat(self.below(66)))),
            6 => json!(["latest", "pending", "earliest", "finalized", "", "0x", "0x0", "-1", "\u{0}"][self.below(9)]),
            7 => json!(format!("0x{:064x}", self.next())),
            8 => json!(format!("0x{:040x}", self.next())),
            9 | 10 => {
                let len = self.below(5);
                (0..len).map(|_| self.value(depth - 1)).collect()
            }
            _ => {
                let names = [
                    "from",
                    "to",
                    "data",
                    "address",
                    "topics",
                    "fromBlock",
                    "tracer",
                    "blockHash",
                    "x",
                    "gas",
                    "value",
                ];
                let len = self.below(5);
                (0..len).map(|_| (names[self.below(names.len())].to_owned(), self.value(depth - 1))).collect()
            }
        }
    }

    /// Parameters of any number and kind.
    pub fn params(&mut self) -> Value {
        match self.below(8) {
            0 => self.value(2),
            _ => {
                let len = self.below(5);
                (0..len).map(|_| self.value(3)).collect()
            }
        }
    }

    /// A request of a known method with such parameters.
    pub fn request(&mut self, id: usize, methods: &[String]) -> Value {
        let method = &methods[self.below(methods.len())];
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": self.params() })
    }

    /// The same with some bytes changed.
    pub fn garbled(&mut self, methods: &[String]) -> Vec<u8> {
        let mut bytes = self.request(7, methods).to_string().into_bytes();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(3) {
                0 => bytes[at] = self.next().to_le_bytes()[0],
                1 => bytes.truncate(at + 1),
                _ => bytes.insert(at, b"{}[]\",:\\\0\xff"[self.below(10)]),
            }
        }
        bytes
    }
}

//! Reports of other authorities, on disk from the moment an offence is seen: a crash loses none, and none is sent twice.
//!
//! A report waits until its transaction is signed, and the signed transaction is on disk before the pool has it. After a
//! restart the same transaction is offered again unless the chain holds it, so however often it is offered it runs once.
//! Only where its nonce was used by another one is a report signed anew.

use std::{
    collections::VecDeque,
    fs, io,
    path::{Path, PathBuf},
};

use alloy::{
    hex,
    primitives::{Address, Bytes},
};
use aurum_aura::Offence;
use serde_json::{Value, json};

use super::{last_sealed::replace, reports::Report};

/// Reports that wait to be signed. What comes beyond them is not reported: nobody does so much wrong in a second but all
/// the time.
const WAITING: usize = 64;
/// Reports that are kept, the newest, so that what is seen again is not reported again.
const KEPT: usize = 512;
/// Name of the file, beside the record of used steps.
const FILE: &str = "reports.json";

/// How far a report has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It is to be signed.
    Waiting,
    /// This transaction, in its EIP-2718 form, makes it.
    Signed(Bytes),
    /// It is on the chain, or cannot be made.
    Done,
}

/// The reports of one node, in the order of their offences.
#[derive(Debug)]
pub(super) struct ReportBook {
    /// `None`: nobody reports here, and nothing is written.
    path: Option<PathBuf>,
    entries: VecDeque<(Report, Progress)>,
}

/// What became of an offence that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noted {
    /// It will be reported.
    New,
    /// It was noted before.
    Known,
    /// Too many others wait.
    TooMany,
}

impl ReportBook {
    /// The book of a node that reports nobody.
    pub(super) const fn closed() -> Self {
        Self { path: None, entries: VecDeque::new() }
    }

    /// The book in `folder`. One that cannot be read is begun anew, which is logged: it says what others did, and nothing of
    /// our own depends on it.
    pub(super) fn open(folder: &Path) -> Self {
        let path = folder.join(FILE);
        let entries = match fs::read_to_string(&path) {
            Ok(text) => parse(&text).unwrap_or_else(|| {
                tracing::error!(path = %path.display(), "holds no reports: those that were not sent are lost");
                VecDeque::new()
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => VecDeque::new(),
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "cannot be read: reports that were not sent are lost");
                VecDeque::new()
            }
        };
        Self { path: Some(path), entries }
    }

    /// All reports, oldest first.
    pub(super) fn entries(&self) -> impl Iterator<Item = &(Report, Progress)> {
        self.entries.iter()
    }

    /// Notes an offence. On disk when this returns.
    pub(super) fn note(&mut self, report: Report) -> Noted {
        if self.entries.iter().any(|(known, _)| *known == report) {
            return Noted::Known;
        }
        if self.entries.iter().filter(|(_, progress)| *progress == Progress::Waiting).count() == WAITING {
            return Noted::TooMany;
        }
        self.entries.push_back((report, Progress::Waiting));
        while self.entries.len() > KEPT {
            self.entries.pop_front();
        }
        self.write();
        Noted::New
    }

    /// Notes how far a report has come. On disk when this returns.
    pub(super) fn set(&mut self, report: &Report, progress: Progress) {
        if let Some((_, known)) = self.entries.iter_mut().find(|(known, _)| known == report) {
            *known = progress;
            self.write();
        }
    }

    fn write(&self) {
        let Some(path) = &self.path else { return };
        if let Err(error) = replace(path, &format!("{}\n", print(&self.entries))) {
            tracing::error!(path = %path.display(), %error, "reports cannot be recorded, and may be lost or sent again");
        }
    }
}

fn print(entries: &VecDeque<(Report, Progress)>) -> Value {
    let entry = |(report, progress): &(Report, Progress)| {
        let Report { contract, accused, block, offence } = report;
        let malicious = *offence == Offence::Malicious;
        let mut value = json!({ "contract": contract, "accused": accused, "block": block, "malicious": malicious });
        match progress {
            Progress::Waiting => {}
            Progress::Signed(transaction) => value["transaction"] = json!(hex::encode_prefixed(transaction)),
            Progress::Done => value["done"] = json!(true),
        }
        value
    };
    json!({ "version": 1, "reports": entries.iter().map(entry).collect::<Vec<_>>() })
}

fn parse(text: &str) -> Option<VecDeque<(Report, Progress)>> {
    let value: Value = serde_json::from_str(text).ok()?;
    if value["version"] != 1 {
        return None;
    }
    let address = |value: &Value| value.as_str()?.parse::<Address>().ok();
    let entry = |value: &Value| {
        let offence = if value["malicious"].as_bool()? { Offence::Malicious } else { Offence::Benign };
        let (contract, accused) = (address(&value["contract"])?, address(&value["accused"])?);
        let report = Report { contract, accused, block: value["block"].as_u64()?, offence };
        let progress = match (&value["transaction"], value["done"].as_bool()) {
            (Value::String(transaction), _) => Progress::Signed(hex::decode(transaction).ok()?.into()),
            (_, Some(true)) => Progress::Done,
            _ => Progress::Waiting,
        };
        Some((report, progress))
    };
    value["reports"].as_array()?.iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(block: u64) -> Report {
        let (contract, accused) = (Address::repeat_byte(1), Address::repeat_byte(2));
        Report { contract, accused, block, offence: Offence::Malicious }
    }

    #[test]
    fn what_is_noted_is_there_for_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let mut book = ReportBook::open(folder.path());
        assert_eq!(book.entries().count(), 0);
        let steps = [Progress::Waiting, Progress::Signed(vec![7, 8].into()), Progress::Done];
        for (block, progress) in (0..).zip(&steps) {
            assert_eq!(book.note(report(block)), Noted::New);
            book.set(&report(block), progress.clone());
        }
        // As after kill -9: another reader of the same file.
        let mut again = ReportBook::open(folder.path());
        assert!(again.entries().eq(book.entries()));
        assert_eq!(again.entries().map(|(_, progress)| progress.clone()).collect::<Vec<_>>(), steps);
        assert_eq!(again.note(report(2)), Noted::Known, "what is done is not reported again");
        let other = Report { offence: Offence::Benign, ..report(2) };
        assert_eq!(again.note(other), Noted::New);
    }

    #[test]
    fn the_book_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let mut book = ReportBook::open(folder.path());
        let noted: Vec<_> = (0..=64).map(|block| book.note(report(block))).collect();
        assert_eq!((noted[63], noted[64]), (Noted::New, Noted::TooMany));
        for block in 0..600 {
            book.note(report(block));
            book.set(&report(block), Progress::Done);
        }
        let again = ReportBook::open(folder.path());
        let kept: Vec<_> = again.entries().map(|(report, _)| report.block).collect();
        assert_eq!((kept.len(), kept[0], kept[511]), (512, 88, 599));
    }

    #[test]
    fn a_damaged_book_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        for damaged in ["", "{}", "{\"version\":1,\"reports\":[{}]}", "{\"version\":2,\"reports\":[]}"] {
            fs::write(folder.path().join(FILE), damaged).unwrap();
            let mut book = ReportBook::open(folder.path());
            assert_eq!(book.entries().count(), 0, "{damaged:?}");
            assert_eq!(book.note(report(1)), Noted::New);
            assert_eq!(ReportBook::open(folder.path()).entries().count(), 1);
        }
    }
}

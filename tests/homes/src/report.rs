//! Reading what `hypercall::contract::run_and_write` has written.

/// How a case ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Its clause held.
    Held,
    /// Its clause is broken.
    Violated,
    /// It could not be staged.
    NotTried,
}

/// The report on one table of cases.
#[derive(Debug, Default)]
pub struct Contract {
    /// What the table is about.
    pub title: String,
    /// The cases in the order of their lines.
    pub cases: Vec<(String, Verdict)>,
}

impl Contract {
    /// The names of the cases that ended so.
    pub fn names(&self, verdict: Verdict) -> Vec<&str> {
        let matching = self.cases.iter().filter(|(_, found)| *found == verdict);
        matching.map(|(name, _)| name.as_str()).collect()
    }

    /// The line of counts that belongs behind these cases.
    fn counts(&self) -> String {
        let [held, violated, not_tried] =
            [Verdict::Held, Verdict::Violated, Verdict::NotTried].map(|end| self.names(end).len());
        let title = &self.title;
        format!("contract {title}: {held} held, {violated} violated, {not_tried} not tried")
    }
}

/// Reads the reports at the front of `text`, and returns them with what follows them. Each one's
/// counts must be those of its lines.
pub fn read_report(text: &str) -> (Vec<Contract>, &str) {
    let mut contracts = Vec::new();
    let mut contract = Contract::default();
    let mut rest = text;
    while let Some((line, after)) = rest.split_once('\n') {
        if let Some(counts) = line.strip_prefix("contract ") {
            let (title, _) = counts.split_once(':').expect("a title");
            contract.title = title.to_owned();
            assert_eq!(line, contract.counts());
            contracts.push(std::mem::take(&mut contract));
        } else if let Some(case) = read_case(line) {
            contract.cases.push(case);
        } else {
            break;
        }
        rest = after;
    }
    assert!(
        contract.cases.is_empty(),
        "a report without its end: {text}"
    );
    (contracts, rest)
}

fn read_case(line: &str) -> Option<(String, Verdict)> {
    let (name, verdict) = if let Some(name) = line.strip_prefix("held ") {
        (name, Verdict::Held)
    } else if let Some(name) = line.strip_prefix("not tried ") {
        (name, Verdict::NotTried)
    } else {
        let (name, _) = line.strip_prefix("VIOLATED ")?.split_once(':')?;
        (name, Verdict::Violated)
    };
    Some((name.to_owned(), verdict))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let text = "held a\nVIOLATED b: seen (clause)\nnot tried c\n\
                    contract x y: 1 held, 1 violated, 1 not tried\n\
                    held d\ncontract z: 1 held, 0 violated, 0 not tried\nhello\nheld e\n";
        let (contracts, rest) = read_report(text);
        assert_eq!(rest, "hello\nheld e\n");
        assert_eq!(contracts.len(), 2);
        assert_eq!(contracts[0].title, "x y");
        assert_eq!(contracts[0].names(Verdict::Violated), ["b"]);
        assert_eq!(contracts[0].names(Verdict::NotTried), ["c"]);
        assert_eq!(contracts[1].names(Verdict::Held), ["d"]);
    }

    #[test]
    #[should_panic = "2 held"]
    fn wrong_counts_are_found() {
        read_report("held a\ncontract x: 2 held, 0 violated, 0 not tried\n");
    }
}

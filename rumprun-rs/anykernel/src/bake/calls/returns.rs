//! Which functions never return, so that nothing flows on behind a call of them.

use std::collections::BTreeSet;

use iced_x86::FlowControl;

use super::code::{Code, branch_target, is_call};

/// Instructions that are looked at before a function is taken to return. Those that end a program
/// are short.
const BUDGET: usize = 2_000;

/// Whether the function at `start` may return: nothing less than a proof makes it no.
pub fn may_return(code: &Code, start: u64) -> bool {
    Search {
        code,
        callers: Vec::new(),
        budget: BUDGET,
    }
    .may_return(start)
}

struct Search<'a> {
    code: &'a Code<'a>,
    /// The functions that are being looked at.
    callers: Vec<u64>,
    budget: usize,
}

impl Search<'_> {
    fn may_return(&mut self, start: u64) -> bool {
        if self.callers.contains(&start) {
            return true;
        }
        self.callers.push(start);
        let returns = self.reaches_return(start);
        self.callers.pop();
        returns
    }

    /// Whether flow from `start` comes to a return, or to where it cannot be followed.
    fn reaches_return(&mut self, start: u64) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![start];
        while let Some(address) = open.pop() {
            if !seen.insert(address) {
                continue;
            }
            let Some(instruction) = self.code.instruction(address) else {
                return true;
            };
            self.budget = self.budget.saturating_sub(1);
            let flow = instruction.flow_control();
            if self.budget == 0 || matches!(flow, FlowControl::Return | FlowControl::IndirectBranch)
            {
                return true;
            }
            let target = branch_target(&instruction);
            let goes_on = match (flow, target) {
                (FlowControl::UnconditionalBranch | FlowControl::Exception, _) => false,
                (_, Some(callee)) if is_call(&instruction) => self.may_return(callee),
                _ => true,
            };
            if goes_on {
                open.push(instruction.next_ip());
            }
            open.extend(target.filter(|_| !is_call(&instruction)));
        }
        false
    }
}

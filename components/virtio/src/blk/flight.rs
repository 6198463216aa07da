//! A request under way: its buffer is lent, and one chain or several carry it to the device.

use alloc::boxed::Box;

use hypercall::{
    BlockCompletion, BlockOperation, BlockRequest, BlockStatus, BufferLender, DeviceAccess, Instant,
};

use super::chain::{Action, Chain};
use super::{Limits, SECTOR};

/// A request under way.
#[derive(Debug)]
pub(super) struct Flight<H> {
    tag: u64,
    work: Work<H>,
    /// The sectors that no chain carries yet; `None` when all are posted.
    rest: Option<Rest>,
    /// Chains that the device has.
    pub chains: u16,
    /// Whether a chain of it has failed.
    pub failed: bool,
    /// When it was first known to be under way.
    pub seen: Option<Instant>,
}

/// A [`BlockOperation`] whose buffer is lent.
#[derive(Debug)]
enum Work<H> {
    Read { first: u64, buffer: H },
    Write { first: u64, buffer: H },
    Flush,
    Discard { first: u64, count: u64 },
}

/// What is left to do. A flush has one chain and no sectors.
#[derive(Clone, Copy, Debug)]
struct Rest {
    sector: u64,
    sectors: u64,
    /// Where the device finds the bytes of `sector`, if there are any.
    address: u64,
}

impl<H> Flight<H> {
    /// Takes `request`, whose range and buffer were checked. Without room to lend its buffer it
    /// comes back.
    pub fn begin<L>(
        request: BlockRequest,
        lender: &mut L,
        block_size: u32,
    ) -> Result<Self, BlockRequest>
    where
        L: BufferLender<Lent = H>,
    {
        let BlockRequest { tag, operation } = request;
        let per_block = u64::from(block_size) / SECTOR;
        let (work, sectors, address) = match operation {
            BlockOperation::Read { first, buffer } => {
                let sectors = buffer.len() as u64 / SECTOR;
                let (buffer, address) =
                    lender
                        .lend(buffer, DeviceAccess::Write)
                        .map_err(|buffer| BlockRequest {
                            tag,
                            operation: BlockOperation::Read { first, buffer },
                        })?;
                (Work::Read { first, buffer }, sectors, address)
            }
            BlockOperation::Write { first, buffer } => {
                let sectors = buffer.len() as u64 / SECTOR;
                let (buffer, address) =
                    lender
                        .lend(buffer, DeviceAccess::Read)
                        .map_err(|buffer| BlockRequest {
                            tag,
                            operation: BlockOperation::Write { first, buffer },
                        })?;
                (Work::Write { first, buffer }, sectors, address)
            }
            BlockOperation::Flush => (Work::Flush, 0, 0),
            BlockOperation::Discard { first, count } => {
                (Work::Discard { first, count }, count * per_block, 0)
            }
        };
        let rest = Rest {
            sector: work.first() * per_block,
            sectors,
            address,
        };
        Ok(Self {
            tag,
            work,
            rest: Some(rest),
            chains: 0,
            failed: false,
            seen: None,
        })
    }

    /// The next chain to post, if not all are.
    pub fn next_chain(&self, limits: &Limits) -> Option<Chain> {
        let Rest {
            sector,
            sectors,
            address,
        } = self.rest?;
        let (action, per_chain) = match self.work {
            Work::Read { .. } => (Action::Read(address), limits.data_sectors),
            Work::Write { .. } => (Action::Write(address), limits.data_sectors),
            Work::Flush => (Action::Flush, 0),
            Work::Discard { .. } => (Action::Discard, limits.discard_sectors),
        };
        Some(Chain {
            action,
            sector,
            sectors: u64::from(per_chain).min(sectors) as u32,
        })
    }

    /// Notes that the chain of [`next_chain`](Self::next_chain) was posted.
    pub fn posted(&mut self, chain: &Chain) {
        self.chains += 1;
        let done = u64::from(chain.sectors);
        let rest = self.rest.filter(|rest| rest.sectors > done);
        self.rest = rest.map(|rest| Rest {
            sector: rest.sector + done,
            sectors: rest.sectors - done,
            address: rest.address + done * SECTOR,
        });
    }

    /// Has no more chains posted, as one has failed.
    pub fn fail(&mut self) {
        self.failed = true;
        self.rest = None;
    }

    /// Whether nothing is left of it, here or with the device.
    pub fn is_over(&self) -> bool {
        self.rest.is_none() && self.chains == 0
    }

    /// The end of it; `regain` gets the buffer back.
    pub fn end(self, regain: impl FnOnce(H) -> Box<[u8]>) -> BlockCompletion {
        let operation = match self.work {
            Work::Read { first, buffer } => BlockOperation::Read {
                first,
                buffer: regain(buffer),
            },
            Work::Write { first, buffer } => BlockOperation::Write {
                first,
                buffer: regain(buffer),
            },
            Work::Flush => BlockOperation::Flush,
            Work::Discard { first, count } => BlockOperation::Discard { first, count },
        };
        BlockCompletion {
            request: BlockRequest {
                tag: self.tag,
                operation,
            },
            status: if self.failed {
                BlockStatus::Failed
            } else {
                BlockStatus::Done
            },
        }
    }
}

impl<H> Work<H> {
    fn first(&self) -> u64 {
        match *self {
            Self::Read { first, .. } | Self::Write { first, .. } | Self::Discard { first, .. } => {
                first
            }
            Self::Flush => 0,
        }
    }
}

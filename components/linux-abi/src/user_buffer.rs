//! Buffers of a program, in one piece or scattered, as the ends of a read or a write.
//!
//! They are checked and faulted in when they are made, so the operation in between cannot fail
//! half way.

use alloc::vec::Vec;
use core::mem::offset_of;

use hypercall::{ProgramHost, Protection, Sink, Source};
use posix::Errno;
use zerocopy::{FromBytes, IntoBytes};

use crate::bindings::{UIO_MAXIOV, iovec};
use crate::user_memory::UserMemory;

/// The most that one call moves, as on Linux (`read(2)`, NOTES).
pub const MAXIMUM_TRANSFER: usize = 0x7fff_f000;

/// A piece of a program's memory, laid out as in an `iovec`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes)]
#[repr(C)]
pub struct Span {
    /// Its first byte.
    pub address: u64,
    /// How many bytes.
    pub length: usize,
}

const _: () = {
    assert!(size_of::<Span>() == size_of::<iovec>());
    assert!(offset_of!(Span, address) == offset_of!(iovec, iov_base));
    assert!(offset_of!(Span, length) == offset_of!(iovec, iov_len));
};

impl Span {
    /// `length` bytes from `address`, or the first of them if these are too many for one call.
    pub fn new(address: u64, length: u64) -> Self {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        Self {
            address,
            length: length.min(MAXIMUM_TRANSFER),
        }
    }
}

/// The pieces of an `iovec` list: EINVAL if there are more than IOV_MAX or if their lengths are
/// more than can be returned; cut to what one call moves.
pub fn read_vector(
    memory: &mut UserMemory<'_>,
    address: u64,
    count: u64,
) -> Result<Vec<Span>, Errno> {
    if count > u64::from(UIO_MAXIOV) {
        return Err(Errno::EINVAL);
    }
    let mut spans: Vec<Span> = memory.read_array(address, count as usize)?;
    let mut total = 0_usize;
    for span in &mut spans {
        let before = total.min(MAXIMUM_TRANSFER);
        total = total.checked_add(span.length).ok_or(Errno::EINVAL)?;
        span.length = span.length.min(MAXIMUM_TRANSFER - before);
    }
    if isize::try_from(total).is_err() {
        return Err(Errno::EINVAL);
    }
    Ok(spans)
}

/// Where in a list of pieces a transfer is.
struct Cursor<'a> {
    current: Span,
    rest: &'a [Span],
    remaining: usize,
}

impl<'a> Cursor<'a> {
    fn new(first: Span, rest: &'a [Span]) -> Self {
        let remaining = rest
            .iter()
            .fold(first.length, |sum, span| sum + span.length);
        Self {
            current: first,
            rest,
            remaining,
        }
    }

    /// Checks every piece for `access`.
    fn prepare(&self, memory: &mut UserMemory<'_>, access: Protection) -> Result<(), Errno> {
        for span in core::iter::once(&self.current).chain(self.rest) {
            memory.prepare(span.address, span.length, access)?;
        }
        Ok(())
    }

    /// The next piece of at most `length` bytes, which counts as moved; `None` when all have been
    /// or `length` is zero.
    fn advance(&mut self, length: usize) -> Option<Span> {
        while self.current.length == 0 {
            let (next, rest) = self.rest.split_first()?;
            self.current = *next;
            self.rest = rest;
        }
        let length = length.min(self.current.length);
        if length == 0 {
            return None;
        }
        let piece = Span {
            address: self.current.address,
            length,
        };
        self.current.address += length as u64;
        self.current.length -= length;
        self.remaining -= length;
        Some(piece)
    }
}

/// A program's buffer that bytes go to.
pub struct UserSink<'a> {
    host: &'a mut dyn ProgramHost,
    cursor: Cursor<'a>,
}

impl<'a> UserSink<'a> {
    /// Fills `span`, which the program must be able to write.
    pub fn new(memory: UserMemory<'a>, span: Span) -> Result<Self, Errno> {
        Self::with_access(memory, Cursor::new(span, &[]), Protection::WRITE)
    }

    /// Fills `spans` one after the other.
    pub fn scattered(memory: UserMemory<'a>, spans: &'a [Span]) -> Result<Self, Errno> {
        let cursor = Cursor::new(Span::default(), spans);
        Self::with_access(memory, cursor, Protection::WRITE)
    }

    /// Fills `span`, which the program can read but need not be able to write: a file mapping.
    pub fn mapping(memory: UserMemory<'a>, span: Span) -> Result<Self, Errno> {
        Self::with_access(memory, Cursor::new(span, &[]), Protection::READ)
    }

    fn with_access(
        mut memory: UserMemory<'a>,
        cursor: Cursor<'a>,
        access: Protection,
    ) -> Result<Self, Errno> {
        cursor.prepare(&mut memory, access)?;
        Ok(Self {
            host: memory.into_host(),
            cursor,
        })
    }
}

impl Sink for UserSink<'_> {
    fn remaining(&self) -> usize {
        self.cursor.remaining
    }

    fn put(&mut self, bytes: &[u8]) -> usize {
        let mut done = 0;
        while let Some(piece) = self.cursor.advance(bytes.len() - done) {
            let part = &bytes[done..done + piece.length];
            let copied = self.host.copy_out(part, piece.address);
            debug_assert!(copied.is_ok(), "the buffer was prepared");
            done += piece.length;
        }
        done
    }
}

/// A program's buffer that bytes come from.
pub struct UserSource<'a> {
    host: &'a mut dyn ProgramHost,
    cursor: Cursor<'a>,
}

impl<'a> UserSource<'a> {
    /// Gives what is in `span`, which the program must be able to read.
    pub fn new(memory: UserMemory<'a>, span: Span) -> Result<Self, Errno> {
        Self::over(memory, Cursor::new(span, &[]))
    }

    /// Gives what is in `spans` one after the other.
    pub fn gathered(memory: UserMemory<'a>, spans: &'a [Span]) -> Result<Self, Errno> {
        Self::over(memory, Cursor::new(Span::default(), spans))
    }

    fn over(mut memory: UserMemory<'a>, cursor: Cursor<'a>) -> Result<Self, Errno> {
        cursor.prepare(&mut memory, Protection::READ)?;
        Ok(Self {
            host: memory.into_host(),
            cursor,
        })
    }
}

impl Source for UserSource<'_> {
    fn remaining(&self) -> usize {
        self.cursor.remaining
    }

    fn take(&mut self, into: &mut [u8]) -> usize {
        let mut done = 0;
        while let Some(piece) = self.cursor.advance(into.len() - done) {
            let part = &mut into[done..done + piece.length];
            let copied = self.host.copy_in(piece.address, part);
            debug_assert!(copied.is_ok(), "the buffer was prepared");
            done += piece.length;
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{FakeProgramHost, TestMemory as _};

    fn writable(host: &mut FakeProgramHost) -> u64 {
        host.place(1, Protection::READ | Protection::WRITE)
    }

    fn entry(address: u64, length: u64) -> iovec {
        iovec {
            iov_base: address,
            iov_len: length,
        }
    }

    #[test]
    fn bytes_scatter_over_pieces_and_are_gathered_again() {
        let mut host = FakeProgramHost::new();
        let page = writable(&mut host);
        let spans = [
            Span::new(page + 8, 3),
            Span::new(0, 0),
            Span::new(page + 2, 4),
        ];
        let memory = UserMemory::new(&mut host);
        let mut sink = UserSink::scattered(memory, &spans).expect("writable");
        assert_eq!(sink.remaining(), 7);
        assert_eq!(sink.put(b"abcd"), 4);
        assert_eq!(sink.put(b"efgh"), 3);
        assert_eq!(sink.put(b"x"), 0);
        assert_eq!(host.bytes(page + 2, 9), b"defg\0\0abc");
        let memory = UserMemory::new(&mut host);
        let mut source = UserSource::gathered(memory, &spans).expect("readable");
        let mut back = [0; 9];
        assert_eq!(source.take(&mut back), 7);
        assert_eq!(&back[..7], b"abcdefg");
        assert_eq!(source.remaining(), 0);
    }

    #[test]
    fn one_bad_piece_spoils_the_whole() {
        let mut host = FakeProgramHost::new();
        let page = writable(&mut host);
        let spans = [Span::new(page, 3), Span::new(8, 1)];
        let sink = UserSink::scattered(UserMemory::new(&mut host), &spans);
        assert_eq!(sink.err(), Some(Errno::EFAULT));
        let read_only = host.place(1, Protection::READ);
        let span = Span::new(read_only, 1);
        assert!(UserSink::new(UserMemory::new(&mut host), span).is_err());
        assert!(UserSource::new(UserMemory::new(&mut host), span).is_ok());
        assert!(UserSink::mapping(UserMemory::new(&mut host), span).is_ok());
    }

    #[test]
    fn a_list_is_checked_before_its_pieces() {
        let mut host = FakeProgramHost::new();
        let page = writable(&mut host);
        let mut memory = UserMemory::new(&mut host);
        let mut vector = |entries: &[iovec], count| {
            for (index, entry) in entries.iter().enumerate() {
                memory.write(page + 16 * index as u64, entry).expect("room");
            }
            read_vector(&mut memory, page, count)
        };
        assert_eq!(vector(&[], 0), Ok(Vec::new()));
        assert_eq!(vector(&[], 1025), Err(Errno::EINVAL));
        assert_eq!(vector(&[], 1000), Err(Errno::EFAULT));
        let overflow = [entry(0, u64::MAX), entry(0, 2)];
        assert_eq!(vector(&overflow, 2), Err(Errno::EINVAL));
        assert_eq!(vector(&[entry(0, 1 << 63)], 1), Err(Errno::EINVAL));
        let long = [entry(1, 0x7fff_0000), entry(2, 0x7fff_0000)];
        let cut = vector(&long, 2).expect("cut");
        assert_eq!(cut[0].length + cut[1].length, MAXIMUM_TRANSFER);
    }

    proptest! {
        /// Pieces that follow each other with gaps, empty ones among them, filled and emptied in
        /// steps of any size.
        #[test]
        fn pieces_are_one_row_of_bytes(
            shape in vec((0..50_u64, 0..200_usize), 0..12),
            content in vec(any::<u8>(), 3000),
            steps in vec(1..300_usize, 1..30),
        ) {
            let mut host = FakeProgramHost::new();
            let mut address = writable(&mut host);
            let mut spans = Vec::new();
            for (gap, length) in shape {
                address += gap;
                spans.push(Span { address, length });
                address += length as u64;
            }
            let room: usize = spans.iter().map(|span| span.length).sum();

            let mut sink = UserSink::scattered(UserMemory::new(&mut host), &spans).expect("writable");
            let mut put = 0;
            for step in &steps {
                let taken = sink.put(&content[put..put + step.min(&(content.len() - put))]);
                prop_assert_eq!(taken, *step.min(&(room - put)));
                put += taken;
                prop_assert_eq!(sink.remaining(), room - put);
            }

            let mut source = UserSource::gathered(UserMemory::new(&mut host), &spans).expect("readable");
            let mut back = Vec::new();
            for step in steps.iter().rev() {
                let mut part = alloc::vec![0; *step];
                let taken = source.take(&mut part);
                back.extend_from_slice(&part[..taken]);
            }
            prop_assert_eq!(&back[..], &content[..put]);
        }
    }
}
